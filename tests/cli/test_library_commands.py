"""Labels after the fact, counts, groups, differences, configuration."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.types import UInt8Array
from tests.conftest import LABELS, SEEN, Qks


def rows(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def tagged(photos: Path, qks: Qks) -> Path:
    assert qks("tag", photos, "--min-score", "0.2").returncode == 0
    return photos


def shown(qks: Qks) -> dict[str, int]:
    return {str(x["label"]): int(str(x["photos"])) for x in rows(qks("tags", "list").stdout)}


def test_labels_after_the_fact(tagged: Path, qks: Qks) -> None:
    before = shown(qks)
    assert before["sky"] >= 1
    assert qks("tags", "rename", "sky", "heaven").returncode == 1  # asks first
    assert b"on " in qks("tags", "rename", "sky", "heaven", "--dry-run").stderr
    assert shown(qks) == before
    assert qks("tags", "rename", "sky", "heaven", "--yes").returncode == 0
    after = shown(qks)
    assert after["heaven"] == before["sky"]
    assert "sky" not in after
    for query in ("tag:heaven", "tag:sky"):
        assert b"rocket.png" in qks("search", query, "--format", "paths").stdout
    # A later run keeps to it.
    qks("tag", tagged, "--min-score", "0.25")
    assert "sky" not in shown(qks)
    assert qks("tags", "rename", "heaven", "person", "--yes").returncode == 2
    others = [label for label in shown(qks) if label != "heaven"]
    assert qks("tags", "merge", "heaven", others[0], "--yes").returncode == 0
    assert "heaven" not in shown(qks)
    assert qks("tags", "delete", others[0], "--yes").returncode == 0
    assert others[0] not in shown(qks)
    assert qks("tags", "delete", "unicorn", "--yes").returncode == 2
    for edit in (b"delete", b"merge", b"rename"):
        undone = qks("tags", "undo")
        assert edit in undone.stderr
    qks("tag", tagged, "--min-score", "0.2")
    assert shown(qks) == before
    assert qks("tags", "undo").returncode == 1


def test_a_rename_back_and_forth(tagged: Path, qks: Qks) -> None:
    before = shown(qks)
    qks("tags", "rename", "sky", "heaven", "--yes")
    qks("tags", "rename", "heaven", "sky", "--yes")
    assert shown(qks) == before


def test_single_tags_are_confirmed_and_rejected(tagged: Path, qks: Qks) -> None:
    rocket, cat = tagged / "space" / "rocket.png", tagged / "cat.jpg"

    def carrying(label: str) -> bytes:
        return qks("search", f"tag:{label}", "--format", "paths").stdout

    assert b"rocket.png" in carrying("sky")
    said = qks("tags", "reject", "sky", "-", stdin=os.fsencode(rocket))
    assert said.returncode == 0
    assert b"rejected on 1 of 1 photo" in said.stderr
    assert qks("tags", "confirm", "sky", cat).returncode == 1  # it does not carry it
    assert qks("tags", "confirm", "sky", cat, "--add").returncode == 0
    qks("tag", tagged, "--min-score", "0.25")
    assert b"rocket.png" not in carrying("sky")
    assert b"cat.jpg" in carrying("sky")
    assert qks("tags", "reset", "sky", "--all").returncode == 0
    assert b"rocket.png" in carrying("sky")
    assert b"cat.jpg" not in carrying("sky")
    assert qks("tags", "reset", "sky", "--all").returncode == 1
    assert qks("tags", "reject", "unicorn", cat).returncode == 2


def test_counts(tagged: Path, qks: Qks) -> None:
    by_folder = rows(qks("stats", "--by", "folder").stdout)
    assert {str(x["folder"]): x["photos"] for x in by_folder} == {
        str(tagged): 2,
        str(tagged / "space"): 2,
    }
    table = qks("stats", "--format", "table").stdout.decode()
    assert "█" in table
    assert table.splitlines()[0].split() == ["label", "photos"]
    assert qks("stats", "--format", "csv").stdout.startswith(b"label,photos\r\n")
    assert qks("stats", "--format", "paths").returncode == 2
    assert rows(qks("stats", "--by", "year").stdout) == [{"year": "", "photos": 4}]


def test_similar_photos_and_duplicates(tagged: Path, qks: Qks) -> None:
    assert qks("duplicates").returncode == 1
    shutil.copy(tagged / "cat.jpg", tagged / "copy.jpg")
    with Image.open(tagged / "cat.jpg") as cat:
        cat.save(tagged / "same.png")
        # Three quarters: half of so small a photo is blurred at the size that the model reads.
        cat.resize((cat.width * 3 // 4, cat.height * 3 // 4)).save(tagged / "small.jpg")
    qks("tag", tagged)
    groups = rows(qks("duplicates").stdout)
    assert [(x["kind"], Path(str(x["path"])).name) for x in groups] == [
        ("bytes", "cat.jpg"),
        ("bytes", "copy.jpg"),
    ]
    paths = qks("duplicates", "-0").stdout.split(b"\0")
    assert [Path(os.fsdecode(path)).name for path in paths[:-1]] == ["cat.jpg", "copy.jpg"]
    assert qks("duplicates", "-0", "--format", "csv").returncode == 2
    near = rows(qks("duplicates", "--near", "0.95").stdout)
    assert {Path(str(x["path"])).name for x in near if x["kind"] == "near"} == {
        "cat.jpg",
        "copy.jpg",
        "same.png",
        "small.jpg",
    }
    # Two near pictures that are each there twice are near still.
    shutil.copy(tagged / "small.jpg", tagged / "small-copy.jpg")
    (tagged / "same.png").unlink()
    qks("tag", tagged)
    near = rows(qks("duplicates", "--near", "0.95").stdout)
    assert [x["kind"] for x in near] == ["bytes"] * 4 + ["near"] * 4
    with Image.open(tagged / "cat.jpg") as cat:
        cat.save(tagged / "same.png")
    (tagged / "small.jpg").unlink()
    (tagged / "small-copy.jpg").unlink()
    qks("tag", tagged)
    near = rows(qks("duplicates", "--near", "0.95").stdout)
    assert {Path(str(x["path"])).name for x in near if x["kind"] == "pixels"} == {
        "cat.jpg",
        "copy.jpg",
        "same.png",
    }
    alike = rows(qks("similar", tagged / "same.png", "--limit", "2").stdout)
    assert {Path(str(x["path"])).name for x in alike} == {"cat.jpg", "copy.jpg"}
    by_query = qks("search", f'like:"{tagged}/same.png"', "--limit", "3", "--format", "paths")
    assert len(by_query.stdout.splitlines()) == 3
    assert qks("similar", tagged / "nothing.jpg").returncode == 2
    (tagged / "empty.jpg").touch()
    os.mkfifo(tagged / "pipe.jpg")
    (tagged / "cat.jpg").unlink()
    for name, words in (
        ("cat.jpg", "No such file or directory, though the library knows it"),
        ("empty.jpg", "the file is empty"),
        ("space", "Is a directory"),
        ("pipe.jpg", "it is not a regular file"),
    ):
        for line in (("similar", tagged / name), ("search", f"like:{tagged / name}")):
            done = qks(*line)
            assert (done.returncode, done.stdout) == (2, b""), line
            assert done.stderr.decode() == f"qks: {tagged / name}: {words}\n"


def test_clusters_say_what_is_there(tagged: Path, qks: Qks) -> None:
    found = rows(qks("clusters", "--count", "2").stdout)
    assert sum(int(str(x["photos"])) for x in found) == 4
    assert all(x["typical"] and x["words"] for x in found)
    assert qks("clusters", "--count", "9").returncode == 2


def test_differences(tagged: Path, qks: Qks, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\nhot drink\n")
    versions = rows(qks("labels", "versions").stdout)
    assert [x["version"] for x in versions] == [1]
    options = ("--min-score", "0.2")
    assert qks("diff", "1", *options).returncode == 1  # what is stored is of that version
    changed = rows(qks("diff", "1", labels, *options).stdout)
    lost = {Path(str(x["path"])).name: x["lost"] for x in changed}
    gained = {Path(str(x["path"])).name: x["gained"] for x in changed}
    assert "sky" not in lost["rocket.png"]  # type: ignore[operator]
    assert gained.get("coffee.jpg", []) in (["hot drink"], [])
    qks("backup", tmp_path / "before.db")
    qks("retag", "--labels", labels, *options)
    again = rows(qks("diff", tmp_path / "before.db").stdout)
    assert again == changed
    assert [x["version"] for x in rows(qks("labels", "versions").stdout)] == [1, 2]
    assert qks("diff", "7").returncode == 2


def test_audit(
    photos: Path, pictures: dict[str, UInt8Array], model: Path, qks: Qks, tmp_path: Path
) -> None:
    known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
    taught = ["dog", "doggy", "thing", "submarine", "cat", "coffee", "person", "sky"]
    write_fake_bundle(model, known, LABELS, name="mini", taught=taught)
    assert qks("tag", photos).returncode == 0
    labels = tmp_path / "labels.txt"
    labels.write_text("dog\ndoggy\nsubmarine ; cutoff: 1\nthing ; cutoff: 0\nqwzx vbnm\n")
    asked = qks("labels", "audit", "--labels", labels)
    found = {(str(x["kind"]), str(x["label"])) for x in rows(asked.stdout)}
    assert ("never", "submarine") in found
    assert ("everywhere", "thing") in found
    assert ("strange", "qwzx vbnm") in found
    assert ("strange", "dog") not in found
    assert b"nothing fits 0 of 4" in asked.stderr
    labels.write_text("submarine ; cutoff: 1\n")
    asked = qks("labels", "audit", "--labels", labels, "--min-score", "0.2")
    suggested = [x for x in rows(asked.stdout) if x["kind"] == "suggested"]
    assert suggested
    assert b"nothing fits 4 of 4" in asked.stderr


def test_configuration(photos: Path, qks: Qks, tmp_path: Path) -> None:
    file = Path(os.environ["QKS_CONFIG"])
    assert qks("config", "path").stdout.decode().strip() == str(file)
    assert qks("config", "show").stdout == b""
    file.write_text("# mine\n")
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\n")
    assert qks("config", "set", "labels", labels).returncode == 0
    assert qks("config", "set", "search.limit", "1").returncode == 0
    assert qks("config", "set", "min-score", "0.2").returncode == 0
    assert qks("config", "set", "colour", "red").returncode == 2
    assert qks("config", "set", "search.colour", "red").returncode == 2
    assert file.read_text().startswith("# mine\n")
    qks("tag", photos)
    with closing(sqlite3.connect(os.environ["QKS_DB"])) as library:
        assert library.execute("SELECT DISTINCT label FROM photo_tags").fetchall() == [("sky",)]
    found = qks("search", "sky", "--format", "paths", "--min-score", "0")
    assert len(found.stdout.splitlines()) == 1
    more = qks("search", "sky", "--format", "paths", "--min-score", "0", "--limit", "3")
    assert len(more.stdout.splitlines()) == 3
    file.write_text("limit = [\n")
    broken = qks("search", "sky")
    assert broken.returncode == 2
    assert str(file).encode() in broken.stderr
    assert qks("config", "path").returncode == 0


def test_views_and_words_in_sql(tagged: Path, qks: Qks) -> None:
    with closing(sqlite3.connect(os.environ["QKS_DB"])) as library:
        names = [row[0] for row in library.execute("SELECT path FROM photo_list WHERE tags != ''")]
        assert names
        words = (
            "SELECT name FROM labels WHERE id IN (SELECT rowid FROM labels_fts WHERE name MATCH ?)"
        )
        assert ("sky",) in library.execute(words, ("sky",)).fetchall()
        assert library.execute("SELECT count(*) FROM label_counts").fetchone()[0] > 0
        (run,) = library.execute("SELECT command, status FROM run_list").fetchall()
        assert run == ("tag", "done")
