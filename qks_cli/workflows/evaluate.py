"""What `qks eval` does: a model and its baselines on a data set's test photos.

Axes: N photos, C labels.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qks_cli.bundling import training_record
from qks_cli.bundling.own_cutoffs import write_own_cutoffs
from qks_cli.errors import UsageError
from qks_cli.evaluation import plots
from qks_cli.evaluation.figures import F1_KINDS, Figures, figures
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.evaluation.vectors import baseline_vectors, own_vectors
from qks_cli.model.bundle import Bundle
from qks_cli.model.calibration import Calibration
from qks_cli.model.cutoffs import CutoffReport
from qks_cli.model.model import Model
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array, IntArray
from qks_cli.wording import count_of
from qks_cli.workflows.scoring import METHODS

if TYPE_CHECKING:
    from qks_cli.evaluation.compare import Scores
    from qks_cli.training.datasets.labelled import DataSet, Split
    from qks_cli.types import BoolArray

Say = Callable[[str], None]
REFERENCE = "QKS"  # the method that gains are counted from
PROTOCOLS = {"filtered": True, "unfiltered": False}


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure. ``protocols`` are names of ``PROTOCOLS``; ``unknown`` is ``masked`` or
    ``absent``; ``f1`` as in ``figures``; ``methods`` are further ones of ``training_free``;
    ``keep`` keeps query tokens and image vectors for plots, cut-offs and saved arrays."""

    bundle: Bundle
    data: DataSet
    ks: tuple[int, ...] = (3, 5)
    protocols: tuple[str, ...] = tuple(PROTOCOLS)
    unknown: str = "masked"
    f1: str = "published"
    bootstrap: int = 200
    limit: int = 0
    device: str = "cpu"
    cache: Path | None = None
    methods: tuple[str, ...] = ()
    compounds: Path | None = None
    keep: bool = False

    def check(self) -> None:
        """Raises ``UsageError`` for a value that cannot be."""
        if self.unknown not in ("masked", "absent"):
            raise UsageError(f"--unknown is masked or absent, not '{self.unknown}'")
        if self.f1 not in F1_KINDS:
            raise UsageError(f"--f1 is {' or '.join(F1_KINDS)}, not '{self.f1}'")
        for name in self.methods:
            if name not in METHODS:
                raise UsageError(f"no method '{name}'", hint=f"one of {', '.join(METHODS)}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The test photos that could be read, every method's scores of them, and the labels."""

    request: Request
    test: Split
    scores: Scores
    labels_CE: Float32Array
    subsets: dict[str, IntArray]

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a subset, protocol and method, with the gain over the model itself."""
        request = self.request
        for subset, columns in self.subsets.items():
            present, known = self.truth(columns)
            if not present.any():
                continue
            for protocol in request.protocols:
                found = {
                    method: figures(
                        self.scores.of(method, columns),
                        present,
                        known,
                        ks=request.ks,
                        filtered=PROTOCOLS[protocol],
                        repeats=request.bootstrap,
                        f1_of=request.f1,
                    )
                    for method in self.scores.methods
                }
                yield from _rows(subset, protocol, found)

    def truth(self, columns: IntArray) -> tuple[BoolArray, BoolArray | None]:
        """``present_NC``, and ``known_NC`` where anything is unknown."""
        present, known = self.test.labels(columns).rows(np.arange(len(self.test)))
        return present, None if known.all() or self.request.unknown == "absent" else known

    def empty(self) -> list[str]:
        """Subsets of which no test photo carries a label."""
        return [name for name, columns in self.subsets.items() if not self.truth(columns)[0].any()]

    def calibrated(self) -> Float32Array:
        """The model's calibrated scores of all labels [N, C], 0 to 1."""
        calibration = Calibration.read(self.request.bundle)
        raw_NC = max_similarity(self.scores.tokens_NME, self.labels_CE)
        return calibration.probabilities(raw_NC, calibration.label_stats(self.labels_CE))


def _rows(subset: str, protocol: str, found: dict[str, Figures]) -> Iterator[dict[str, Any]]:
    for method, one in found.items():
        yield {
            "subset": subset,
            "protocol": protocol,
            "method": method,
            **one.row(),
            **one.less(found[REFERENCE]),
        }


def columns_of(request: Request) -> list[str]:
    """The fields of a row."""
    out = ["subset", "protocol", "method", "photos", "labels"]
    for name in ["map", *(f"f1@{k}" for k in request.ks), "map_gain"]:
        out += [name, f"{name}_low", f"{name}_high"] if request.bootstrap else [name]
    return out


def evaluate(request: Request, say: Say = lambda text: None) -> Evaluation:
    """Read the test photos once and score them by every method.

    Raises ``UsageError`` where there is no test photo that can be read.
    """
    from qks_cli.evaluation import training_free
    from qks_cli.evaluation.compare import score_photos

    request.check()
    data, bundle = request.data, request.bundle
    test = _chosen(data.test, request.limit)
    if not len(test):
        raise UsageError(f"the data set {data.name} has no test photos here")
    model = Model(bundle, cache=request.cache)
    labels_CE = own_vectors(model, data.names)
    baseline_CE = baseline_vectors(model, data.names)
    photos, labels = count_of(len(test), "test photo"), count_of(len(data.labels), "label")
    say(f"{photos}, {labels}, model {bundle.name}")
    setting = training_free.Setting(
        model,
        data.names,
        labels_CE,
        baseline_CE,
        len(test),
        # An evaluation set has no training photos; nobody's labels are looked at either way.
        data.train.files if len(data.train) else test.files,
        request.device,
        request.compounds,
    )
    more = training_free.prepare(request.methods, setting)
    scores = score_photos(
        bundle,
        test.files,
        labels_CE,
        baseline_CE,
        device=request.device,
        keep_tokens=request.keep,
        watch=more.watch if request.methods else None,
    )
    bad = np.flatnonzero(~scores.read_N)
    for index in bad[:20]:
        say(f"qks: {test.files[int(index)]}: cannot be read, left out")
    if len(bad) == len(test):
        raise UsageError("none of the test photos could be read")
    if len(bad):
        say(f"qks: {len(bad):,} of {count_of(len(test), 'test photo')} left out: cannot be read")
    scores = replace(scores, more=more.scorers(scores))
    good = np.flatnonzero(scores.read_N)
    return Evaluation(request, test.take(good), _kept(scores, good), labels_CE, subsets(request))


def _chosen(test: Split, limit: int) -> Split:
    if not limit or limit >= len(test):
        return test
    return test.take(np.sort(np.random.default_rng(1).permutation(len(test))[:limit]))


def _kept(scores: Scores, good: IntArray) -> Scores:
    """The scores of some photos."""
    if len(good) == len(scores.read_N):
        return scores
    from qks_cli.evaluation.compare import Scores

    kept = bool(len(scores.tokens_NME))

    def some(scorer: Callable[[IntArray], Float32Array]) -> Callable[[IntArray], Float32Array]:
        return lambda columns: scorer(columns)[good]

    return Scores(
        {name: value[good] for name, value in scores.plain.items()},
        scores.read_N[good],
        scores.tokens_NME[good] if kept else scores.tokens_NME,
        scores.image_NE[good] if kept else scores.image_NE,
        {name: some(scorer) for name, scorer in scores.more.items()},
    )


def subsets(request: Request) -> dict[str, IntArray]:
    """Columns by name: seen, unseen, all, what the data set adds, and for a model trained on this
    data set the seen labels that its weights saw and those that it was selected by."""
    data = request.data
    every = {
        "SEEN": np.flatnonzero(data.seen_C),
        "ZSL": np.flatnonzero(~data.seen_C),
        "GZSL": np.arange(len(data.labels)),
    }
    if data.seen_C.all():
        every = {"SEEN": every["SEEN"]}
    every |= {f"ZSL, {name}": np.flatnonzero(chosen) for name, chosen in data.subsets.items()}
    record = training_record.read(request.bundle)
    if record is not None and record.dataset == data.name and record.held_out:
        keys = [label.key for label in data.labels]
        for name, own in (("trained", record.trained), ("held out", record.held_out)):
            every[f"SEEN, {name}"] = np.array([c for c, key in enumerate(keys) if key in {*own}])
    return {name: columns for name, columns in every.items() if len(columns)}


def save(evaluation: Evaluation, folder: Path) -> None:
    """``labels.csv`` with every label's average precision by every method, and ``scores.npz`` with
    scores, truth, label and image vectors."""
    folder.mkdir(parents=True, exist_ok=True)
    every = np.arange(len(evaluation.request.data.labels))
    present, known = evaluation.truth(every)
    scored = {name: evaluation.scores.of(name, every) for name in evaluation.scores.methods}
    each = {name: mean_average_precision(s, present, known) for name, s in scored.items()}
    data = evaluation.request.data
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["key", "name", "seen", "present", "known", *scored])
        for c, label in enumerate(data.labels):
            judged = len(present) if known is None else int(known[:, c].sum())
            values = ["" if v[c] != v[c] else f"{v[c]:.6f}" for v in each.values()]
            counts = (int(data.seen_C[c]), int(present[:, c].sum()), judged)
            lines.writerow([label.key, label.name, *counts, *values])
    arrays: dict[str, Any] = {f"scores: {name}": value for name, value in scored.items()}
    np.savez_compressed(
        folder / "scores.npz",
        files=np.array([str(file) for file in evaluation.test.files]),
        keys=np.array([label.key for label in data.labels]),
        names=np.array(data.names),
        seen=data.seen_C,
        present=present,
        known=np.ones_like(present) if known is None else known,
        label_vectors=evaluation.labels_CE,
        image_vectors=evaluation.scores.image_NE,
        query_tokens=evaluation.scores.tokens_NME.astype(np.float16),
        **arrays,
    )


