"""Libraries of every schema there ever was, made by the code of its time, brought up to date."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from qks_cli.library import backups, labels, ledger, migrations, verdicts
from qks_cli.library.migrations import m009_chosen
from qks_cli.library.runs import Chosen
from qks_cli.library.store import Library

FOLDER = Path(__file__).parent / "schemas"
SCHEMAS = sorted(FOLDER.glob("*.db"), key=lambda path: int(path.name.split("-")[0]))
PHOTO = Path("/photos/a.jpg")
NOT_UTF8 = Path(os.fsdecode(b"/photos/caf\xe9.jpg"))


def schema(path: Path) -> dict[str, str]:
    """Everything that a library is made of, whatever the order in which it came."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")
        return dict(rows)


def test_every_schema_is_here() -> None:
    assert [path.name.split("-")[0] for path in SCHEMAS] == [
        str(number) for number in range(1, migrations.COUNT)
    ]


@pytest.mark.parametrize("old", SCHEMAS, ids=lambda path: path.stem)
def test_an_old_library_is_brought_up_to_date(old: Path, tmp_path: Path) -> None:
    version = int(old.name.split("-")[0])
    path = tmp_path / "l.db"
    shutil.copy(old, path)
    with Library.open(path) as library:
        known = library.photos.known([PHOTO, NOT_UTF8, Path("/photos/broken.jpg")])
        row = known[PHOTO]
        assert (row.size, row.mtime_ns, row.selection) == (10, 5, "min-score 0.5, top 20")
        assert known[Path("/photos/broken.jpg")].error == "cut short"
        tags = library.tags.of([row.id, known[NOT_UTF8].id])
        shown = ["dog"] if version >= 6 else ["animal", "dog"]
        assert sorted(tag.label for tag in tags[row.id]) == shown
        beach = "shore" if version >= 3 else "beach"
        assert [tag.label for tag in tags[known[NOT_UTF8].id]] == [beach]
        model = library.models.stored("0" * 64)
        assert model is not None
        _, tokens_NME = library.tokens.of([row.id], model)
        assert tokens_NME is not None
        np.testing.assert_array_equal(tokens_NME[0], np.arange(6).reshape(2, 3))
        assert library.vocabularies.latest() == "animal > dog | hound\nbeach\n"
        kept = library.runs.kept()
        assert kept is not None
        assert (kept.digest, kept.chosen) == ("1" * 64, Chosen(None, 0.5, 20))
        assert len(ledger.writes_of(library)) == (version >= 4)
        assert ("Grandma" in library.tags.names()) == (version >= 4)
        assert [x for x, _ in library.tags.carried("GRANDMA")] == [row.id] * (version >= 4)
        assert {x.label for x in labels.counts(library)} >= {"dog", beach}
        # What came later works on it as well.
        verdicts.reject(library, [row.id], "dog")
        assert "dog" not in {tag.label for tag in library.tags.of([row.id])[row.id]}
        assert backups.check(library) == []
    fresh = tmp_path / "fresh.db"
    Library.open(fresh).close()
    assert schema(path).keys() == schema(fresh).keys()


def test_old_default_labels_and_cut_offs_are_known(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    shutil.copy(SCHEMAS[7], path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE vocabularies SET digest = ?", (m009_chosen.DEFAULTS[0],))
        connection.execute("UPDATE photos SET selection = 'min-score 0.4000, top 7'")
    with Library.open(path) as library:
        kept = library.runs.kept()
        assert kept is not None
        assert kept.chosen == Chosen("", 0.4, 7)


@pytest.mark.parametrize("old", [SCHEMAS[0], SCHEMAS[-1]], ids=lambda path: path.stem)
def test_an_upgrade_is_all_or_nothing(
    old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l.db"
    shutil.copy(old, path)
    before = schema(path)

    def stop(db: object) -> None:
        raise KeyboardInterrupt

    last = f"qks_cli.library.migrations.{migrations.NAMES[-1]}.apply"
    with monkeypatch.context() as patch:
        patch.setattr(last, stop)
        with pytest.raises(KeyboardInterrupt):
            Library.open(path)
    assert schema(path) == before
    with Library.open(path) as library:
        assert library.photos.count() == 2


def test_a_library_up_to_date_does_without_sqlite_utils(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "l.db"
    Library.open(path).close()
    monkeypatch.setitem(__import__("sys").modules, "sqlite_utils", None)
    Library.open(path).close()
