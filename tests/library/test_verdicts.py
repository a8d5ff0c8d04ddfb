"""What the user says of single tags holds through any later run, and can be taken back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qks_cli.errors import UsageError
from qks_cli.library import labels, verdicts
from qks_cli.library.store import Library
from qks_cli.types import Tag
from tests.library.test_library import save, tagged

PHOTOS = ("/a.jpg", "/b.jpg")
LABELS = ("dog", "cat", "tree")

photo = st.sampled_from(PHOTOS)
label = st.sampled_from(LABELS)
found = st.dictionaries(label, st.sampled_from([0.3, 0.6, 0.9]))
step = st.one_of(
    st.tuples(st.just("tag"), photo, found),
    st.tuples(st.sampled_from(["confirm", "add", "reject", "reset"]), photo, label),
)


def tag(library: Library, path: str, said: dict[str, float]) -> None:
    tags = [Tag(name, score, 1, implied=name == "tree") for name, score in said.items()]
    save(library, tagged(path, *tags))


def shown(library: Library, path: str) -> dict[str, float]:
    (row,) = library.photos.known([Path(path)]).values()
    return {one.label: one.score for one in library.tags.of([row.id])[row.id]}


def ids(library: Library, *paths: str) -> list[int]:
    return [row.id for row in library.photos.known([Path(path) for path in paths]).values()]


@settings(max_examples=60, deadline=None)
@given(st.lists(step, max_size=25))
@example([(kind, "/b.jpg", "tree") for kind in ("confirm", "reject", "reset")])
@example([(kind, "/b.jpg", "dog") for kind in ("reject", "add", "reject", "reset")])
def test_verdicts_hold_whatever_happens(steps: list[tuple[str, str, object]]) -> None:
    """Against the plainest account of it: what the model said last, and what the user said."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(Path(folder) / "l.db") as library,
    ):
        said: dict[str, dict[str, float]] = {}
        user: dict[tuple[str, str], bool] = {}

        def wanted(path: str) -> dict[str, float]:
            held = {x: score for x, score in said[path].items() if user.get((path, x)) is not False}
            return held | {x: 1.0 for (own, x), right in user.items() if own == path and right}

        for path in PHOTOS:
            said[path] = dict.fromkeys(LABELS, 0.5)
            tag(library, path, said[path])
        for kind, path, what in steps:
            before = wanted(path)
            if kind == "tag":
                assert isinstance(what, dict)
                said[path] = what
                tag(library, path, what)
                continue
            name = str(what)
            if kind in ("confirm", "add"):
                count = verdicts.confirm(library, ids(library, path), name, add=kind == "add")
                if kind == "add" or name in before:
                    user[path, name] = True
                assert count == (kind == "add" or name in before)
            elif kind == "reject":
                assert verdicts.reject(library, ids(library, path), name) == (name in before)
                user[path, name] = False
            else:
                count = verdicts.reset(library, ids(library, path), name)
                assert count == ((path, name) in user)
                user.pop((path, name), None)
            for own in PHOTOS:
                assert shown(library, own) == wanted(own)
                (photo_id,) = ids(library, own)
                right = {x for (at, x), yes in user.items() if at == own and yes}
                assert verdicts.confirmed(library, [photo_id])[photo_id] == right
        for own in PHOTOS:
            assert shown(library, own) == wanted(own)


def test_a_label_of_ones_own(tmp_path: Path) -> None:
    with Library.open(tmp_path / "l.db") as library:
        tag(library, "/a.jpg", {"dog": 0.6})
        with pytest.raises(UsageError, match="no label 'grandma'"):
            verdicts.confirm(library, ids(library, "/a.jpg"), "grandma", add=False)
        with pytest.raises(UsageError, match="cannot be the name"):
            verdicts.confirm(library, ids(library, "/a.jpg"), " x", add=True)
        assert verdicts.confirm(library, ids(library, "/a.jpg"), "grandma", add=True) == 1
        tag(library, "/a.jpg", {"cat": 0.4})
        assert shown(library, "/a.jpg") == {"grandma": 1.0, "cat": 0.4}
        with pytest.raises(UsageError, match="no label 'uncle'"):
            verdicts.reject(library, ids(library, "/a.jpg"), "uncle")


def test_merged_labels_are_judged_as_one(tmp_path: Path) -> None:
    with Library.open(tmp_path / "l.db") as library:
        tag(library, "/a.jpg", {"dog": 0.6, "cat": 0.9})
        tag(library, "/b.jpg", {"cat": 0.9})
        labels.merge(library, "cat", "dog")
        both = ids(library, *PHOTOS)
        assert verdicts.reject(library, both, "dog") == 2
        tag(library, "/b.jpg", {"dog": 0.5, "cat": 0.9})
        assert shown(library, "/a.jpg") == shown(library, "/b.jpg") == {}
        assert verdicts.confirm(library, both[:1], "dog", add=True) == 1
        assert shown(library, "/a.jpg") == {"dog": 1.0}
        assert verdicts.reset(library, both, "dog") == 2
        assert shown(library, "/a.jpg") == shown(library, "/b.jpg") == {"dog": 0.9}
