"""Conditions looked up from memory: the same photos as SQL finds, whatever they are made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qks_cli.library import names
from qks_cli.library.store import Library
from qks_cli.search.passing import FILTERS
from qks_cli.search.plan import make_plan
from qks_cli.search.ranking import Evidence, search_ids
from tests.workflows.libraries import library_of

FILES = ("2023/a.jpg", "2023/b.PNG", "Été/c.jpg", "Stra\u00dfe/d.jpg", "2024/deep/e.jpg", "f.png")
QUERIES = (
    "folder:2023",
    "folder:2024 type:jpg",
    "folder:été",
    "folder:STRASSE",
    "folder:linked",
    "-folder:2023",
    "NOT (folder:2023 OR type:png)",
    "folder:2023 OR folder:deep",
    "-(folder:deep type:jpg) iso:>100",
    "-iso:200",
    "dog folder:2023",
    "dog -folder:2023",
    "dog OR folder:deep",
    "name:c* OR iso:200",
    "has:date -folder:deep",
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Photos under names of all kinds, one of them missing, one that a link leads to."""
    photos = {}
    for at, name in enumerate((*FILES, os.fsdecode(b"2023/caf\xe9.jpg"))):
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([at]) * 9)
        photos[path] = ["dog"] if at % 2 else []
    with library_of(tmp_path / "l.db", photos) as found:
        names.add(found, [(tmp_path / "p" / "f.png", tmp_path / "linked" / "f.png")])
        found.execute("UPDATE photos SET iso = 100 * id, taken_at = '2023-01-01T00:00:00'")
        found.execute("UPDATE photos SET iso = NULL, taken_at = NULL WHERE id = 3")
        found.execute("UPDATE photos SET missing_since = '2024-01-01' WHERE id = 5")
        yield found


def ids(library: Library, query: str) -> list[int]:
    plan = make_plan(query, lambda word: "dog" if word == "dog" else None)
    return search_ids(library, plan, Evidence(), limit=100)


def test_memory_and_sql_find_the_same(library: Library) -> None:
    asked = {query: ids(library, query) for query in QUERIES}
    assert sum(map(bool, asked.values())) >= len(QUERIES) - 1, "most queries find something"
    library.remember()
    for _ in range(2):  # looked up, then from memory
        assert {query: ids(library, query) for query in QUERIES} == asked


def test_what_another_program_changes_is_seen(library: Library, tmp_path: Path) -> None:
    library.remember()
    before = ids(library, "folder:2023")
    with closing(Library.open(library.path)) as other:
        other.execute("UPDATE photos SET path = ? WHERE id = ?", ("/else/where.jpg", before[0]))
    assert ids(library, "folder:2023") == before[1:]


def test_only_the_last_conditions_are_kept(library: Library) -> None:
    library.remember()
    for number in range(FILTERS + 20):
        ids(library, f"iso:{number}")
        ids(library, "iso:200")  # asked for again and again
    kept = [key for key in library._derived or {} if isinstance(key, tuple)]
    conditions = [key for key in kept if key[0] == "condition"]
    assert len(conditions) == FILTERS
    assert any(200 in [round(float(x)) for x in key[2]] for key in conditions)
