from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qks_cli.errors import LibraryError
from qks_cli.library.paths import key_path, path_key
from qks_cli.library.store import Library
from qks_cli.packing import as_stored
from qks_cli.types import Photo, PhotoFailure, Tag, TaggedPhoto

SELECTION = "min-score 0.5, top 20"


def tagged(path: str, *tags: Tag, mtime: int = 5) -> TaggedPhoto:
    tokens_ME = np.arange(6, dtype=np.float16).reshape(2, 3)
    return TaggedPhoto(Photo(Path(path), 10, mtime), tags, tokens_ME, (40, 30))


def save(library: Library, *photos: TaggedPhoto, failures: tuple[PhotoFailure, ...] = ()) -> int:
    model = library.models.id_of("mini", "1", "hash", 2, 3)
    vocabulary = library.vocabularies.id_of("digest", "dog\n")
    library.save(photos, failures, model_id=model, vocabulary_id=vocabulary, selection=SELECTION)
    return model


def test_round_trip(tmp_path: Path) -> None:
    with Library.open(tmp_path / "new" / "l.db") as library:
        photo = tagged("/p/a.jpg", Tag("dog", 0.75, 1), Tag("animal", 0.75, -1, implied=True))
        model = save(library, photo)
        known = library.photos.known([Path("/p/a.jpg"), Path("/p/none.jpg")])
        (row,) = known.values()
        assert (row.size, row.mtime_ns, row.status, row.model_hash) == (10, 5, "ok", "hash")
        assert (row.vocabulary_digest, row.selection) == ("digest", SELECTION)
        assert library.tags.of([row.id])[row.id] == [photo.tags[1], photo.tags[0]]
        ids, tokens = library.tokens.of([row.id], model)
        assert ids == [row.id]
        assert tokens is not None
        np.testing.assert_array_equal(tokens[0], as_stored(photo.tokens_ME[None])[0])
        np.testing.assert_allclose(tokens[0], photo.tokens_ME, atol=0.02)
        assert library.tags.carried("dog") == [(row.id, 0.75)]
        assert library.photos.count() == 1


def test_tagging_again_replaces(tmp_path: Path) -> None:
    with Library.open(tmp_path / "l.db") as library:
        save(library, tagged("/a.jpg", Tag("dog", 0.9, 0)))
        save(library, tagged("/a.jpg", Tag("cat", 0.8, 0), mtime=6))
        (row,) = library.photos.known([Path("/a.jpg")]).values()
        assert row.mtime_ns == 6
        assert [tag.label for tag in library.tags.of([row.id])[row.id]] == ["cat"]


@pytest.mark.parametrize(("mtime", "kept"), [(5, 1), (6, 0)])
def test_a_failure_drops_tags_only_of_other_pixels(tmp_path: Path, mtime: int, kept: int) -> None:
    with Library.open(tmp_path / "l.db") as library:
        save(library, tagged("/a.jpg", Tag("dog", 0.9, 0)))
        failure = PhotoFailure(Photo(Path("/a.jpg"), 10, mtime), "truncated", "cut short")
        save(library, failures=(failure,))
        (row,) = library.photos.known([Path("/a.jpg")]).values()
        assert (row.status, row.error) == ("failed", "cut short")
        assert len(library.tags.of([row.id])[row.id]) == kept


def test_many_paths_are_looked_up_in_chunks(tmp_path: Path) -> None:
    paths = [f"/p/{n}.jpg" for n in range(1300)]
    with Library.open(tmp_path / "l.db") as library:
        save(library, *(tagged(path) for path in paths))
        assert len(library.photos.known([Path(path) for path in paths])) == 1300
        model = library.models.stored("hash")
        assert model is not None
        parts = list(library.tokens.iterate(model, chunk=500))
        assert [tokens.shape for _, tokens in parts] == [(500, 2, 3), (500, 2, 3), (300, 2, 3)]


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=1).filter(lambda name: b"\0" not in name))
def test_any_file_name_can_be_stored(name: bytes) -> None:
    path = Path(os.fsdecode(name))
    assert key_path(path_key(path)) == path


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    name = os.fsdecode(b"/p/caf\xe9.jpg")
    with Library.open(tmp_path / "l.db") as library:
        save(library, tagged(name))
        assert list(library.photos.known([Path(name)])) == [Path(name)]


def test_all_or_nothing(tmp_path: Path) -> None:
    with Library.open(tmp_path / "l.db") as library:
        broken = tagged("/b.jpg", Tag("new label", None, 0))  # type: ignore[arg-type]
        with pytest.raises(LibraryError):
            save(library, tagged("/a.jpg"), broken)
        assert library.photos.known([Path("/a.jpg"), Path("/b.jpg")]) == {}
        save(library, tagged("/a.jpg", Tag("new label", 0.5, 0)))
        assert library.photos.count() == 1


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.library.test_library import Library, save, tagged
library = Library.open(Path(sys.argv[1]))
save(library, tagged("/committed.jpg"))
with library.atomic():
    library.execute("UPDATE photos SET size = 99")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_kill_loses_only_what_was_not_committed(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "l.db"), str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGKILL)
    with Library.open(tmp_path / "l.db") as library:
        (row,) = library.photos.known([Path("/committed.jpg")]).values()
        assert row.size == 10
        save(library, tagged("/next.jpg"))
        assert library.photos.count() == 2


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    with Library.open(tmp_path / "l.db") as one, Library.open(tmp_path / "l.db") as two:
        for n in range(10):
            save(one, tagged(f"/one{n}.jpg", Tag(f"a{n}", 0.5, 0)))
            save(two, tagged(f"/two{n}.jpg", Tag(f"a{n}", 0.5, 0)))
        assert one.photos.count() == 20


def test_a_file_that_is_not_a_library_is_left_alone(tmp_path: Path) -> None:
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"these are my notes, not a database\n" * 100)
    before = junk.read_bytes()
    with pytest.raises(LibraryError, match="not a database"):
        Library.open(junk)
    assert junk.read_bytes() == before
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(LibraryError, match="another program"):
        Library.open(other)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    Library.open(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(LibraryError, match="newer qks"):
        Library.open(path)


def test_a_missing_library_is_not_made_for_readers() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "l.db"
        with pytest.raises(LibraryError, match="no library"):
            Library.open(path, create=False)
        assert not path.exists()
