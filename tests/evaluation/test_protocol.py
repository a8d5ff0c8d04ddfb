from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import UsageError
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.evaluation.protocol import (
    EvaluationSet,
    Shown,
    interval,
    named_labels,
    top_k,
)
from qks_cli.types import Tag
from qks_cli.vocabulary.labels_file import parse_labels


def test_a_label_that_no_photo_carries_has_no_average_precision() -> None:
    truth = np.array([[True, False], [False, False]])
    values = mean_average_precision(np.array([[0.2, 0.1], [0.4, 0.3]], np.float32), truth)
    assert values[0] == 0.5
    assert np.isnan(values[1])


def test_top_k() -> None:
    scores = np.array([[3, 2, 1], [1, 2, 3]], np.float32)
    truth = np.array([[True, False, False], [False, True, False]])
    assert top_k(scores, truth, 1) == 0.5
    assert top_k(scores, truth, 2) == 1


def test_a_set_is_read_or_refused(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.txt").write_text("sky\ntree\n", encoding="utf-8")
    row = {"file": "photos/a.jpg", "labels": ["tree"]}
    (tmp_path / "labels.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    evaluated = EvaluationSet.read(tmp_path)
    assert evaluated.names == ("sky", "tree")
    assert evaluated.photos == (tmp_path / "photos" / "a.jpg",)
    assert evaluated.truth_NC.tolist() == [[False, True]]
    row["labels"] = ["moon"]
    (tmp_path / "labels.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not an evaluation set"):
        EvaluationSet.read(tmp_path)


def test_the_bootstrap_interval_of_a_mean() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = interval(lambda rows: float(values[rows].mean()), 400, repeats=500)
    error = values.std() / 400**0.5
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.3 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.3 * error)


def test_shown_tags_of_some_photos() -> None:
    shown = Shown(np.array([1, 0, 2]), np.array([2, 0, 2]))
    assert shown.precision() == 0.75
    assert shown.with_tag() == pytest.approx(2 / 3)
    assert shown.precision(np.array([2, 2])) == 1
    assert np.isnan(shown.precision(np.array([1])))


def test_named_labels_hold_a_vocabulary_against_the_sets_own() -> None:
    vocabulary, _ = parse_labels("couch | sofa\ndog\nsky\n", "x")
    truth = np.array([[True, True, False], [False, True, True], [False, False, True]])
    evaluated = EvaluationSet(("sofa", "dog", "toaster"), (), truth)
    said = [(Tag("couch", 0.9, 0), Tag("sky", 0.8, 0)), (), (Tag("dog", 0.7, 0),)]
    named = named_labels(
        lambda tokens: said,  # type: ignore[arg-type]
        vocabulary,
        np.zeros((3, 1, 1), np.float32),
        evaluated,
    )
    assert named.there_N.tolist() == [2, 1, 0]  # the vocabulary has no toaster
    assert (named.shown_N.tolist(), named.right_N.tolist()) == ([1, 0, 1], [1, 0, 0])
    assert (named.precision(), named.recall(), named.named()) == (0.5, 1 / 3, 0.5)
    assert named.untagged() == 0.5
    only = named_labels(
        lambda tokens: said,  # type: ignore[arg-type]
        vocabulary,
        np.zeros((3, 1, 1), np.float32),
        evaluated,
        leave_out=frozenset({"sofa"}),
    )
    assert only.there_N.tolist() == [1, 1, 0]
