"""What a search answers in small libraries: words that photos show, and words that none can show.

For libraries of some photos drawn from each evaluation set, with and without counting how familiar
a word is: ``shown``, the share of labels in the library of which a photo that shows one passes the
floor; ``synonyms``, the same under other words; ``abstract``, the share of words that no photo
shows of which any photo passes. One JSON line.

    python benchmarks/floor.py --data FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from open_vocabulary import SYNONYMS

from qks_cli.evaluation import protocol
from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Meaning, Model, Phrase
from qks_cli.similarity import max_similarity
from qks_cli.types import BoolArray, Float32Array

SETS = ("coco", "msrc", "corel5k")
ABSTRACT = (
    "marriage contract|stock market|philosophy|grammar|software license|insurance policy|democracy|"
    "algebra|income statement|quantum theory|copyright|inflation|sarcasm|tuesday|password|theorem|"
    "tax return|hypothesis|syntax error|bankruptcy|metaphor|warranty|constitution|capitalism|"
    "probability|justice|mortgage rate|irony|legal advice|foreign policy|logic|etymology|"
    "interest rate|apology|bureaucracy|ethics|calculus|subscription|privacy|thursday|integer|"
    "adverb|ideology|deadline|statistics|treaty negotiation|rumour|unemployment|loyalty|semantics|"
    "customer service|tariff|debt|budget deficit|pension plan|alibi|jealousy|syllable|verdict|"
    "jurisprudence|opinion|intuition|free will|human rights|supply chain|next week|yesterday"
).split("|")


def main() -> None:
    """Measure and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, nargs="+", default=[12, 16, 50, 200])
    parser.add_argument("--draws", type=int, default=25)
    options = parser.parse_args()
    bundle = read_bundle(options.model)
    model = Model(bundle, engine=open_engine(bundle, "cpu"))
    result: dict[str, float] = {}
    for name in SETS:
        evaluated = EvaluationSet.read(options.data / name)
        tokens_NME = protocol.photo_tokens(bundle, model.engine, evaluated.photos)
        words = Words(model, evaluated, tokens_NME)
        for size in options.photos:
            for key, value in words.pass_floor(size, options.draws).items():
                result[f"{name}/{size}/{key}"] = round(value, 3)
    print(json.dumps(result))


class Words:
    """Scores of three kinds of words over the photos of a set [N], and what those are worth."""

    def __init__(self, model: Model, evaluated: EvaluationSet, tokens_NME: Float32Array) -> None:
        self.floor = model.floor
        self.truth_NC = evaluated.truth_NC
        other = [c for c, name in enumerate(evaluated.names) if name in SYNONYMS]
        self.groups = {
            "shown": (list(evaluated.names), list(range(len(evaluated.names)))),
            "synonyms": ([SYNONYMS[evaluated.names[c]] for c in other], other),
            "abstract": (list(ABSTRACT), []),
        }
        self.scored = {
            key: [_scored(one, tokens_NME) for one in model.meanings([[Phrase(x)] for x in words])]
            for key, (words, _) in self.groups.items()
        }

    def pass_floor(self, size: int, draws: int) -> dict[str, float]:
        """Shares of words that pass, by group, without (``old``) and with their worth."""
        random, count = np.random.default_rng(0), len(self.truth_NC)
        passed: dict[str, list[bool]] = {}
        for _ in range(draws):
            rows = random.choice(count, min(size, count), replace=False)
            least = self.floor.of(len(rows))
            for key, (_, columns) in self.groups.items():
                for place, (meaning, fits_N) in enumerate(self.scored[key]):
                    right: BoolArray = np.ones(len(rows), bool)
                    if columns:
                        right = self.truth_NC[rows, columns[place]]
                        if not right.any():
                            continue
                    for rule, worth in (("old", 1.0), ("new", meaning.worth)):
                        some = bool((fits_N[rows][right] * worth >= least).any())
                        passed.setdefault(f"{key}/{rule}", []).append(some)
        return {key: float(np.mean(values)) for key, values in passed.items()}


def _scored(meaning: Meaning, tokens_NME: Float32Array) -> tuple[Meaning, Float32Array]:
    raw_N = max_similarity(tokens_NME, meaning.vector_E[None])[:, 0]
    return meaning, meaning.probabilities(raw_N)


if __name__ == "__main__":
    main()