def save_cutoffs(evaluation: Evaluation, path: Path) -> CutoffReport:
    """A labels file with a cut-off of its own for every label that enough photos carry."""
    request = evaluation.request
    present, known = evaluation.truth(np.arange(len(request.data.labels)))
    return write_own_cutoffs(
        Model(request.bundle, cache=request.cache),
        request.data.names,
        evaluation.scores.tokens_NME,
        present,
        np.ones_like(present) if known is None else known,
        path,
    )


def draw(evaluation: Evaluation, folder: Path) -> dict[str, dict[str, float]]:
    """Precision over recall of every method, reliability of the calibrated scores; returns what the
    default cut-off shows of each subset."""
    folder.mkdir(parents=True, exist_ok=True)
    said_NC = evaluation.calibrated()
    cutoff = Calibration.read(evaluation.request.bundle).cutoff
    reliable: dict[str, Any] = {}
    shown_at: dict[str, dict[str, float]] = {}
    for name, columns in evaluation.subsets.items():
        present, known = evaluation.truth(columns)
        if not present.any():
            continue
        known = np.ones_like(present) if known is None else known
        scores = evaluation.scores
        methods = {method: scores.of(method, columns) for method in scores.methods}
        file = name.lower().replace(", ", "-").replace(" ", "-")
        plots.precision_recall(methods, present, known, folder / f"precision-recall-{file}.png")
        reliable[name] = plots.reliability(said_NC[:, columns], present, known)
        fired = (said_NC[:, columns] >= cutoff) & known
        shown_at[name] = {
            "cutoff": round(cutoff, 4),
            "precision": round(float((fired & present).sum() / max(1, fired.sum())), 4),
            "tags_per_photo": round(float(fired.sum(1).mean()), 4),
            "photos_with_tag": round(float(fired.any(1).mean()), 4),
        }
    plots.reliability_plot(reliable, folder / "reliability.png")
    text = json.dumps({"default_cutoff": shown_at, "reliability": reliable}, indent=2)
    (folder / "calibration.json").write_text(text + "\n", encoding="utf-8")
    return shown_at
