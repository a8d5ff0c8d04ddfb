"""A kill at any step of a run that writes: the next command settles what it left."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import FrameType

import pytest

from qks_cli.keywords.choices import Target
from qks_cli.keywords.xmp import Source
from qks_cli.library import ledger
from qks_cli.library.journal import unsettled
from qks_cli.library.lock import writing_lock
from qks_cli.library.store import Library
from qks_cli.workflows import writing
from qks_cli.workflows.checking import verify_all
from qks_cli.workflows.photo_writer import Options
from qks_cli.workflows.session import open_library
from tests.keywords import files
from tests.workflows.libraries import chosen, is_in_step, library_of, tag, undo, untag, write

KILLS = int(os.environ.get("QKS_TEST_KILLS", "6"))  # of a run; more than it has steps is all
STEPS = ("keywords/files.py", "library/journal.py", "library/ledger.py", "library/database.py")
PHOTOS = {"a.jpg": files.jpeg(exif=files.exif()), "b.png": files.png(), "c.webp": files.webp()}
State = dict[str, bytes]
Action = Callable[[Library], object]


def killed_at(step: int | None, library: Path, action: Action) -> int:
    """Run ``action`` in a process of its own that is killed at a step of the write protocol; how
    many steps there are where ``step`` is None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        steps = count()

        def watch(frame: FrameType, event: str, value: object) -> None:
            is_step = event in ("call", "return") and frame.f_code.co_filename.endswith(STEPS)
            if is_step and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        with Library.open(library) as opened:
            threading.setprofile(watch)
            sys.setprofile(watch)
            action(opened)
            sys.setprofile(None)
        os.write(writer, str(next(steps)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        found = told.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) == (step is not None)
    return int(found or b"0")


def state(folder: Path) -> State:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def restore(folder: Path, saved: Path) -> None:
    """The folder and the library as they were, times and all."""
    for name in ("photos", "library"):
        shutil.rmtree(folder / name, ignore_errors=True)
        shutil.copytree(saved / name, folder / name)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("to", Target)
@pytest.mark.parametrize("what", ["write", "write again", "untag", "undo"])
def test_a_kill_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: Target, what: str
) -> None:
    # The date stands in what is written: the same one makes the same bytes.
    source = Source("fake", "1", "2026-11-24T10:00:00+00:00")
    monkeypatch.setattr(writing, "source_of", lambda library: source)
    photos, saved, db = tmp_path / "photos", tmp_path / "saved", tmp_path / "library/library.db"
    photos.mkdir()
    for name, data in PHOTOS.items():
        (photos / name).write_bytes(data)
    paths = [photos / name for name in PHOTOS]
    actions: dict[str, Action] = {
        "write": lambda library: write(library, Options(to=to)),
        "write again": lambda library: write(library, Options(to=to)),
        "untag": untag,
        "undo": undo,
    }
    bare = state(photos)
    with library_of(db, dict.fromkeys(paths, ("dog",))) as library:
        if what != "write":
            write(library, Options(to=to))
        if what == "write again":
            tag(library, dict.fromkeys(paths, ("sky", "tree")))
    before = state(photos)
    for name in ("photos", "library"):
        shutil.copytree(tmp_path / name, saved / name)
    steps = killed_at(None, db, actions[what])
    after = state(photos)
    assert before != after
    assert steps > 50
    in_flight = 0
    for step in range(0, steps, max(1, steps // KILLS)):
        restore(tmp_path, saved)
        killed_at(step, db, actions[what])
        with Library.open(db) as library:
            in_flight += bool(unsettled(library))
        with open_library(db) as library:  # as any command does
            assert unsettled(library) == []
            now = state(photos)
            for name in {*before, *after, *now}:
                assert now.get(name) in (before.get(name), after.get(name)), (step, name)
            assert is_in_step(library), step
            assert {one.status for one in verify_all(library, chosen(library))} <= {"ok"}, step
            for file, chain in ledger.writes_of(library).items():
                assert chain[0].sha_before is None or file.exists()
            run = actions[what](library)
            assert run is not None
            untag(library)
            assert state(photos) == bare, step
    assert in_flight >= KILLS // 4  # the kills came while work was in flight


def test_a_run_that_is_at_work_is_left_alone(tmp_path: Path) -> None:
    """Its journal is its own: nothing of it is settled by a command beside it."""
    photo = tmp_path / "a.jpg"
    photo.write_bytes(PHOTOS["a.jpg"])
    db = tmp_path / "library.db"
    with library_of(db, {photo: ["dog"]}) as library:
        with library.atomic():
            library.execute(
                "INSERT INTO journal (file, temporary, begun_at) VALUES (?, ?, '')",
                (str(photo), str(tmp_path / ".qks-0.tmp")),
            )
        (tmp_path / ".qks-0.tmp").write_bytes(b"half")
        with writing_lock(library), open_library(db) as other:
            assert len(unsettled(other)) == 1
            assert (tmp_path / ".qks-0.tmp").exists()
        with open_library(db) as other:
            assert unsettled(other) == []
            assert not (tmp_path / ".qks-0.tmp").exists()
