"""What verdicts are worth: mean average precision before and after `qks learn`, one JSON line each.

    python benchmarks/learning.py --data EVAL --sets coco msrc --seeds 5

Of every label with at least ``LEAST`` photos of each kind, 5, 20 or 100 photos are judged: half of
them among the best-scored, half at random, as somebody would who corrects what he sees. The other
photos are ranked by the text match, by what `qks learn` makes of it (kept only where its own
held-out gain says so), by a logistic regression and by the five nearest neighbours, on the
same features. Intervals are 95 % of the mean over seeds and labels, by the bootstrap over labels.

    python benchmarks/learning.py --data EVAL --sets coco msrc --examples

shows the first 5 and 10 photos of a label, without its name and without photos that lack it, as
`qks learn --label` does, and measures the label on all other photos.

    python benchmarks/learning.py --photos 100000

stores made-up query tokens of so many photos in a new library, confirms and rejects 100 photos of
each of five labels, and times learning and rescoring them all. ``--library FILE`` keeps what was
made, so that it can be timed again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.neighbors import KNeighborsRegressor

from qks_cli.evaluation.protocol import EvaluationSet
from qks_cli.library import labels, verdicts
from qks_cli.library.store import Library
from qks_cli.model.learned import features, logit
from qks_cli.model.learning import Evidence, learn
from qks_cli.model.model import Model
from qks_cli.packing import as_stored
from qks_cli.types import Photo, TaggedPhoto
from qks_cli.workflows.learn import ALIKE, PRESUMED, learn_labels
from qks_cli.workflows.tag import Tagging

COUNTS = (5, 20, 100)
EXAMPLES = (5, 10)
LEAST = 10  # photos of each kind that a label needs to be measured
CHUNK = 4096
METHODS = ("text", "learned", "logistic_regression", "nearest_neighbours")
AT_CUTOFF = ("f1_text", "f1_learned")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of evaluation sets")
    parser.add_argument("--sets", nargs="+", default=["coco", "msrc"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--photos", type=int, help="time so many photos instead")
    parser.add_argument("--examples", action="store_true", help="labels without a name")
    parser.add_argument("--library", type=Path, help="where to keep what is made for that")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    model = Model.open(given.model)
    if given.photos:
        with tempfile.TemporaryDirectory() as folder:
            kept, file = given.library, Path(folder) / "library.db"
            if kept is None or not kept.exists():
                made(model, kept or file, given.photos)
            if kept is not None:
                shutil.copyfile(kept, file)
            print(json.dumps(timed(model, file)), flush=True)
        return
    for name in given.sets:
        measure_set = named_by_examples if given.examples else quality
        for row in measure_set(model, EvaluationSet.read(given.data / name), given.seeds):
            print(json.dumps({"set": name, "model": model.name} | row), flush=True)


def quality(model: Model, photos: EvaluationSet, seeds: int) -> list[dict[str, object]]:
    tokens_NME, _ = model.tokens_of(photos.photos)
    text_NC = model.tagger(photos.vocabulary).scores(tokens_NME)
    return compared(features(tokens_NME), text_NC, photos.truth_NC, seeds, model.cutoff)


def compared(
    features_NF: Any, text_NC: Any, truth_NC: Any, seeds: int, cutoff: float
) -> list[dict[str, object]]:
    many_C = truth_NC.sum(0)
    columns = np.flatnonzero((many_C >= LEAST) & (many_C <= len(truth_NC) - LEAST)).tolist()
    rows: list[dict[str, object]] = []
    for count in COUNTS:
        found = {one: np.zeros((seeds, len(columns))) for one in (*METHODS, *AT_CUTOFF)}
        for seed in range(seeds):
            for k, c in enumerate(columns):
                judged = [seed, c, count]
                one = measure(features_NF, text_NC[:, c], truth_NC[:, c], count, judged, cutoff)
                for method, values in found.items():
                    values[seed, k] = one[method]
        row: dict[str, object] = {"verdicts": count, "labels": len(columns), "seeds": seeds}
        for method, values in found.items():
            row[method] = summary(np.nanmean(values, axis=0))
        row["gain"] = summary(np.nanmean(found["learned"] - found["text"], axis=0))
        row["changed"] = round(float((found["learned"] != found["text"]).mean()), 2)
        rows.append(row)
    return rows


def named_by_examples(
    model: Model, photos: EvaluationSet, seeds: int
) -> Iterator[dict[str, object]]:
    features_NF = features(model.tokens_of(photos.photos)[0])
    for count in EXAMPLES:
        found: dict[str, list[float]] = {}
        for c in np.flatnonzero(photos.truth_NC.sum(0) >= 2 * LEAST).tolist():
            for seed in range(seeds):
                one = by_examples(
                    features_NF, photos.truth_NC[:, c], count, model.cutoff, [c, seed]
                )
                for name, value in one.items():
                    found.setdefault(name, []).append(value)
        means = {name: round(float(np.mean(values)), 3) for name, values in found.items()}
        yield {"examples": count, "labels": len(found["f1"]) // seeds, "seeds": seeds} | means


def by_examples(
    features_NF: Any, truth_N: Any, count: int, cutoff: float, seed: list[int]
) -> dict[str, float]:
    """A label from ``count`` of its photos and random ones, as workflows/learn.py presumes them."""
    rng = np.random.default_rng(seed)
    shown = rng.choice(np.flatnonzero(truth_N), count, replace=False)
    others = rng.permutation(np.setdiff1d(np.arange(len(truth_N)), shown))[:PRESUMED]
    scaled_NF = (features_NF - features_NF.mean(0)) / (features_NF.std(0) + 1e-6)
    alike = np.argsort(scaled_NF[others] @ scaled_NF[shown].mean(0), kind="stable")
    judged = np.concatenate([shown, others[alike[: int(len(others) * (1 - ALIKE))]]])
    evidence = Evidence(features_NF[judged], None, np.arange(len(judged)) < count)
    head, measured = learn("", evidence, features_NF, cutoff=cutoff)
    kept = np.setdiff1d(np.arange(len(truth_N)), shown)
    ranks, y = features_NF[kept] @ head.weights_F + head.bias, truth_N[kept]
    said = ranks >= logit(np.float32(cutoff))
    return {
        "average_precision": float(average_precision_score(y, ranks)),
        "f1": f1(y, said),
        "precision": float((y & said).sum() / max(1, said.sum())),
        "recall": float((y & said).sum() / y.sum()),
        "learned": float(measured.better),
    }


def summary(values_K: Any) -> list[float]:
    """Mean, and the two ends of its interval."""
    values_K = values_K[~np.isnan(values_K)]
    rng = np.random.default_rng(0)
    means = rng.choice(values_K, (2000, len(values_K))).mean(1)
    return [round(float(x), 3) for x in (values_K.mean(), *np.percentile(means, [2.5, 97.5]))]


def f1(right_N: Any, said_N: Any) -> float:
    return float(2 * (right_N & said_N).sum() / max(1, right_N.sum() + said_N.sum()))


def measure(
    features_NF: Any, text_N: Any, truth_N: Any, count: int, seed: list[int], cutoff: float
) -> dict[str, float]:
    """Average precision, and F1 at the cut-off, on the photos that were not judged; NaN where these
    do not show it."""
    rng = np.random.default_rng(seed)
    everyone = np.arange(len(truth_N))
    best = np.argsort(-text_N)[: max(60, 3 * count)]
    judged = rng.choice(best, min(len(best), (count + 1) // 2), replace=False)
    others = np.setdiff1d(everyone, judged)
    judged = np.concatenate([judged, rng.choice(others, count - len(judged), replace=False)])
    kept = np.setdiff1d(everyone, judged)
    y, x = truth_N[kept], features_NF[kept]
    if not y.any():
        return dict.fromkeys((*METHODS, *AT_CUTOFF), float("nan"))
    right_N = truth_N[judged]
    before = float(average_precision_score(y, text_N[kept]))
    found = dict.fromkeys(METHODS, before)
    found |= dict.fromkeys(AT_CUTOFF, f1(y, text_N[kept] >= cutoff))
    if right_N.all() or not right_N.any():  # nothing to tell apart: all ranks are equal
        found["logistic_regression"] = found["nearest_neighbours"] = float(y.mean())
        return found
    if min(right_N.sum(), (~right_N).sum()) >= 2:
        evidence = Evidence(features_NF[judged], text_N[judged], right_N)
        head, measured = learn("", evidence, features_NF, cutoff=cutoff)
        if measured.better:
            ranks = head.gain * logit(text_N[kept]) + x @ head.weights_F + head.bias
            found["learned"] = float(average_precision_score(y, ranks))
            found["f1_learned"] = f1(y, ranks >= logit(np.float32(cutoff)))
    mean_F, scale_F = features_NF.mean(0), 4 / ((features_NF.std(0) + 1e-6) * x.shape[1] ** 0.5)
    seen, unseen = (features_NF[judged] - mean_F) * scale_F, (x - mean_F) * scale_F
    plain = LogisticRegression(C=1.0, class_weight="balanced", max_iter=300).fit(seen, right_N)
    near = KNeighborsRegressor(min(5, count), weights="distance").fit(seen, right_N.astype(float))
    ranks = plain.decision_function(unseen)
    found["logistic_regression"] = float(average_precision_score(y, ranks))
    found["nearest_neighbours"] = float(average_precision_score(y, near.predict(unseen)))
    return found


def made(model: Model, file: Path, count: int) -> None:
    """A library of made-up query tokens with verdicts on five labels."""
    rng = np.random.default_rng(1)
    with Library.open(file) as library:
        vocabulary = model.vocabulary()
        tagging = Tagging.of(model, vocabulary)
        target = tagging.destination(library)
        bank_RME = model.calibration.bank_RME
        names = vocabulary.names[:: len(vocabulary.names) // 5][:5]
        with library.runs.recorded("tag", target.model_id, target.vocabulary_id, tagging.chosen):
            for at in range(0, count, CHUNK):
                size = min(CHUNK, count - at)
                noise = rng.normal(0, 0.1 * bank_RME.std(), (size, *bank_RME.shape[1:]))
                near_NME = bank_RME[rng.integers(0, len(bank_RME), size)] + noise
                tokens = as_stored(near_NME.astype(np.float32))
                tags = tagging.tagger(tokens)
                library.save(
                    [
                        TaggedPhoto(Photo(Path(f"/made-up/{at + n}.jpg"), 1, 1), own, one, (8, 8))
                        for n, (own, one) in enumerate(zip(tags, tokens, strict=True))
                    ],
                    [],
                    model_id=target.model_id,
                    vocabulary_id=target.vocabulary_id,
                    selection=tagging.tagger.selection,
                )
        for name in names:
            # Right where photos lie at one end of a direction that no word names: a tenth of them.
            ids, some_NME = library.tokens.of(rng.permutation(count)[:1000].tolist(), 1)
            seen_NF = features(np.asarray(some_NME, np.float32))
            along = np.argsort(seen_NF @ rng.normal(size=seen_NF.shape[1])).tolist()
            others = rng.permutation(along[100:])[:50]
            verdicts.confirm(library, [ids[k] for k in along[:100:2]], name, add=True)
            verdicts.reject(library, [ids[k] for k in others], name, in_vocabulary=True)


def timed(model: Model, file: Path) -> dict[str, object]:
    """Seconds of learning five labels and of rescoring a library."""
    with Library.open(file) as library:
        began, used = time.perf_counter(), time.process_time()
        found = learn_labels(library, model)
        return {
            "photos": library.photos.count(),
            "labels_learned": sum(one.learned for one in found.labels),
            "photos_rescored": found.rescored,
            "photos_with_these": {
                one.label: labels.photos_with(library, one.label) for one in found.labels
            },
            "learn_and_rescore_s": round(time.perf_counter() - began, 1),
            "processor_s": round(time.process_time() - used, 1),
            "load": round(os.getloadavg()[0], 1),
        }


if __name__ == "__main__":
    main()
