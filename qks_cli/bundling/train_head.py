"""From a data set and a base model to a bundle with a trained head: the steps of `qks train`.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.bundling import training_record
from qks_cli.bundling.calibrate import Truth
from qks_cli.bundling.headed import (
    REFERENCES,
    calibrate,
    label_embeddings,
    make_bundle,
    replace_bank,
)
from qks_cli.bundling.own_cutoffs import write_own_cutoffs
from qks_cli.errors import UsageError
from qks_cli.evaluation import plots
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.model import calibration
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.engine import Engine, open_engine
from qks_cli.model.model import Model
from qks_cli.model.weights import load_source
from qks_cli.network.head import KINDS, FrozenModel
from qks_cli.similarity import max_similarity
from qks_cli.training.datasets.digest import describe
from qks_cli.training.datasets.labelled import DataSet, Split
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import Parts, Run, partition
from qks_cli.training.head.loop import refit, train
from qks_cli.training.run import METRICS, read_metrics, write_json
from qks_cli.training.streams import Stream
from qks_cli.types import Float32Array, IntArray
from qks_cli.vocabulary.labels_file import Label, Vocabulary, format_labels

MODEL = "model"  # the bundle, inside the run's folder
OWN_CUTOFFS = "labels.txt"  # the seen labels, with cut-offs fitted on the photos kept out
SEEDS = "seeds.json"
HELD_OUT = "held-out.txt"  # the labels that a run was selected by
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a head is trained on: its bundle, its frozen part, an engine for texts."""

    bundle: Bundle
    source: FrozenModel
    engine: Engine

    @classmethod
    def open(cls, name_or_folder: str) -> Base:
        """Raises ``ModelError`` for a model that has no image tokens that a head could read."""
        bundle = read_bundle(name_or_folder)
        return cls(bundle, load_source(bundle), open_engine(bundle, "cpu"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train, on what, where. ``main`` is false in all but one process of several.

    ``refit`` trains once more on what was kept out too; ``tensorboard`` writes curves for it."""

    data: DataSet
    base: Base
    config: HeadConfig
    templates: Sequence[str]
    out: Path
    cache: Path | None  # label embeddings
    device: str = "cpu"
    cache_tokens: bool = True
    tokens: Path | None = None  # kept image tokens, where several runs share them
    workers: int = 0
    version: str = "1"
    main: bool = True
    root: Path | None = None  # of the data set
    refit: bool = False
    tensorboard: bool = False
    stream: Stream | None = None  # photos are read shard by shard

    @property
    def cached(self) -> bool:
        """Whether image tokens are kept."""
        return self.cache_tokens and not self.config.unfreeze

    @property
    def seen_C(self) -> IntArray:
        """The labels that may be trained on, of all of the data set's."""
        return np.flatnonzero(self.data.seen_C)


def train_head(plan: Plan, report: Report) -> Path:
    """Train (or resume), then write bundle, plots and ``labels.txt`` into the run's folder; returns
    the bundle. Raises ``TrainingError`` as ``training.head.loop.train``."""
    run = _run(plan, report)
    parts = partition(run.split, plan.config)
    if plan.main:
        _write_held_out(plan, parts)
    best = train(plan.config, run)
    trained = refit(plan.config, run, best) if plan.refit else plan.out
    if not plan.main:
        return plan.out / MODEL
    folder = _bundle(plan, plan.out, parts)
    _calibrate(plan, folder, run.split, parts, report)
    if plan.refit:
        folder = _bundle(plan, trained, parts)
        replace_bank(
            folder, _bank_tokens(Model(read_bundle(str(folder))), run.split, parts).tokens_NME
        )
    report({"best_epoch": best.get("epoch"), "model": str(folder)})
    return folder


def train_seeds(plan: Plan, seeds: Sequence[int], report: Report) -> list[Path]:
    """``train_head`` with each seed in a folder of its own, image tokens shared; returns the
    bundles. ``OUT/seeds.json`` has every seed's best epoch, their mean and deviation."""
    tokens = plan.tokens or plan.out / "tokens"
    folders = []
    for seed in seeds:
        out = plan.out / f"seed-{seed}"
        config = replace(plan.config, seed=seed)
        report({"seed": seed, "folder": str(out)})
        folders.append(train_head(replace(plan, out=out, config=config, tokens=tokens), report))
    if plan.main:
        rows = [_best_row(plan.out / f"seed-{seed}") | {"seed": seed} for seed in seeds]
        write_json(plan.out / SEEDS, {"seeds": rows} | _spread(rows))
    return folders


def _best_row(out: Path) -> dict[str, Any]:
    return max(read_metrics(out / METRICS), key=lambda row: float(row["selection"]))


def _spread(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean and deviation of the sample over seeds."""
    out: dict[str, dict[str, float]] = {}
    for name in ("map_trained", "map_held_out", "selection"):
        values = [float(row[name]) for row in rows if row[name] is not None]
        if values:
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
            out[name] = {"mean": float(np.mean(values)), "deviation": deviation}
    return out


def _run(plan: Plan, report: Report) -> Run:
    base = plan.base.bundle
    names = [plan.data.labels[c].name for c in plan.seen_C]
    return Run(
        plan.data.train.labels(plan.seen_C),
        label_embeddings(base, plan.base.engine, names, plan.templates, plan.cache),
        plan.base.source,
        base.architecture,
        base.hash,
        base.resize,
        plan.out,
        (plan.tokens or plan.out / "tokens") if plan.cached else None,
        plan.device,
        plan.workers,
        report,
        _about(plan) if plan.main else None,
        plan.tensorboard,
        plan.stream,
    )


def _about(plan: Plan) -> dict[str, Any]:
    """What the run depends on beside its options, for the manifest."""
    base = plan.base.bundle
    # Another number of workers draws other batches.
    streamed = {} if plan.stream is None else {"stream": asdict(plan.stream)}
    return streamed | {
        "data": describe(plan.data, plan.root),
        "labels": [plan.data.labels[c].key for c in plan.seen_C],
        "label_names": [plan.data.labels[c].name for c in plan.seen_C],
        "prompts": list(plan.templates),
        "base": {"name": base.name, "version": base.version, "hash": base.hash},
        "kept_tokens": plan.cached,
    }


def _write_held_out(plan: Plan, parts: Parts) -> None:
    plan.out.mkdir(parents=True, exist_ok=True)
    names = [plan.data.labels[plan.seen_C[c]].name for c in parts.valid_C]
    (plan.out / HELD_OUT).write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _bundle(plan: Plan, trained: Path, parts: Parts) -> Path:
    """The bundle of the best head of the run in ``trained``, not calibrated anew."""
    base = plan.base.bundle
    folder = plan.out / MODEL
    keys = [plan.data.labels[c].key for c in plan.seen_C]
    kept = parts.all_trained() if trained != plan.out else parts
    folder.mkdir(parents=True, exist_ok=True)
    if trained == plan.out:
        (folder / calibration.CALIBRATION_FILE).unlink(missing_ok=True)
    training_record.write(
        folder,
        training_record.Record(
            plan.data.name,
            tuple(keys[c] for c in kept.train_C),
            tuple(keys[c] for c in parts.valid_C),
            refit=trained != plan.out,
        ),
    )
    make_bundle(
        base,
        plan.config.head,
        trained,
        folder,
        name=f"{base.name}-{plan.data.name}",
        version=plan.version,
        templates=plan.templates,
        cached=plan.cached,
    )
    words = {name.casefold(): Label(name) for name in reversed(plan.data.names)}
    vocabulary = Vocabulary(tuple(reversed(words.values())))
    (folder / "labels.txt").write_text(format_labels(vocabulary), encoding="utf-8")
    return folder


def _calibrate(plan: Plan, folder: Path, split: Split, parts: Parts, report: Report) -> None:
    """Calibrate on the photos kept out of training, and draw what happened."""
    model = Model(read_bundle(str(folder)))
    names = [plan.data.labels[c].name for c in plan.seen_C]
    valid = split.take(parts.valid_N)
    valid_tokens = _tokens(model, valid.files)
    bank_tokens = _bank_tokens(model, split, parts)
    if not len(valid_tokens.rows) or not len(bank_tokens.rows):
        report({"calibration": "no photo could be read to fit it"})
        return
    valid = valid.take(valid_tokens.rows)
    everything = np.concatenate([valid_tokens.tokens_NME, bank_tokens.tokens_NME])
    first = len(valid_tokens.rows)
    present, known = valid.rows(np.arange(len(valid)))
    enough = calibrate(
        folder,
        lambda rows: everything[rows],
        lambda wanted: model.label_vectors([Label(name) for name in wanted]),
        Truth(tuple(names), present, known & ~present),
        np.arange(first, len(everything)),
    )
    if not enough:
        report({"calibration": "too few labelled photos were kept out to fit it"})
    cutoffs = write_own_cutoffs(
        Model(read_bundle(str(folder))),
        names,
        valid_tokens.tokens_NME,
        present,
        known,
        plan.out / OWN_CUTOFFS,
    )
    report({"labels_with_own_cutoffs": cutoffs.fitted, "file": str(plan.out / OWN_CUTOFFS)})
    labels_CE = model.label_vectors([Label(name) for name in names], as_written=True)
    each_C = mean_average_precision(
        max_similarity(valid_tokens.tokens_NME, labels_CE), present, known
    )
    plots.training_curves(read_metrics(plan.out / METRICS), plan.out / "training.png")
    plots.label_precisions(names, each_C, plan.out / "labels.png")


def _bank_tokens(model: Model, split: Split, parts: Parts) -> _Tokens:
    """Query tokens of some training photos, against which scores are standardised."""
    bank = parts.train_N
    if len(bank) > REFERENCES:
        chosen = np.random.default_rng(1).choice(bank, REFERENCES, replace=False)
        bank = np.sort(chosen)
    return _tokens(model, split.take(bank).files)


@dataclass(frozen=True, slots=True)
class _Tokens:
    tokens_NME: Float32Array
    rows: IntArray  # of the photos that could be read


def _tokens(model: Model, files: Sequence[Any]) -> _Tokens:
    tokens_NME, read_N = model.tokens_of(files)
    return _Tokens(tokens_NME[read_N], np.flatnonzero(read_N))


def settle(config: HeadConfig, *, base: Base, **given: Any) -> HeadConfig:
    """A configuration with the user's own values; the head is as wide as the base's image tokens,
    with attention heads of 64. Raises ``UsageError`` for a head that there is not,
    ``TrainingError`` for another value that cannot be."""
    width = base.source.width
    head = {key: given.pop(key) for key in ("kind", "queries", "layers") if given.get(key)}
    given = {key: value for key, value in given.items() if value is not None}
    decoder = replace(config.head, width=width, heads=_heads(width), **head)
    if decoder.kind not in KINDS:
        raise UsageError(f"no head '{decoder.kind}'", hint=f"one of {', '.join(KINDS)}")
    return replace(config, head=decoder, **given)


def _heads(width: int) -> int:
    """Attention heads of 64 where the width allows it, else the nearest that divides it."""
    wanted = max(1, width // 64)
    return next(heads for heads in range(wanted, 0, -1) if width % heads == 0)
