"""A stack is listed once: as which photo, with which score, and how to see all of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import UsageError
from qks_cli.library import stacks as storage
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.search.sorting import Sort
from qks_cli.types import Photo, Tag, TaggedPhoto
from qks_cli.workflows import stacks as work
from qks_cli.workflows.clusters import clusters
from qks_cli.workflows.photo_report import found as found_for_report
from qks_cli.workflows.review import cards, find
from qks_cli.workflows.search import SearchOptions, search, search_ids, similar
from qks_cli.workflows.stats import stats
from tests.conftest import Qks
from tests.workflows.libraries import library_of

# Names, with what the photo's tag "dog" scores; 0: it has none.
SCORES = {
    "a.jpg": 0.7,
    "a.cr2": 0.7,
    "b.heic": 0.8,
    "b.mov": 0.8,
    "c.jpg": 0.9,
    "c-edited.jpg": 0.6,
    "d.jpg": 0.5,
    "e.jpg": 0.4,
    "e-edited.jpg": 0,
}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    folder = tmp_path / "p"
    folder.mkdir()
    for name in SCORES:
        (folder / name).write_bytes(name.encode())
    made = library_of(tmp_path / "library" / "library.db", {folder / x: [] for x in SCORES})
    known = made.photos.known([folder / x for x in SCORES])
    tags = [
        (row.id, [Tag("dog", SCORES[path.name], 0)] if SCORES[path.name] else [])
        for path, row in known.items()
    ]
    made.retag(tags, model_id=1, vocabulary_id=1, selection="")
    assert work.group(made)
    return made


def names(library: Library, query: str, **options: object) -> list[str]:
    hits = search(library, query, SearchOptions(by_meaning=False, **options))  # type: ignore[arg-type]
    return [hit.path.name for hit in hits]


def test_a_stack_is_listed_once_with_its_best_score(library: Library) -> None:
    hits = search(library, "dog", SearchOptions(by_meaning=False))
    found = [(hit.path.name, round(hit.score, 2)) for hit in hits]
    # Of e the edited copy does not answer: the next member does.
    assert found == [
        ("c-edited.jpg", 0.9),
        ("b.heic", 0.8),
        ("a.jpg", 0.7),
        ("d.jpg", 0.5),
        ("e.jpg", 0.4),
    ]
    assert hits.total == 5
    stack = hits[0].stack
    assert stack is not None
    assert [x.name for x in stack.members] == ["c-edited.jpg", "c.jpg"]
    assert stack.kinds == ("edited",)
    assert hits[3].stack is None


def test_every_member_on_request(library: Library) -> None:
    assert len(names(library, "dog", every_member=True)) == 8
    assert names(library, "dog type:cr2") == ["a.cr2"]
    assert names(library, "dog", limit=2) == ["c-edited.jpg", "b.heic"]
    assert names(library, "dog", sort=Sort.name)[:2] == ["a.jpg", "b.heic"]


def test_ids_for_the_review_page_are_folded_too(library: Library) -> None:
    options = SearchOptions(by_meaning=False)
    assert len(search_ids(library, "dog", options)) == 5
    paths = library.photos.paths_of(find(library, "", Sort.name))
    assert sorted(x.name for x in paths.values()) == [
        "a.jpg",
        "b.heic",
        "c-edited.jpg",
        "d.jpg",
        "e-edited.jpg",
    ]
    shown = {x.name: x.files for x in cards(library, list(paths))}
    assert (shown["a.jpg"], shown["d.jpg"]) == (2, 1)
    # The next member of what has lost its first one.
    (gone,) = (x for x, path in paths.items() if path.name == "c-edited.jpg")
    storage.replace(library, [gone], [])
    assert "c.jpg" in {
        x.name for x in library.photos.paths_of(find(library, "", Sort.name)).values()
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("stack:raw", {"a.jpg"}),
        ("stack:live", {"b.heic"}),
        ("stack:edited", {"c-edited.jpg", "e-edited.jpg"}),
        ("stack:burst", set()),
        ("stack:any", {"a.jpg", "b.heic", "c-edited.jpg", "e-edited.jpg"}),
        ("stack:no", {"d.jpg"}),
        ("has:stack -stack:raw dog", {"b.heic", "c-edited.jpg", "e.jpg"}),
        ("missing:stack", {"d.jpg"}),
        ("stack:raw OR stack:no", {"a.jpg", "d.jpg"}),
        ("stack:raw type:cr2", {"a.cr2"}),
    ],
)
def test_stacks_in_the_query_language(library: Library, query: str, expected: set[str]) -> None:
    assert set(names(library, query)) == expected


def test_a_kind_that_is_none(library: Library) -> None:
    with pytest.raises(UsageError, match="none of any, no, burst, edited, raw, live, joined"):
        search(library, "stack:jpeg")


def test_what_is_like_a_photo_is_not_its_own_stack(library: Library, fake_model: Path) -> None:
    with Library.open(library.path) as own:
        folder = own.path.parent.parent / "p"
        from qks_cli.model.model import Model

        model = Model.open("mini")
        bundle = model.bundle
        number = own.models.id_of(
            bundle.name, bundle.version, bundle.hash, bundle.queries, bundle.width
        )
        import numpy as np

        tokens = np.ones((bundle.queries, bundle.width), np.float16)
        tagged = []
        for place, name in enumerate(SCORES):
            status = (folder / name).stat()
            mine = tokens.copy()
            mine[0, place] = 3
            tagged.append(
                TaggedPhoto(Photo(folder / name, status.st_size, status.st_mtime_ns), (), mine)
            )
        own.save(tagged, (), model_id=number, vocabulary_id=1, selection="")
        work.group(own)
        options = SearchOptions(model, min_score=0.0, exact=True)
        found = {x.path.name for x in similar(own, folder / "a.jpg", options)}
        assert found.isdisjoint({"a.jpg", "a.cr2"})


def test_search_prints_stacks(library: Library, qks: Qks) -> None:
    rows = [json.loads(x) for x in qks("search", "dog", "--tags-only").stdout.splitlines()]
    assert len(rows) == 5
    assert rows[1]["stack"]["kinds"] == ["live"]
    assert [Path(x).name for x in rows[1]["stack"]["members"]] == ["b.heic", "b.mov"]
    assert "stack" not in rows[3]
    table = qks("search", "dog", "--tags-only", "--format", "table").stdout.decode()
    assert "[edited: 2 files]" in table
    every = qks("search", "dog", "--tags-only", "--all", "--format", "paths")
    assert len(every.stdout.splitlines()) == 8


def test_stacks_are_printed(library: Library, qks: Qks, tmp_path: Path) -> None:
    rows = [json.loads(x) for x in qks("stacks").stdout.splitlines()]
    assert [(Path(x["path"]).name, x["kinds"], x["count"]) for x in rows] == [
        ("a.jpg", ["raw"], 2),
        ("b.heic", ["live"], 2),
        ("c-edited.jpg", ["edited"], 2),
        ("e-edited.jpg", ["edited"], 2),
    ]
    assert [x["role"] for x in rows[0]["members"]] == ["photo", "raw"]
    live = qks("stacks", "--kind", "live", "--all", "--format", "paths")
    assert [Path(x).name for x in live.stdout.decode().splitlines()] == ["b.heic", "b.mov"]
    assert qks("stacks", "--kind", "burst").returncode == 1
    folder = tmp_path / "p"
    assert qks("stacks", "--split", folder / "b.mov").returncode == 0
    assert qks("stacks", folder / "b.heic").returncode == 1
    joined = qks("stacks", "--join", folder / "d.jpg", folder / "b.heic")
    assert json.loads(joined.stdout)["kinds"] == ["joined"]
    wrong = qks("stacks", "--join", "--split", folder / "d.jpg")
    assert (wrong.returncode, wrong.stdout) == (2, b"")
    assert qks("stacks", "--join").returncode == 2


# Counted once


@pytest.fixture
def dated(library: Library) -> Library:
    """Of each stack the photo has a date, and what goes with it has none."""
    with library.atomic():
        library.execute("UPDATE photos SET taken_at = '2023-01-02' WHERE path LIKE '%.jpg'")
        library.execute("UPDATE photos SET taken_at = '2024-01-02' WHERE path LIKE '%/b.heic'")
        library.execute("UPDATE photos SET taken_at = NULL WHERE path LIKE '%/d.jpg'")
    return library


def test_stats_count_a_stack_once(dated: Library, tmp_path: Path) -> None:
    assert stats(dated, "label", 9) == [("dog", search(dated, "tag:dog").total)] == [("dog", 5)]
    assert stats(dated, "label", 9, every_file=True) == [("dog", 8)]
    assert stats(dated, "year", 9) == [("", 1), ("2023", 3), ("2024", 1)]
    assert stats(dated, "year", 9, every_file=True) == [("", 3), ("2023", 5), ("2024", 1)]
    folder = str(tmp_path / "p")
    assert stats(dated, "folder", 9) == [(folder, 5)]
    assert stats(dated, "status", 9, every_file=True) == [("ok", 9)]


def test_a_report_shows_a_stack_once(library: Library) -> None:
    def shown(query: str, **options: bool) -> set[str]:
        paths = library.photos.paths_of(found_for_report(library, query, **options))
        return {path.name for path in paths.values()}

    once = {"a.jpg", "b.heic", "c-edited.jpg", "d.jpg"}
    assert shown("tag:dog") == {*once, "e.jpg"}
    assert shown("") == {*once, "e-edited.jpg"}
    assert shown("tag:dog", every_member=True) == {*SCORES} - {"e-edited.jpg"}
    assert shown("", every_member=True) == {*SCORES}


def test_a_stack_in_two_years_is_found_and_counted_in_both(dated: Library) -> None:
    with dated.atomic():
        dated.execute("UPDATE photos SET taken_at = '2025-01-02' WHERE path LIKE '%/b.mov'")
    counted = dict(stats(dated, "year", 9))
    assert counted["2024"] == counted["2025"] == 1
    assert names(dated, "date:2025") == ["b.mov"] and names(dated, "date:2024") == ["b.heic"]


def test_the_command_counts_files_on_request(library: Library, qks: Qks) -> None:
    for line, photos in ((("stats",), 5), (("stats", "--all"), 8)):
        (row,) = [json.loads(x) for x in qks(*line, "--format", "jsonl").stdout.splitlines()]
        assert row == {"label": "dog", "photos": photos}


def test_groups_hold_a_stack_once(
    library: Library, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.open("mini")
    with library.atomic():
        library.execute("UPDATE models SET hash = ?, queries = 8, width = 129", (model.hash,))
    rng = np.random.default_rng(1)
    ids = {x.name: row.id for x, row in library.photos.known(paths_in(library)).items()}
    with library.atomic():
        for photo_id in ids.values():
            library.tokens.put([photo_id], 1, [rng.normal(size=(8, 129)).astype(np.float32)])
    found = clusters(library, 2)
    assert sum(one.photos for one in found) == 5
    # Of c the main photo has no tokens of this model any more: its other file stands for it.
    with library.atomic():
        library.execute("DELETE FROM query_tokens WHERE photo_id = ?", (ids["c-edited.jpg"],))
    found = clusters(library, 2)
    assert sum(one.photos for one in found) == 5
    assert "c.jpg" in {path.name for one in found for path in one.typical}


def paths_in(library: Library) -> list[Path]:
    return list(library.photos.paths_of(library.photos.tagged_ids()).values())
