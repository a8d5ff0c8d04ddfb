"""However a run ends, it is marked rightly; the library knows what it was last tagged with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import LibraryError, ReaderGoneError
from qks_cli.library.runs import Chosen
from qks_cli.library.store import Library
from qks_cli.types import Photo, TaggedPhoto


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "l.db")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (GeneratorExit(), "interrupted"),
        (ReaderGoneError(), "interrupted"),
        (LibraryError("the disk is full"), "failed"),
        (ZeroDivisionError(), "failed"),
    ],
)
def test_a_run_that_is_cut_off(library: Library, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), library.runs.recorded("tag") as run:
        run.tagged = 3
        raise error
    row = library.row("SELECT status, tagged, finished_at NOT NULL FROM runs")
    assert row == (status, 3, 1)


@pytest.mark.parametrize(("asked", "status"), [(False, "done"), (True, "interrupted")])
def test_a_run_that_ends(library: Library, asked: bool, status: str) -> None:
    with library.runs.recorded("tag") as run:
        assert library.value("SELECT status FROM runs") == "running"
        run.failed, run.interrupted = 2, asked
    assert library.row("SELECT status, failed FROM runs") == (status, 2)


def test_what_a_library_was_tagged_with(library: Library) -> None:
    assert library.runs.kept() is None
    model = library.models.id_of("m", "1", "hash", 1, 1)
    mine = library.vocabularies.id_of("1", "mine\n")
    other = library.vocabularies.id_of("2", "other\n")
    photo = TaggedPhoto(Photo(Path("/a.jpg"), 1, 1), (), np.zeros((1, 1), np.float16))
    with library.runs.recorded("tag", model, mine, Chosen("mine.txt", 0.4, 7)):
        library.save([photo], (), model_id=model, vocabulary_id=mine, selection="s")
    with library.runs.recorded("write", model, other):
        pass
    # A run that came to nothing changes nothing.
    with pytest.raises(LibraryError), library.runs.recorded("tag", model, other, Chosen("x.txt")):
        raise LibraryError("no photos")
    with library.runs.recorded("tag", model, other, Chosen("x.txt")):
        pass
    kept = library.runs.kept()
    assert kept is not None
    assert (kept.digest, kept.text) == ("1", "mine\n")
    assert kept.chosen == Chosen("mine.txt", 0.4, 7)
    assert library.vocabularies.latest() == "mine\n"
    with library.runs.recorded("retag", model, other, Chosen()) as run:
        run.interrupted = True
        library.retag([(1, ())], model_id=model, vocabulary_id=other, selection="s")
    kept = library.runs.kept()
    assert kept is not None
    assert (kept.digest, kept.chosen) == ("2", Chosen())


def test_a_run_whose_process_was_killed_is_marked_by_the_next(library: Library) -> None:
    with library.runs.recorded("tag"), Library.open(library.path) as other:
        other.runs.settle()  # it is alive
        assert other.value("SELECT status FROM runs") == "running"
        assert other.runs.last_killed() is None
        with other.runs.recorded("write"):  # two at once
            pass
    library.runs.begin("retag", None, None)  # as a kill leaves it
    library.runs.settle()
    assert library.rows("SELECT command, status, finished_at IS NULL FROM runs ORDER BY id") == [
        ("tag", "done", 0),
        ("write", "done", 0),
        ("retag", "killed", 1),
    ]
    killed = library.runs.last_killed()
    assert killed is not None and killed[0] == "retag"
    library.runs.begin("tag", None, None)
    with library.runs.recorded("write"):
        assert library.rows("SELECT status FROM runs WHERE id > 3") == [("killed",), ("running",)]
    assert library.runs.last_killed() is None
