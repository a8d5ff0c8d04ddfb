"""Query decoders on a frozen model: what of the paper's claims holds (arXiv 2401.01181).

    python benchmarks/heads.py --data DATA --out OUT          # trains; goes on where it was cut off
    python benchmarks/heads.py --data DATA --out OUT --table  # tables of what is finished

DATA holds ``pool/``, ``pool2/`` and ``eval/``. Two studies: Corel5k's training photos, and the
small part of COCO in ``pool2``. Each is measured on its own evaluation set (seen and unseen labels)
and, without further training, on the other sets. Frozen image tokens are computed once; heads are
trained by the loop of `qks train`, each loss at two or three rates with seed 1, of which the run's
own validation chooses, then with two more seeds. Tables have the mean over seeds, its deviation,
and the difference to a reference with a 95 % interval: photos and seeds are drawn again, the same
for both.

Axes: N photos, C labels, M query tokens, E label space.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli import settings
from qks_cli.bundling.headed import label_embeddings
from qks_cli.bundling.train_head import Base
from qks_cli.evaluation.compare import standardised
from qks_cli.evaluation.measures import Ranking, f1, hits_at, interval_around
from qks_cli.evaluation.vectors import baseline_vectors, own_vectors
from qks_cli.model.model import Model
from qks_cli.network.config import DecoderConfig
from qks_cli.network.head import CompactSource, FrozenModel, build_head
from qks_cli.similarity import max_similarity, unit
from qks_cli.training import datasets
from qks_cli.training.datasets.labelled import DataSet
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import Run
from qks_cli.training.head.loop import load_best, train
from qks_cli.training.tokens import TokenCache, keep_tokens
from qks_cli.types import BoolArray, Float32Array, IntArray

Float64Array = npt.NDArray[np.float64]
HEAD = DecoderConfig("compact", queries=8, width=256, layers=2, heads=4)
SEEDS = (1, 2, 3)
RESAMPLES = 400
ONE = ("a photo of a {}",)
REFERENCE = "8 queries, asl"
# What is changed of a run: values of its configuration, of its head, and whether it has one prompt.
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    REFERENCE: ({}, {}, False),
    "linear probe": ({}, {"kind": "linear", "queries": 1, "layers": 1}, False),
    "8 queries, ranking": ({"loss": "rank"}, {}, False),
    "8 queries, one prompt": ({}, {}, True),
    "8 queries, bce": ({"loss": "bce"}, {}, False),
    "linear probe, bce": ({"loss": "bce"}, {"kind": "linear", "queries": 1, "layers": 1}, False),
    "1 query": ({}, {"queries": 1}, False),
    "2 queries": ({}, {"queries": 2}, False),
    "4 queries": ({}, {"queries": 4}, False),
    "16 queries": ({}, {"queries": 16}, False),
}
SAME_RATE = ("1 query", "2 queries", "4 queries", "16 queries")  # as the reference
# The 17 categories that open-vocabulary detection keeps apart (arXiv 1804.04340).
COCO_UNSEEN = (
    "airplane bus cat dog cow elephant umbrella tie snowboard skateboard cup knife cake couch "
    "keyboard sink scissors"
).split()


@dataclass(frozen=True)
class Study:
    """Training photos of one source, the evaluation set of their labels, and other sets."""

    name: str
    pool: str
    source: str
    others: tuple[str, ...]
    batch: int
    epochs: int
    rates: tuple[float, ...]
    precision: str = "fp32"
    pooled: bool = False  # cells averaged two by two, a quarter of the work


STUDIES = (
    Study("coco", "pool2", "cocomini", ("msrc", "corel5k"), 32, 40, (1e-3, 3e-4)),
    Study("corel5k", "pool", "corel5k", ("coco", "msrc"), 64, 4, (3e-3, 1e-3, 3e-4), "bf16", True),
)


def main() -> None:
    """Train what is not trained yet, or print tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--study", choices=[study.name for study in STUDIES], help="one alone")
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for study in STUDIES:
        if given.study not in (None, study.name):
            continue
        lab = Lab(study, given.data, given.out / study.name, given.model)
        if given.table:
            for line in tables(lab):
                print(line)
        else:
            lab.run_all()


