"""`qks doctor --repair`: an older library in today's form, whatever happens on the way."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import LibraryError
from qks_cli.library.store import Library
from qks_cli.types import Float32Array
from qks_cli.workflows import repair as repairing
from qks_cli.workflows.repair import repair
from tests.workflows.libraries import library_of

QUERIES, WIDTH, PHOTOS = 2, 40, 25


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A library with float16 tokens, as before schema 14, and a photo of today's."""
    path, photos = tmp_path / "l.db", tmp_path / "photos"
    photos.mkdir()
    for number in range(PHOTOS):
        (photos / f"{number:02}.jpg").write_bytes(bytes([number]))
    with library_of(path, {photo: ["dog"] for photo in sorted(photos.iterdir())}) as library:
        library.execute("UPDATE models SET queries = ?, width = ?", (QUERIES, WIDTH))
        library.execute("DELETE FROM query_tokens")
        with library.atomic():
            library.execute_many(
                "INSERT INTO query_tokens (photo_id, model_id, tokens) VALUES (?, 1, ?)",
                [(n, tokens(n).astype("<f2").tobytes()) for n in range(1, PHOTOS)],
            )
            library.tokens.put([PHOTOS], 1, [tokens(PHOTOS)])
    return path


def tokens(number: int) -> Float32Array:
    """Query tokens [M, E] of one photo."""
    return np.asarray(np.random.default_rng(number).normal(size=(QUERIES, WIDTH)), np.float32)


def all_of(library: Library) -> Float32Array:
    ids, found_NME = library.tokens.of(range(1, PHOTOS + 1), 1)
    assert found_NME is not None
    assert ids == list(range(1, PHOTOS + 1))
    return found_NME


def test_old_and_new_tokens_are_read_side_by_side(old: Path) -> None:
    with Library.open(old) as library:
        assert library.tokens.unpacked() == PHOTOS - 1
        found_NME = all_of(library)
        np.testing.assert_allclose(found_NME[0], tokens(1), rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(found_NME[-1], tokens(PHOTOS), atol=0.05)
        ((ids, parts_NME),) = library.tokens.iterate(1)
        assert ids == list(range(1, PHOTOS + 1))
        np.testing.assert_array_equal(parts_NME, found_NME)


def test_all_are_packed_and_nothing_else_changes(old: Path) -> None:
    with Library.open(old) as library:
        before_NME, tags = all_of(library), library.tags.of(range(1, PHOTOS + 1))
        steps: list[tuple[int, int]] = []
        assert repair(library, advance=lambda *step: steps.append(step)).packed == PHOTOS - 1
        assert steps == [(0, PHOTOS - 1)]
        assert library.tokens.unpacked() == 0
        np.testing.assert_allclose(all_of(library), before_NME, atol=0.05)
        assert library.tags.of(range(1, PHOTOS + 1)) == tags
        assert repair(library).packed == 0


def test_what_is_cut_off_goes_on_where_it_stopped(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairing, "GROUP", 10)
    with Library.open(old) as library:
        asked = iter([False, True, True])
        assert repair(library, stop=lambda: next(asked)).packed == 10

        def cut_off(done: int, of: int) -> None:
            if done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            repair(library, advance=cut_off)
        assert library.tokens.unpacked() == PHOTOS - 1 - 20
        assert len(all_of(library)) == PHOTOS
        assert repair(library).packed == 4


def test_room_is_given_back_where_the_disk_has_enough(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Library.open(old) as library:
        library.execute("CREATE TABLE large (held BLOB)")
        library.execute("INSERT INTO large VALUES (zeroblob(1000000))")
        library.execute("DROP TABLE large")
        usage = shutil.disk_usage(old)._replace(free=1000)
        with monkeypatch.context() as patch:
            patch.setattr("shutil.disk_usage", lambda folder: usage)
            done = repair(library)
        assert done.freed == 0
        assert "free disk" in done.full
        assert repair(library).freed >= 1_000_000
        assert len(all_of(library)) == PHOTOS
    assert old.stat().st_size < 1_000_000


def test_a_library_that_can_only_be_read_is_left_alone(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with Library.open(old) as library:
        library.execute("PRAGMA query_only = 1")
        with pytest.raises(LibraryError, match="only be read"):
            repair(library)
        assert library.tokens.unpacked() == PHOTOS - 1
