"""A walk that runs ahead of whoever asks for photos."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from qks_cli.cli.walking import Walking
from qks_cli.photos.ahead import walk_ahead
from qks_cli.photos.walk import walk
from qks_cli.types import Photo

PATIENCE = 20.0  # seconds


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/one.jpg", "a/two.png", "b/notes.txt", "b/three.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "b" / "zlink.jpg").symlink_to(tmp_path / "a" / "one.jpg")
    return tmp_path


def ignore(path: Path, value: Any) -> None:
    return None


IGNORED: dict[str, Any] = {"on_problem": ignore, "on_skip": ignore, "on_name": ignore}


def test_it_finds_what_the_walk_finds_and_tells_it_in_its_order(tree: Path) -> None:
    def heard(ahead: bool) -> list[tuple[object, ...]]:
        events: list[tuple[object, ...]] = []

        def note(kind: str) -> Any:
            def hear(path: Path, value: object) -> None:
                assert threading.current_thread() is threading.main_thread()
                events.append((kind, path, value))

            return hear

        told = {name: note(name) for name in IGNORED}
        paths = [tree, tree / "gone"]
        if ahead:
            photos = walk_ahead(partial(walk, paths), **told, on_total=lambda total: None)
        else:
            photos = walk(paths, **told)
        for photo in photos:
            events.append(("photo", photo))
        return events

    plain = heard(ahead=False)
    assert {event[0] for event in plain} == {"photo", *IGNORED}
    assert heard(ahead=True) == plain


def test_a_run_with_a_bar_reads_the_tree_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: Counter[str] = Counter()
    scandir = os.scandir

    def counted(folder: Any) -> Any:
        read[os.fspath(folder)] += 1
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", counted)
    known, totals = threading.Event(), []

    def total(count: int) -> None:
        totals.append(count)
        known.set()

    walking = Walking([tree], [], False, False)
    photos = walking.photos(ignore, on_total=total)
    first = next(photos)
    assert known.wait(PATIENCE)  # although only one photo was asked for
    assert [first.path.name, *(photo.path.name for photo in photos)] == [
        "one.jpg",
        "two.png",
        "three.jpg",
    ]
    assert totals == [3]
    assert "1 other (.txt)" in walking.skipped.line()
    assert set(read.values()) == {1}


def test_an_error_of_the_walk_is_raised_where_photos_are_asked_for(tree: Path) -> None:
    def broken(**told: object) -> Iterator[Photo]:
        yield from walk([tree / "a" / "one.jpg"])
        raise ZeroDivisionError("here")

    totals: list[int] = []
    photos = walk_ahead(broken, **IGNORED, on_total=totals.append)
    assert next(photos).path.name == "one.jpg"
    with pytest.raises(ZeroDivisionError, match="here"):
        next(photos)
    assert totals == []


def test_a_reader_that_leaves_ends_the_walk() -> None:
    left, ended = threading.Event(), threading.Event()

    def endless(**told: object) -> Iterator[Photo]:
        try:
            yield Photo(Path("/a.jpg"), 1, 1)
            assert left.wait(PATIENCE)
            while True:
                yield Photo(Path("/b.jpg"), 1, 1)
        finally:
            ended.set()

    photos = walk_ahead(endless, **IGNORED, on_total=lambda total: None)
    next(photos)
    photos.close()
    left.set()
    assert ended.wait(PATIENCE)