class Pooled(nn.Module):
    """The image tokens of a small model, its cells averaged two by two."""

    projection_WE = None

    def __init__(self, source: FrozenModel) -> None:
        super().__init__()
        assert isinstance(source, CompactSource)
        self.source, self.width = source, source.width
        config = source.model.config
        self.first, self.side = 1 + config.decoder.queries, config.image_size // 16
        self.tokens = self.first + (self.side // 2) ** 2

    def forward(self, pixels_B3HW: Tensor) -> Tensor:
        return self.pooled(self.source(pixels_B3HW))

    def pooled(self, tokens_BPW: Tensor) -> Tensor:
        """[B, P, W] to [B, P', W]."""
        cells = tokens_BPW[:, self.first :].transpose(1, 2)
        cells = functional.avg_pool2d(cells.unflatten(2, (self.side, self.side)), 2)
        return torch.cat([tokens_BPW[:, : self.first], cells.flatten(2).transpose(1, 2)], 1)


@dataclass(eq=False)  # so that what is computed for it is kept by it
class Lab:
    """A study with its data, its kept tokens and its runs."""

    study: Study
    data: Path
    out: Path
    model: str

    @cached_property
    def base(self) -> Base:
        """The frozen model."""
        return Base.open(self.model)

    @cached_property
    def source(self) -> Any:
        """What heads read."""
        return Pooled(self.base.source) if self.study.pooled else self.base.source

    @property
    def key(self) -> str:
        """What tokens depend on."""
        return self.base.bundle.hash + ("-pooled" if self.study.pooled else "")

    @cached_property
    def labelled(self) -> DataSet:
        """Training photos and the study's own evaluation set."""
        root = self.out / "data"
        root.mkdir(parents=True, exist_ok=True)
        own, pool = self.data / "eval" / self.study.name, self.data / self.study.pool
        lines = (pool / "photos.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["source"] == self.study.source]
        (root / "train.jsonl").write_text("".join(kept), encoding="utf-8")
        for name, target in (
            (f"{self.study.source}.zip", pool / f"{self.study.source}.zip"),
            ("photos", own / "photos"),
            ("test.jsonl", own / "labels.jsonl"),
            ("vocabulary.txt", own / "vocabulary.txt"),
        ):
            if not (root / name).exists():
                (root / name).symlink_to(target.resolve())
        unseen = own / "unseen.txt"
        words = unseen.read_text(encoding="utf-8").split("\n") if unseen.is_file() else COCO_UNSEEN
        (root / "unseen.txt").write_text("\n".join(words), encoding="utf-8")
        return datasets.read("jsonl", root)

    @cached_property
    def sets(self) -> dict[str, DataSet]:
        """Every set that is measured on, the study's own first."""
        others = {
            name: datasets.read("jsonl", self.data / "eval" / name) for name in self.study.others
        }
        return {self.study.name: self.labelled} | others

    @cache  # noqa: B019 - one study at a time
    def vectors(self, name: str, one: bool) -> Float32Array:
        """Label vectors of a set [C, E], by the model's own pool of prompts or one prompt."""
        base = self.base.bundle
        pool = ONE if one else base.templates
        names = self.sets[name].names
        return label_embeddings(base, self.base.engine, names, pool, settings.cache_path())

    @cache  # noqa: B019
    def tokens(self, name: str) -> TokenCache:
        """Frozen image tokens of a set's test photos."""
        return self._keep(self.out / f"tokens-{name}", self.sets[name].test.files)

    def _keep(self, folder: Path, files: Any) -> TokenCache:
        base = self.base.bundle
        return keep_tokens(
            folder, files, self.source, base.architecture,
            key=self.key, resize=base.resize, device="cpu", report=tell,
        )  # fmt: skip

    def run_all(self) -> None:
        """The first seed of everything, then the others."""
        for seed in SEEDS:
            for variant in VARIANTS:
                if seed == 1 and variant not in SAME_RATE:
                    for rate in self.study.rates:
                        self.run(variant, rate, seed)
                else:
                    self.run(variant, self.rate(variant), seed)

    def rate(self, variant: str) -> float:
        """The rate that the validation of seed 1 chooses, of those that are finished."""
        named = REFERENCE if variant in SAME_RATE else variant
        tried = [rate for rate in self.study.rates if self.finished(named, rate, 1)]
        return max(tried, key=lambda rate: self.kept(named, rate, 1)["selection"])

    def finished(self, variant: str, rate: float, seed: int) -> bool:
        """Whether a run is trained and measured."""
        return (self.folder(variant, rate, seed) / "best.json").is_file()

    def folder(self, variant: str, rate: float, seed: int) -> Path:
        """Of a run."""
        return self.out / "runs" / f"{variant.replace(', ', '-').replace(' ', '-')}-{rate}-{seed}"

    def kept(self, variant: str, rate: float, seed: int) -> dict[str, Any]:
        """The best epoch of a finished run."""
        text = (self.folder(variant, rate, seed) / "best.json").read_text(encoding="utf-8")
        return dict(json.loads(text))

    def run(self, variant: str, rate: float, seed: int) -> None:
        """Train a head, unless it is trained, and keep its query tokens of every test photo."""
        folder = self.folder(variant, rate, seed)
        if self.finished(variant, rate, seed):
            return
        options, changed, one = VARIANTS[variant]
        study, data, base = self.study, self.labelled, self.base
        config = HeadConfig(
            head=replace(HEAD, **changed), rate=rate, seed=seed,
            batch=study.batch, epochs=study.epochs, precision=study.precision, **options,
        )  # fmt: skip
        seen = np.flatnonzero(data.seen_C)
        run = Run(
            data.train.labels(seen), self.vectors(study.name, one)[seen], self.source,
            base.bundle.architecture, self.key, base.bundle.resize, folder,
            self.out / "tokens",
        )  # fmt: skip
        best = train(config, run)
        head = build_head(config.head, self.source, base.bundle.width)
        load_best(folder, head)
        head.eval()
        with torch.inference_mode():
            made = {name: self._read(head, self.tokens(name)) for name in self.sets}
        np.savez(folder / "query_tokens.npz", **made)
        (folder / "best.json").write_text(json.dumps(best), encoding="utf-8")
        tell({"study": study.name, "variant": variant, "seed": seed} | best)

    def _read(self, head: torch.nn.Module, kept: TokenCache) -> Float32Array:
        parts = [
            head(kept.batch(np.arange(at, min(at + 128, len(kept.read_N))))).numpy()
            for at in range(0, len(kept.read_N), 128)
        ]
        return np.concatenate(parts)


def tell(row: dict[str, Any]) -> None:
    """Progress."""
    said = {
        key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()
    }
    print(json.dumps(said), file=sys.stderr, flush=True)


@dataclass
class Column:
    """Labels of a set to be measured: which, and their truth [N, C]."""

    title: str
    set: str
    labels: IntArray
    present: BoolArray


def columns(lab: Lab) -> list[Column]:
    """Seen, unseen and all labels of the study's own set, all of the others."""
    own = lab.study.name
    seen_C = lab.labelled.seen_C
    chosen = [
        ("seen", own, np.flatnonzero(seen_C)),
        ("unseen", own, np.flatnonzero(~seen_C)),
        ("all", own, np.arange(len(seen_C))),
    ]
    chosen += [(name, name, np.arange(len(lab.sets[name].labels))) for name in lab.study.others]
    out = []
    for title, name, labels in chosen:
        test = lab.sets[name].test
        present, _ = test.labels(labels).rows(np.arange(len(test)))
        out.append(Column(title, name, labels, present))
    return out


Scorer = Callable[[Column], list[Float32Array]]


def scorers(lab: Lab) -> dict[str, Scorer]:
    """Scores [N, C] of a column's labels by every method, one for each seed."""
    found: dict[str, Scorer] = {}
    for variant, (_, _, one) in VARIANTS.items():
        folders = _finished(lab, variant)
        if not folders:
            continue

        def scores(column: Column, folders: Any = folders, one: bool = one) -> list[Float32Array]:
            vectors = lab.vectors(column.set, one)[column.labels]
            return [max_similarity(_tokens(path, column.set), vectors) for path in folders]

        found[variant] = scores
    found["no head: its own query tokens"] = lambda column: [_own(lab, column)]
    found["no head: class token"] = lambda column: [_class_token(lab, column)]
    for variant in (REFERENCE, "8 queries, ranking"):
        if variant in found:
            plain = found[variant]
            found[f"{variant} + class token"] = lambda column, plain=plain: [
                standardised(scores) + standardised(_class_token(lab, column))
                for scores in plain(column)
            ]
    return found


def _finished(lab: Lab, variant: str) -> list[Path]:
    named = REFERENCE if variant in SAME_RATE else variant
    if not any(lab.finished(named, rate, 1) for rate in lab.study.rates):
        return []
    rate = lab.rate(variant)
    return [lab.folder(variant, rate, seed) for seed in SEEDS if lab.finished(variant, rate, seed)]


@cache
def _tokens(folder: Path, name: str) -> Float32Array:
    with np.load(folder / "query_tokens.npz") as stored:
        return np.asarray(stored[name], np.float32)


def _frozen(lab: Lab, name: str) -> Float32Array:
    """The small model's mean query token and query tokens [N, 1 + M, E]."""
    queries = lab.base.bundle.queries
    return np.asarray(lab.tokens(name).tokens_NPW[:, : 1 + queries], np.float32)


def _own(lab: Lab, column: Column) -> Float32Array:
    names = [lab.sets[column.set].names[c] for c in column.labels]
    vectors = own_vectors(Model(lab.base.bundle, cache=settings.cache_path()), names)
    return max_similarity(_frozen(lab, column.set)[:, 1:], vectors)


def _class_token(lab: Lab, column: Column) -> Float32Array:
    names = [lab.sets[column.set].names[c] for c in column.labels]
    vectors = baseline_vectors(Model(lab.base.bundle, cache=settings.cache_path()), names)
    return np.asarray(unit(_frozen(lab, column.set)[:, 0, :-1]) @ vectors.T, np.float32)


def tables(lab: Lab) -> Iterator[str]:
    """mAP by method and column, then the differences to some of them."""
    every, methods = columns(lab), scorers(lab)
    scored = {name: [scorer(column) for column in every] for name, scorer in methods.items()}
    drawn = {
        name: [mean_precisions(seeds, column.present) for seeds, column in pairs(by, every)]
        for name, by in scored.items()
    }
    titles = " | ".join(f"{one.title} ({len(one.present)}, {one.labels.size})" for one in every)
    yield f"\n## {lab.study.name}: {len(lab.labelled.train)} photos to train on\n"
    yield f"| variant | rate | seeds | {titles} | F1@3 seen | F1@3 unseen |"
    yield "| --- " * (len(every) + 5) + "|"
    for name, by in scored.items():
        cells = [_cell(values_SR[:, 0]) for values_SR in drawn[name]]
        cells += [
            _cell(np.array([f1(hits_at(scores, column.present, 3)) for scores in seeds]))
            for seeds, column in pairs(by[:2], every[:2])
        ]
        rate = f"{lab.rate(name):g}" if name in VARIANTS else "–"
        yield f"| {name} | {rate} | {len(by[0])} | {' | '.join(cells)} |"
    for reference in (REFERENCE, "linear probe", "no head: its own query tokens"):
        if reference in drawn:
            yield f"\nmAP less that of: {reference}\n"
            yield f"| variant | {titles} |"
            yield "| --- " * (len(every) + 1) + "|"
            for name in (name for name in drawn if name != reference):
                both = pairs(drawn[name], drawn[reference])
                yield f"| {name} | {' | '.join(_difference(*one) for one in both)} |"


def pairs(one: Sequence[Any], other: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Side by side."""
    return zip(one, other, strict=True)


def mean_precisions(seeds: Sequence[Float32Array], present_NC: BoolArray) -> Float64Array:
    """mAP of each seed [S, 1 + R]: of all photos, then of each of R resamples of them, which are
    the same whatever the scores."""
    rng, count = np.random.default_rng(1), len(present_NC)
    drawn = rng.integers(0, count, (RESAMPLES, count))
    weights_RN = np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)
    weights_RN = np.concatenate([np.ones((1, count)), weights_RN])
    carried = np.flatnonzero(present_NC.any(0))
    return np.stack(
        [
            np.nanmean([_precision(s[:, c], present_NC[:, c], weights_RN) for c in carried], axis=0)
            for s in seeds
        ]
    )


def _precision(scores_N: Float32Array, present_N: BoolArray, weights_RN: Float64Array) -> Any:
    """``Ranking.average_precision`` with many weights at once [R]."""
    ranking = Ranking(scores_N, present_N)
    sorted_RN = weights_RN[:, ranking.order_N]
    right_RK = np.cumsum(sorted_RN * ranking.present_N, axis=1)[:, ranking.ends_K]
    asked_RK = np.cumsum(sorted_RN, axis=1)[:, ranking.ends_K]
    gained_RK = np.diff(right_RK, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):
        return (gained_RK * right_RK / np.maximum(asked_RK, 1e-12)).sum(1) / right_RK[:, -1]


def _cell(values_S: Float64Array) -> str:
    spread = f" ± {np.std(values_S, ddof=1):.3f}" if len(values_S) > 1 else ""
    return f"{np.mean(values_S):.3f}{spread}"


def _difference(one_SR: Float64Array, other_SR: Float64Array) -> str:
    """Means over seeds less each other, with the interval; a star where it does not hold zero."""
    rng = np.random.default_rng(2)
    resamples = range(1, one_SR.shape[1])
    gains = []
    for r in resamples:
        seeds = rng.integers(0, len(one_SR), len(one_SR))
        # A seed keeps the same photos and labels out for both.
        others = seeds if len(other_SR) == len(one_SR) else rng.integers(0, len(other_SR), 3)
        gains.append(float(one_SR[seeds, r].mean() - other_SR[others, r].mean()))
    gain = float(one_SR[:, 0].mean() - other_SR[:, 0].mean())
    low, high = interval_around(gain, gains)
    return f"{gain:+.3f} ({low:+.3f} to {high:+.3f}){'' if low <= 0 <= high else '*'}"


if __name__ == "__main__":
    main()
