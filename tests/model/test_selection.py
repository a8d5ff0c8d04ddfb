from __future__ import annotations

from collections.abc import Sequence

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
    return only(selector, scores)


def only(selector: Selector, scores: Sequence[float]) -> tuple[Tag, ...]:
    """The tags of one photo; query tokens are said to be columns."""
    (tags,) = selector(np.array([scores], np.float32), lambda row, columns: columns)
    return tags


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
    assert [t.label for t in select([0, 0, 0, 0.8, 0])] == ["animal"]
    assert {t.label for t in select([0, 0, 0, 0.95, 0])} == {"cat", "animal"}


def test_children_speak_for_their_parent_where_none_is_sure() -> None:
    tags = select([0.1, 0.4, 0, 0.3, 0])
    assert [(t.label, t.implied) for t in tags] == [("animal", False)]
    assert abs(tags[0].score - 0.58) < 1e-6  # 1 - 0.6 * 0.7
    assert select([0.1, 0.09, 0, 0.49, 0]) == ()  # what is next to nothing is no hint


def test_of_a_group_the_best_is_shown_and_one_that_comes_close() -> None:
    text = "bedroom ; group: room\nkitchen ; group: Room\noffice ; group: room\nbed\n"
    selector = Selector(parse_labels(text, "x")[0], min_score=0.5)

    def shown(*scores: float) -> list[str]:
        return [t.label for t in only(selector, scores)]

    assert shown(0.9, 0.6, 0.55, 0.5) == ["bedroom", "bed"]
    assert shown(0.6, 0.75, 0.74, 0.5) == ["kitchen", "office", "bed"]
    assert shown(0.4, 0.3, 0.55, 0.0) == ["office"]


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


@given(
    st.lists(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5), max_size=6),
    st.floats(0.015625, 1, width=32),
)
def test_photos_do_not_meddle_with_each_other(scores: list[list[float]], least: float) -> None:
    selector = Selector(VOCABULARY, min_score=least)
    scores_BC = np.array(scores, np.float32).reshape(-1, 5)
    asked: list[int] = []

    def winners(row: int, columns: list[int]) -> list[int]:
        asked.append(row)
        return columns

    found = selector(scores_BC, winners)
    assert found == [only(selector, own) for own in scores]
    assert asked == [row for row, tags in enumerate(found) if tags]
