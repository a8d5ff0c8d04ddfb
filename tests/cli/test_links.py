"""Paths that lead to one file are one photo, never copies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from qks_cli.library import names
from qks_cli.library.store import Library
from tests.cli.run import Here


def stored() -> dict[str, list[str]]:
    """Every photo of the library with its other names."""
    with Library.open(Path(os.environ["QKS_DB"])) as library:
        ids = library.photos.tagged_ids()
        others = names.of(library, ids)
        paths = library.photos.paths_of(ids)
        return {str(paths[x]): [str(name) for name in others.get(x, [])] for x in ids}


def test_an_album_of_links(here: Here, photos: Path) -> None:
    album = photos / "albums"  # comes before the photos that it links to
    album.mkdir()
    (album / "best cat.jpg").symlink_to("../cat.jpg")
    assert here("tag", photos).code == 0
    cat = str(photos / "cat.jpg")
    assert stored()[cat] == [str(album / "best cat.jpg")]
    assert len(stored()) == 4
    for query in ("name:best*", "folder:albums", f"folder:{album}", "name:cat.jpg"):
        assert [row["path"] for row in here("search", query).rows] == [cat]
    (row,) = here("search", "name:cat.jpg", "--names").rows
    assert row["names"] == [str(album / "best cat.jpg")]
    assert here("duplicates").code == 1
    again = here("tag", photos)
    assert {row["status"] for row in again.rows} == {"unchanged"}
    # A link that is gone is no name any more.
    (album / "best cat.jpg").unlink()
    here("tag", photos)
    assert stored()[cat] == []


def test_a_linked_root(here: Here, photos: Path, tmp_path: Path) -> None:
    root = tmp_path / "link"
    root.symlink_to(photos)
    assert here("tag", root).code == 0
    assert set(map(str, stored())) == {
        str(path) for path in photos.rglob("*") if path.suffix in (".jpg", ".png")
    }
    assert {row["status"] for row in here("tag", photos).rows} == {"unchanged"}
    assert here("duplicates").code == 1
    assert len(here("search", f"folder:{root}").rows) == 4
    assert here("similar", root / "cat.jpg").rows[0]["path"] != str(photos / "cat.jpg")


def test_hard_links_keep_their_second_name(here: Here, photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "second.jpg").hardlink_to(photos / "cat.jpg")
    here("tag", photos)
    assert [row["status"] for row in here("tag", other).rows] == ["unchanged"]
    assert stored()[str(photos / "cat.jpg")] == [str(other / "second.jpg")]
    assert here("duplicates").code == 1
    assert here("search", "name:second.jpg").rows[0]["path"] == str(photos / "cat.jpg")
    # Its first name goes, the file stays: the photo is known by the second.
    (photos / "cat.jpg").unlink()
    here("tag", photos)
    assert str(other / "second.jpg") in stored()
    assert here("search", "missing:tags OR has:tags").rows
    assert [row["status"] for row in here("tag", other).rows] == ["unchanged"]


def test_duplicates_in_older_libraries_are_joined(here: Here, photos: Path) -> None:
    (photos / "link.jpg").symlink_to("cat.jpg")
    here("tag", photos / "cat.jpg")
    with Library.open(Path(os.environ["QKS_DB"])) as library:  # as qks 0.1 entered it
        library.execute("DELETE FROM names")
        library.execute("UPDATE photos SET path = ?", (str(photos / "link.jpg"),))
    rows = here("tag", photos / "link.jpg").rows
    assert [(row["path"], row["status"]) for row in rows] == [(str(photos / "cat.jpg"), "moved")]
    assert stored() == {str(photos / "cat.jpg"): [str(photos / "link.jpg")]}


def test_a_link_that_becomes_a_file_is_a_photo(here: Here, photos: Path) -> None:
    link = photos / "link.jpg"
    link.symlink_to("cat.jpg")
    here("tag", photos)
    link.unlink()
    shutil.copy(photos / "coffee.jpg", link)
    here("tag", photos)
    assert stored()[str(link)] == []
    assert stored()[str(photos / "cat.jpg")] == []
    rows = here("duplicates").rows
    assert [Path(row["path"]).name for row in rows] == ["coffee.jpg", "link.jpg"]


@pytest.mark.parametrize("near", [[], ["--near", "0.9"]])
def test_a_copy_that_is_gone_or_cannot_be_read_is_none(
    here: Here, photos: Path, near: list[str]
) -> None:
    shutil.copy(photos / "cat.jpg", photos / "copy.jpg")
    here("tag", photos)
    assert len(here("duplicates", *near).rows) == 2
    (photos / "copy.jpg").unlink()  # no run has seen it yet
    assert here("duplicates", *near).code == 1
    names_of = [row["path"] for row in here("similar", photos / "coffee.jpg").rows]
    assert str(photos / "copy.jpg") not in names_of
    (photos / "copy.jpg").mkdir()
    assert here("duplicates", *near).code == 1
