"""The quality of a bundle on the evaluation sets, as one JSON line.

``coco_map``, ``msrc_map``, ``corel5k_*_map``: mean average precision over labels that occur.
``places_top1``, ``places_top5``: accuracy. ``precision``, ``tags_per_photo``, ``photos_with_tag``:
the tags shown at the default cut-off on COCO and MSRC together, their words as the vocabulary.

    python benchmarks/quality.py --data FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from qks_cli.bundle import read_bundle
from qks_cli.evaluation import protocol
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.inference.choose import open_engine
from qks_cli.tagging.tagger import Tagger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    bundle = read_bundle(given.model)
    engine = open_engine(bundle, given.device)
    report: dict[str, float] = {}
    shown = []
    for name in ("coco", "msrc", "corel5k", "places"):
        evaluated = EvaluationSet.read(given.data / name)
        tagger = Tagger.build(bundle, engine, evaluated.vocabulary)
        tokens_NME = protocol.photo_tokens(bundle, engine, evaluated.photos)
        scores_NC = protocol.raw_scores(tagger, tokens_NME)
        if name == "places":
            for k in (1, 5):
                report[f"places_top{k}"] = protocol.top_k(scores_NC, evaluated.truth_NC, k)
            continue
        precisions_C = protocol.mean_average_precision(scores_NC, evaluated.truth_NC)
        if name == "corel5k":
            listed = (given.data / name / "unseen.txt").read_text(encoding="utf-8")
            unseen = np.isin(evaluated.names, [line.strip() for line in listed.splitlines()])
            report["corel5k_seen_map"] = float(np.nanmean(precisions_C[~unseen]))
            report["corel5k_unseen_map"] = float(np.nanmean(precisions_C[unseen]))
            continue
        report[f"{name}_map"] = float(np.nanmean(precisions_C))
        own = protocol.shown_tags(tagger, tokens_NME, evaluated)
        shown.append(own)
        report[f"{name}_precision"] = own.right / max(1, own.tags)
        report[f"{name}_photos_with_tag"] = own.with_tag / own.photos
        report[f"{name}_tags_per_photo"] = own.tags / own.photos
    photos = sum(own.photos for own in shown)
    report["precision"] = sum(own.right for own in shown) / max(1, sum(own.tags for own in shown))
    report["tags_per_photo"] = sum(own.tags for own in shown) / photos
    report["photos_with_tag"] = sum(own.with_tag for own in shown) / photos
    print(json.dumps({name: round(value, 4) for name, value in report.items()}))


if __name__ == "__main__":
    main()
