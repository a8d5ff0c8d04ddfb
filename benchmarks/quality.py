"""The quality of a bundle on the evaluation sets, as one JSON line.

``coco_map``, ``msrc_map``, ``corel5k_*_map``: mean average precision over labels that occur.
``places_top1``, ``places_top5``: accuracy. ``precision``, ``tags_per_photo``, ``photos_with_tag``:
the tags shown at the default cut-off on COCO and MSRC together, their words as the vocabulary.
``default_*``: the default vocabulary on COCO's photos, "person" aside: the share of photos with a
true object on which one is named, the share of objects that is, and the precision of what is shown.
``own_*``: twenty-five everyday words as the vocabulary, on COCO and MSRC: the share of photos that
show one of them and get no tag, and the precision of what is shown.
``intervals`` holds 95 % bootstrap intervals over photos.

    python benchmarks/quality.py --data FOLDER
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qks_cli.evaluation import protocol
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.evaluation.protocol import EvaluationSet, Named, Shown
from qks_cli.model.bundle import Bundle, read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.types import Float32Array, IntArray
from qks_cli.vocabulary.labels_file import Label, Vocabulary, read_labels

OWN_WORDS = (
    "person dog cat bird horse cow sheep car bus train bicycle boat airplane chair table bed couch "
    "book bottle cup flower tree water building food"
).split()
BoolArray = npt.NDArray[np.bool_]


class Report:
    """Figures with their bootstrap intervals."""

    def __init__(self, repeats: int) -> None:
        self.repeats = repeats
        self.figures: dict[str, float] = {}
        self.intervals: dict[str, tuple[float, float]] = {}

    def add(self, name: str, measure: Callable[[IntArray], float], photos: int) -> None:
        self.figures[name] = round(measure(np.arange(photos)), 4)
        if self.repeats:
            low, high = protocol.interval(measure, photos, repeats=self.repeats)
            self.intervals[name] = (round(low, 4), round(high, 4))

    def add_shown(self, prefix: str, shown: Shown) -> None:
        photos = len(shown.tags_N)
        self.add(f"{prefix}precision", shown.precision, photos)
        self.add(f"{prefix}photos_with_tag", shown.with_tag, photos)
        self.add(f"{prefix}tags_per_photo", lambda rows: float(shown.tags_N[rows].mean()), photos)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bootstrap", type=int, default=200, help="resamples; 0 for none")
    given = parser.parse_args()
    bundle = read_bundle(given.model)
    engine = open_engine(bundle, given.device)
    report = Report(given.bootstrap)
    shown, own = [], []
    default = default_vocabulary(bundle)
    words = Vocabulary(tuple(Label(word) for word in OWN_WORDS))
    for name in ("coco", "msrc", "corel5k", "places"):
        evaluated = EvaluationSet.read(given.data / name)
        model = Model(bundle, engine=engine)
        tagger = model.tagger(evaluated.vocabulary)
        tokens_NME = protocol.photo_tokens(bundle, engine, evaluated.photos)
        scores_NC, truth_NC = protocol.raw_scores(tagger, tokens_NME), evaluated.truth_NC
        photos = len(truth_NC)

        if name == "places":
            for k in (1, 5):
                report.add(f"places_top{k}", top(scores_NC, truth_NC, k), photos)
        elif name == "corel5k":
            listed = (given.data / name / "unseen.txt").read_text(encoding="utf-8")
            unseen = np.isin(evaluated.names, [line.strip() for line in listed.splitlines()])
            for kind, chosen in (("seen", ~unseen), ("unseen", unseen)):
                part = mean_ap(scores_NC[:, chosen], truth_NC[:, chosen])
                report.add(f"corel5k_{kind}_map", part, photos)
        else:
            report.add(f"{name}_map", mean_ap(scores_NC, truth_NC), photos)
            shown.append(protocol.shown_tags(tagger, tokens_NME, evaluated))
            report.add_shown(f"{name}_", shown[-1])
            own.append(protocol.named_labels(model.tagger(words), words, tokens_NME, evaluated))
        if name == "coco":
            named = protocol.named_labels(
                model.tagger(default),
                default,
                tokens_NME,
                evaluated,
                leave_out=frozenset({"person"}),
            )
            report.add("default_photos_named", named.named, photos)
            report.add("default_recall", named.recall, photos)
            report.add("default_precision", named.precision, photos)
    both = Shown(
        np.concatenate([own.right_N for own in shown]),
        np.concatenate([own.tags_N for own in shown]),
    )
    report.add_shown("", both)
    pair = Named(*(np.concatenate(parts) for parts in zip(*map(_parts, own), strict=True)))
    report.add("own_untagged", pair.untagged, len(pair.tag_N))
    report.add("own_precision", pair.precision, len(pair.tag_N))
    print(json.dumps(report.figures | {"intervals": report.intervals}))


def default_vocabulary(bundle: Bundle) -> Vocabulary:
    """The labels that the model brings along."""
    return read_labels(bundle.labels_file)[0]


def _parts(named: Named) -> tuple[IntArray, IntArray, IntArray, BoolArray]:
    return named.there_N, named.shown_N, named.right_N, named.tag_N


def mean_ap(scores_NC: Float32Array, truth_NC: BoolArray) -> Callable[[IntArray], float]:
    """Mean average precision of chosen rows."""

    def measure(rows: IntArray) -> float:
        precisions = mean_average_precision(scores_NC[rows], truth_NC[rows])
        return float(np.nanmean(precisions))

    return measure


def top(scores_NC: Float32Array, truth_NC: BoolArray, k: int) -> Callable[[IntArray], float]:
    """Share of chosen rows with a true label among the ``k`` best."""
    return lambda rows: protocol.top_k(scores_NC[rows], truth_NC[rows], k)


if __name__ == "__main__":
    main()
