"""How a bundle treats words it was not taught: other words for a label, and words of no meaning.

``plural`` and ``synonym``: mean average precision on the evaluation sets under the sets' own names,
and when each name is replaced by its plural or a synonym; and how often the tag at the default
cut-off is the same. ``nonsense``: share of photos that get a tag when the vocabulary is words that
nobody knows, and tags per photo and hundred words. One JSON line.

    python benchmarks/open_vocabulary.py --data FOLDER
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np

from qks_cli.evaluation import protocol
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.model.tagger import Tagger
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.vocabulary.plurals import plural

SYNONYMS = {
    "airplane": "plane",
    "bicycle": "bike",
    "bird": "fowl",
    "boat": "small ship",
    "book": "novel",
    "building": "edifice",
    "bus": "coach bus",
    "car": "automobile",
    "cat": "kitty",
    "cell phone": "mobile phone",
    "clock": "timepiece",
    "couch": "sofa",
    "cow": "cattle",
    "cup": "mug",
    "dining table": "kitchen table",
    "dog": "hound",
    "donut": "doughnut",
    "face": "human face",
    "flower": "blossom",
    "grass": "lawn",
    "horse": "pony",
    "laptop": "notebook computer",
    "motorcycle": "motorbike",
    "mountain": "mount",
    "person": "human being",
    "pizza": "pizza pie",
    "refrigerator": "fridge",
    "road": "roadway",
    "sheep": "lamb",
    "sign": "signboard",
    "stop sign": "traffic sign",
    "tree": "trees and shrubs",
    "truck": "lorry",
    "tv": "television set",
    "water": "body of water",
}
SYLLABLES = "bla dro fip gru kle mox nur pli qua ske tov vun wex yib zor".split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of evaluation sets")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    bundle = read_bundle(given.model)
    engine = open_engine(bundle, "cpu")

    def tagger(names: list[str]) -> Tagger:
        return Model(bundle, engine=engine).tagger(Vocabulary(tuple(map(Label, names))))

    chance = random.Random(1)
    nonsense = sorted({"".join(chance.choices(SYLLABLES, k=3)) for _ in range(100)})
    fired = []
    report: dict[str, dict[str, float]] = {}
    changes = {"plural": plural, "synonym": SYNONYMS.get}
    for name in ("coco", "msrc"):
        evaluated = EvaluationSet.read(given.data / name)
        tokens_NME = protocol.photo_tokens(bundle, engine, evaluated.photos)
        for kind, change in changes.items():
            pairs = [(own, other) for own in evaluated.names if (other := change(own))]
            columns = [evaluated.names.index(own) for own, _ in pairs]
            truth_NC = evaluated.truth_NC[:, columns]
            sides = [tagger(list(words)) for words in zip(*pairs, strict=True)]
            maps = [
                float(np.nanmean(mean_average_precision(scores_NC, truth_NC)))
                for scores_NC in (protocol.raw_scores(side, tokens_NME) for side in sides)
            ]
            cutoff = sides[0].calibration.cutoff
            own, other = (side.scores(tokens_NME) >= cutoff for side in sides)
            report[f"{name}_{kind}"] = {
                "labels": len(pairs),
                "map": round(maps[0], 4),
                "map_changed": round(maps[1], 4),
                "same_tags": round(float((own & other).sum() / max(1, (own | other).sum())), 4),
            }
        fired.append(tagger(nonsense).scores(tokens_NME) >= sides[0].calibration.cutoff)
    both = np.concatenate(fired)
    report["nonsense"] = {
        "words": len(nonsense),
        "photos_with_tag": round(float(both.any(1).mean()), 4),
        "tags_per_photo": round(float(both.sum(1).mean()), 4),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
