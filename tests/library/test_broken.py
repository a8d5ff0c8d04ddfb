"""Libraries that are damaged, cannot be written, or are none: an error that says so."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import LibraryError, QksError, UsageError
from qks_cli.library import backups, labels, ledger, presence, statistics, verdicts
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.search.evaluation import Meaning
from qks_cli.search.lookalikes import near_pairs, same_fingerprint
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, search
from qks_cli.types import Details, Photo, Tag, TaggedPhoto


def fill(path: Path, count: int = 40) -> None:
    rng = np.random.default_rng(1)
    with Library.open(path) as library:
        model = library.models.id_of("m", "1", "hash", 4, 8)
        words = library.vocabularies.id_of("d", "dog\nbeach\n")
        photos = [
            TaggedPhoto(
                Photo(Path(f"/photos/{number:03}.jpg"), 1, 1),
                (Tag("dog", 0.8, 0), Tag("beach", 0.6, 1)),
                rng.normal(size=(4, 8)).astype(np.float16),
                (40, 30),
                bytes(16),
                Details(taken_at="2023-06-30T23:59:59", camera="X100V"),
            )
            for number in range(count)
        ]
        with library.runs.recorded("tag", model, words):
            library.save(photos, (), model_id=model, vocabulary_id=words, selection="s")
        list(compact.blocks(library, model))


def use(path: Path) -> None:
    """Everything that commands ask of a library."""
    with Library.open(path, create=False) as library:
        library.photos.known([Path("/photos/001.jpg")])
        ids = library.photos.tagged_ids()
        library.tags.of(ids)
        model = library.models.stored("hash")
        plan = make_plan("dog sunset camera:x100 name:*1*", lambda word: word)
        meaning = Meaning(np.ones(8, np.float32), lambda raw_N: raw_N * 0 + 0.5)
        search(library, plan, Evidence(model, {x: meaning for x in plan.phrases}))
        if model is not None:
            list(compact.blocks(library, model))
            list(near_pairs(library, model, 0.99))
        same_fingerprint(library)
        labels.counts(library)
        for what in ("label", "folder", "year", "camera"):
            statistics.count_by(library, what)
        ledger.writes_of(library)
        list(presence.paths_under(library, Path("/photos")))
        with library.runs.recorded("write"):
            verdicts.confirm(library, ids[:3], "dog", add=True)


def test_a_whole_library_can_be_used(tmp_path: Path) -> None:
    fill(tmp_path / "l.db")
    use(tmp_path / "l.db")


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_library_is_named(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "l.db"
    fill(path)
    content, rng = bytearray(path.read_bytes()), random.Random(seed)
    for _ in range(rng.choice((1, 3, 20))):
        at = rng.randrange(100, len(content) - 2000)
        length = rng.choice((16, 300, 2000))
        content[at : at + length] = rng.choice((bytes(length), rng.randbytes(length)))
    path.write_bytes(content)
    try:
        use(path)
    except QksError as error:  # where the damage was not met, there is none
        assert str(path) in error.message or "label" in error.message
        if "damaged" in error.message or "malformed" in error.message:
            assert "qks doctor" in error.hint
    with suppress(LibraryError), Library.open(path, create=False) as library:
        backups.check(library)  # what `qks doctor` asks


@pytest.fixture
def for_all() -> Iterator[Path]:
    """A folder that other users of this machine can reach, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_another_user() -> Iterator[None]:
    """Within it, permissions count: root may write anywhere."""
    if os.getuid() != 0:
        yield
        return
    nobody = 65534
    os.setresuid(nobody, nobody, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_a_library_that_can_only_be_read_is_searched(for_all: Path) -> None:
    path = for_all / "mount" / "l.db"
    fill(path)
    plan = make_plan("tag:dog", lambda word: word)
    before = sorted(path.parent.iterdir())
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with as_another_user(), Library.open(path, create=False) as library:
        assert len(search(library, plan, Evidence())) == 20
        with pytest.raises(LibraryError, match="readonly") as wrong, library.runs.recorded("write"):
            pass
        assert "copy it elsewhere" in wrong.value.hint
    assert sorted(path.parent.iterdir()) == before  # also not what SQLite keeps beside a library
    with as_another_user(), pytest.raises(LibraryError):
        Library.open(path)
    path.parent.chmod(0o755)


def test_an_older_library_that_can_only_be_read_says_so(tmp_path: Path) -> None:
    old = Path(__file__).parent / "schemas" / "6-verdicts.db"
    path = tmp_path / "l.db"
    path.write_bytes(old.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qks_cli.library.database._writable", lambda path: False)
        with pytest.raises(LibraryError, match="older qks"):
            Library.open(path, create=False)
    assert path.read_bytes() == old.read_bytes()


def test_a_backup_into_no_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "l.db")
    with (
        Library.open(tmp_path / "l.db") as library,
        pytest.raises(UsageError, match="there is no folder"),
    ):
        backups.back_up(library, tmp_path / "none" / "copy.db")


@pytest.mark.parametrize("content", [b"", b"my notes\n" * 500, bytes(9000)])
def test_what_is_no_library_is_not_restored(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path / "l.db")
    before = (tmp_path / "l.db").read_bytes()
    (tmp_path / "notes.db").write_bytes(content)
    with pytest.raises(LibraryError, match=r"not a qks library"):
        backups.restore(tmp_path / "notes.db", tmp_path / "l.db")
    assert (tmp_path / "l.db").read_bytes() == before
    with pytest.raises(LibraryError, match="no backup"):
        backups.restore(tmp_path / "none.db", tmp_path / "l.db")


def test_names_that_cannot_be_files_are_refused(tmp_path: Path) -> None:
    for name in ("x" * 300, "file/l.db"):
        (tmp_path / "file").touch()
        with pytest.raises(LibraryError):
            Library.open(tmp_path / name)


def test_words_that_are_not_utf8_name_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "l.db")
    with Library.open(tmp_path / "l.db") as library, pytest.raises(UsageError):
        labels.photos_with(library, "caf\udce9")
