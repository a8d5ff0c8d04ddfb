from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.model.selection import Selector
from qks_cli.types import Tag
from qks_cli.vocabulary.labels_file import parse_labels

VOCABULARY, _ = parse_labels("animal > dog > puppy\nanimal > cat ; cutoff: 0.9\nsky\n", "x")


def select(scores: list[float], **options: float) -> tuple[Tag, ...]:
    chosen = {"min_score": 0.5, "top": 20} | options
    selector = Selector(VOCABULARY, min_score=chosen["min_score"], top=int(chosen["top"]))
    return selector(np.array(scores, np.float32), lambda columns: columns)


def test_parents_are_implied_all_the_way_up() -> None:
    tags = select([0.1, 0.2, 0.75, 0.0, 0.0])
    assert [(t.label, t.score, t.token, t.implied) for t in tags] == [
        ("animal", 0.75, -1, True),
        ("dog", 0.75, -1, True),
        ("puppy", 0.75, 2, False),
    ]


def test_a_seen_parent_keeps_its_own_score() -> None:
    assert [(t.label, t.score) for t in select([0.625, 0.75, 0, 0, 0])] == [
        ("dog", 0.75),
        ("animal", 0.625),
    ]


def test_own_cutoffs_beat_the_default() -> None:
    assert select([0, 0, 0, 0.8, 0]) == ()
    assert {t.label for t in select([0, 0, 0, 0.95, 0])} == {"cat", "animal"}


def test_top_counts_what_was_seen() -> None:
    tags = select([0.0, 0.6, 0.7, 0.0, 0.9], top=2)
    assert [t.label for t in tags if not t.implied] == ["sky", "puppy"]


@given(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5), st.integers(1, 5))
def test_what_always_holds(scores: list[float], top: int) -> None:
    tags = select(scores, top=top)
    names = [t.label for t in tags]
    assert len(names) == len(set(names))
    assert sum(not t.implied for t in tags) <= top
    assert [t.score for t in tags] == sorted((t.score for t in tags), reverse=True)
    for name in names:
        parent = VOCABULARY.parent_of.get(name)
        assert parent is None or parent in names
