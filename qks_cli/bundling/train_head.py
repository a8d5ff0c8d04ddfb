"""From a data set and a base model to a bundle with a trained head: the steps of `qks train`.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.bundling.calibrate import Truth
from qks_cli.bundling.headed import REFERENCES, calibrate, label_embeddings, make_bundle
from qks_cli.errors import UsageError
from qks_cli.evaluation import plots
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.choose import open_engine
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.protocol import Engine
from qks_cli.model.scoring import score
from qks_cli.model.tagger import label_vectors
from qks_cli.model.weights import load_source
from qks_cli.network.config import ModelConfig
from qks_cli.network.head import KINDS, Source
from qks_cli.photos.loader import pixel_batches
from qks_cli.training import losses
from qks_cli.training.datasets.labelled import DataSet, Split
from qks_cli.training.head import METRICS, HeadConfig, Parts, Run, partition, read_metrics, train
from qks_cli.types import Float32Array, IntArray
from qks_cli.vocabulary.labels_file import Label, Vocabulary, format_labels

MODEL = "model"  # the bundle, inside the run's folder


@dataclass(frozen=True, slots=True)
class Base:
    """The model that a head is trained on: its bundle, its frozen part, an engine for texts."""

    bundle: Bundle
    source: Source
    engine: Engine

    @classmethod
    def open(cls, name_or_folder: str) -> Base:
        """Raises ``ModelError`` for a model that has no image tokens that a head could read."""
        bundle = read_bundle(name_or_folder)
        return cls(bundle, load_source(bundle), open_engine(bundle, "cpu"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to train, on what, where. ``main`` is false in all but one process of several."""

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


def train_head(plan: Plan, report: Callable[[dict[str, Any]], None]) -> Path:
    """Train (or resume), then write bundle, plots and ``labels.txt`` into the run's folder; returns
    the bundle. Raises ``TrainingError`` as ``training.head.train``."""
    seen = np.flatnonzero(plan.data.seen_C)
    split = plan.data.train.labels(seen)
    names = [plan.data.labels[c].name for c in seen]
    base = plan.base.bundle
    labels_CE = label_embeddings(base, plan.base.engine, names, plan.templates, plan.cache)
    if plan.main:
        plan.out.mkdir(parents=True, exist_ok=True)
        used = {
            "dataset": plan.data.name,
            "base": base.name,
            "base_hash": base.hash,
            "photos": len(split),
            "photos_missing": len(plan.data.missing),
            "labels_seen": len(seen),
            "templates": list(plan.templates),
        }
        (plan.out / "data.json").write_text(json.dumps(used, indent=2), encoding="utf-8")
    cached = plan.cache_tokens and not plan.config.unfreeze
    best = train(
        plan.config,
        Run(
            split,
            labels_CE,
            plan.base.source,
            ModelConfig.from_dict(base.config["model"]),
            base.hash,
            base.resize,
            plan.out,
            (plan.tokens or plan.out / "tokens") if cached else None,
            plan.device,
            plan.workers,
            report,
        ),
    )
    if not plan.main:
        return plan.out / MODEL
    folder = make_bundle(
        base,
        plan.config.head,
        plan.out,
        plan.out / MODEL,
        name=f"{base.name}-{plan.data.name}",
        version=plan.version,
        templates=plan.templates,
        cached=cached,
    )
    words = {name.casefold(): Label(name) for name in reversed(plan.data.names)}
    vocabulary = Vocabulary(tuple(reversed(words.values())))
    (folder / "labels.txt").write_text(format_labels(vocabulary), encoding="utf-8")
    _finish(plan, folder, split, names, partition(split, plan.config), report)
    report({"best_epoch": best.get("epoch"), "model": str(folder)})
    return folder


def _finish(
    plan: Plan,
    folder: Path,
    split: Split,
    names: Sequence[str],
    parts: Parts,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Calibrate on the photos kept out of training, and draw what happened."""
    bundle = read_bundle(str(folder))
    engine = OnnxEngine(bundle)
    valid = split.take(parts.valid_N)
    rng = np.random.default_rng(1)
    bank = parts.train_N
    if len(bank) > REFERENCES:
        bank = np.sort(rng.choice(bank, REFERENCES, replace=False))
    valid_tokens = _tokens(engine, bundle, valid.files)
    bank_tokens = _tokens(engine, bundle, split.take(bank).files)
    if not len(valid_tokens.rows) or not len(bank_tokens.rows):
        return
    valid = valid.take(valid_tokens.rows)
    everything = np.concatenate([valid_tokens.tokens_NME, bank_tokens.tokens_NME])
    first = len(valid_tokens.rows)

    def embed(wanted: Sequence[str]) -> Float32Array:
        return label_vectors(bundle, engine, [Label(name) for name in wanted])

    present, known = valid.rows(np.arange(len(valid)))
    truth = Truth(tuple(names), present, known & ~present)
    enough = calibrate(
        folder,
        lambda rows: everything[rows],
        embed,
        truth,
        np.arange(first, len(everything)),
    )
    if not enough:
        report({"calibration": "too few labelled photos were kept out to fit it"})
    scores_NC = score(valid_tokens.tokens_NME, embed(names))
    each_C = mean_average_precision(scores_NC, present, known)
    plots.training_curves(read_metrics(plan.out / METRICS), plan.out / "training.png")
    plots.label_precisions(names, each_C, plan.out / "labels.png")


@dataclass(frozen=True, slots=True)
class _Tokens:
    tokens_NME: Float32Array
    rows: IntArray  # of the photos that could be read


def _tokens(engine: Engine, bundle: Bundle, files: Sequence[Any]) -> _Tokens:
    tokens_NME = np.zeros((len(files), bundle.queries, bundle.width), np.float32)
    read_N = np.zeros(len(files), bool)
    batches = pixel_batches(files, size=bundle.image_size, resize=bundle.resize)
    for rows, pixels_BSS3, read_B in batches:
        tokens_NME[rows] = engine.query_tokens(pixels_BSS3)
        read_N[rows] = read_B
    return _Tokens(tokens_NME[read_N], np.flatnonzero(read_N))


def settle(config: HeadConfig, *, base: Base, **given: Any) -> HeadConfig:
    """A configuration with the user's own values; the head is as wide as the base's image tokens,
    with attention heads of 64. Raises ``UsageError`` for a value that there is not."""
    width = base.source.width
    head = {key: given.pop(key) for key in ("kind", "queries", "layers") if given.get(key)}
    given = {key: value for key, value in given.items() if value is not None}
    decoder = replace(config.head, width=width, heads=max(1, width // 64), **head)
    made = replace(config, head=decoder, **given)
    losses.choose(made.loss)
    if made.unknown not in ("masked", "absent"):
        raise UsageError(f"--unknown is masked or absent, not '{made.unknown}'")
    if made.head.kind not in KINDS:
        raise UsageError(f"no head '{made.head.kind}'", hint=f"one of {', '.join(KINDS)}")
    return made
