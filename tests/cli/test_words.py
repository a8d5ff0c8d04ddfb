"""A library keeps the words and the cut-off that it was last tagged with."""

from __future__ import annotations

from pathlib import Path

from tests.cli.run import Done, Here


def labels_of(done: Done) -> set[str]:
    return {tag["label"] for row in done.rows for tag in row["tags"]}


def test_labels_are_kept(here: Here, photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("astronaut | spaceman\nrocket\n", encoding="utf-8")
    first = here("tag", photos, "--labels", mine)
    assert labels_of(first) == {"astronaut", "rocket"}
    assert "as last time" not in first.err
    again = here("tag", photos)
    assert labels_of(again) == {"astronaut", "rocket"}
    assert {row["status"] for row in again.rows} == {"unchanged"}
    assert f"as last time: 2 labels of {mine}; --labels default" in again.err
    assert here("status", photos).out == ""
    assert len(here("search", "spaceman", "--tags-only").rows) == 1
    assert "0 photos tagged again" in here("retag").err
    # What is written is of these words.
    here("write", photos, "--to", "sidecar")
    written = "".join(path.read_text() for path in photos.rglob("*.xmp"))
    assert "astronaut" in written
    assert "coffee" not in written
    # Dry runs ask the library too, and -q says nothing.
    assert labels_of(here("tag", photos, "--dry-run")) == {"astronaut", "rocket"}
    assert here("tag", photos, "-q").err == ""


def test_going_back_is_asked_for(here: Here, photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("rocket\n", encoding="utf-8")
    here("tag", photos, "--labels", mine, "--min-score", "0.01", "--top", "1")
    back = here("tag", photos, "--labels", "default")
    assert {"cat", "coffee", "rocket"} <= labels_of(back)
    assert "as last time" not in back.err
    assert "as last time" not in here("tag", photos).err
    assert here("status", photos).out == ""


def test_the_cut_off_is_kept(here: Here, photos: Path) -> None:
    assert "flag" not in labels_of(here("tag", photos))
    low = here("tag", photos, "--min-score", "0.3")
    assert "flag" in labels_of(low)
    again = here("tag", photos)
    assert {row["status"] for row in again.rows} == {"unchanged"}
    assert "as last time: cut-off 0.3" in again.err
    retagged = here("retag", "--top", "1")
    assert "as last time: cut-off 0.3" in retagged.err
    assert max(len(row["tags"]) for row in here("tag", photos).rows) <= 2  # one, and its parent
    assert "as last time" not in here("retag", "--labels", "default").err
    assert "flag" not in labels_of(here("tag", photos))


def test_a_run_that_failed_changes_nothing(here: Here, photos: Path, tmp_path: Path) -> None:
    here("tag", photos)
    other = tmp_path / "other.txt"
    other.write_text("zebra\n", encoding="utf-8")
    assert here("tag", tmp_path / "nothing", "--labels", other).code == 2
    assert here("tag", photos, "--labels", tmp_path / "none.txt").code == 2
    assert "as last time" not in here("tag", photos).err
