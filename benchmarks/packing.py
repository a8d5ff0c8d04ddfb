"""What storing query tokens in 7 and 8 bits costs, beside half precision; one JSON line.

``*_map``: mean average precision of the evaluation sets, by half precision and packed.
``tags_kept``: of the tags of the default vocabulary that photos get either way, the share that they
get both ways; ``photos_alike``: photos with the same tags both ways. ``score_change``: how much
calibrated scores above 0.1 change, on average and at most. ``searches``: of the twenty best photos
for every label of the sets, the share that is among them both ways, the mean and the least.

    python benchmarks/packing.py --data EVAL
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from qks_cli.evaluation import protocol
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.model.model import Model
from qks_cli.packing import as_stored, size_of
from qks_cli.similarity import max_similarity
from qks_cli.types import Float32Array

BEST = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    model = Model.open(given.model)
    bundle = model.bundle
    report: dict[str, object] = {
        "bytes": [2 * bundle.queries * bundle.width, size_of(bundle.queries, bundle.width)]
    }
    every, labels = [], []
    for name in ("coco", "msrc", "corel5k"):
        evaluated = EvaluationSet.read(given.data / name)
        tagger = model.tagger(evaluated.vocabulary)
        tokens_NME = protocol.photo_tokens(bundle, model.engine, evaluated.photos)
        report[f"{name}_map"] = [
            round(float(np.nanmean(mean_average_precision(scores, evaluated.truth_NC))), 4)
            for scores in (protocol.raw_scores(tagger, form) for form in both(tokens_NME))
        ]
        every.append(tokens_NME)
        labels.append(tagger.labels_CE)
    half_NME, packed_NME = both(np.concatenate(every))
    tagger = model.tagger(model.vocabulary())
    pairs = [
        ({tag.label for tag in one}, {tag.label for tag in other})
        for one, other in zip(tagger(half_NME), tagger(packed_NME), strict=True)
    ]
    report["tags_kept"] = round(
        sum(len(one & other) for one, other in pairs)
        / sum(len(one | other) for one, other in pairs),
        4,
    )
    report["photos_alike"] = round(float(np.mean([one == other for one, other in pairs])), 4)
    before_NC, after_NC = tagger.scores(half_NME), tagger.scores(packed_NME)
    change = np.abs(after_NC - before_NC)[before_NC > 0.1]
    report["score_change"] = [round(float(change.mean()), 4), round(float(change.max()), 4)]
    vectors_CE = np.unique(np.concatenate(labels), axis=0)
    best = [
        np.argsort(-max_similarity(form, vectors_CE), axis=0)[:BEST].T
        for form in (half_NME, packed_NME)
    ]
    shares = [len({*one} & {*other}) / BEST for one, other in zip(*best, strict=True)]
    report["searches"] = [round(float(np.mean(shares)), 4), min(shares)]
    print(json.dumps(report | {"photos": len(half_NME)}))


def both(tokens_NME: Float32Array) -> tuple[Float32Array, Float32Array]:
    """In half precision, and packed."""
    return tokens_NME.astype(np.float16).astype(np.float32), as_stored(tokens_NME)


if __name__ == "__main__":
    main()
