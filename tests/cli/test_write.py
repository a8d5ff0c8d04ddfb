"""Keywords into photos and sidecars, and out again, through the real command."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Qks
from tests.keywords import files


def rows(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def everything(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def tagged(photos: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six photos, each with a tag: the words are not the model's, which may be silent."""
    labels = photos.parent / "words.txt"
    words = "sky\nperson\nanimal > cat\nplant > tree\nfood > breakfast\nbasketball\n"
    labels.write_text(words, encoding="utf-8")
    monkeypatch.setenv("QKS_LABELS", str(labels))
    (photos / "mine.jpg").write_bytes(
        files.with_xmp((photos / "cat.jpg").read_bytes(), files.packet("Tom", "mine"))
    )
    Image.open(photos / "coffee.jpg").save(photos / "coffee.tif")
    assert qks("tag", photos, "--min-score", "0.1").returncode == 0
    return photos


@pytest.mark.parametrize("to", ["sidecar", "embed"])
def test_in_and_out_again(tagged: Path, qks: Qks, to: str) -> None:
    before = everything(tagged)
    shown = qks("write", tagged, "--to", to, "--dry-run")
    assert {row["status"] for row in rows(shown.stdout)} == {"written"}
    assert everything(tagged) == before
    done = qks("write", tagged, "--to", to)
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in rows(done.stdout)} == {"written"}
    after = everything(tagged)
    if to == "sidecar":
        assert {name: after[name] for name in before} == before
        assert len(after) == 2 * len(before)
    else:
        assert b"coffee.tif: sidecar instead" in done.stderr
        assert len(after) == len(before) + 1
        assert after["cat.jpg"] != before["cat.jpg"]
        # Our own writing is no change to the photo: nothing is read again.
        assert b"6 unchanged" in qks("tag", tagged, "--min-score", "0.1").stderr
    assert b"6 unchanged" in qks("write", tagged, "--to", to).stderr
    assert everything(tagged) == after
    assert qks("verify", "--all").returncode == 0
    done = qks("untag", tagged)
    assert done.returncode == 0, done.stderr
    assert everything(tagged) == before
    assert b"nothing to do" in qks("untag", "--all").stderr


def test_undo_takes_back_one_run(tagged: Path, qks: Qks) -> None:
    before = everything(tagged)
    qks("write", tagged, "--to", "embed", "--min-score", "0.5", "--backup", tagged.parent / "b")
    first = everything(tagged)
    copies = {path.name for path in (tagged.parent / "b").rglob("*.*") if path.is_file()}
    assert "rocket.png" in copies
    qks("write", tagged, "--to", "embed", "--min-score", "0.2")
    assert everything(tagged) != first
    assert qks("undo", "2").returncode == 2  # written again since
    assert qks("undo").returncode == 0
    assert everything(tagged) == first
    assert qks("undo").returncode == 0
    assert everything(tagged) == before
    assert qks("undo").returncode == 1


def test_what_changed_elsewhere_is_kept(tagged: Path, qks: Qks) -> None:
    cat, side = tagged / "cat.jpg", tagged / "coffee.jpg.xmp"
    qks("write", cat, "--to", "embed")
    qks("write", tagged / "coffee.jpg", tagged / "space")
    side.write_text(side.read_text() + "<!-- edited -->\n")
    (tagged / "space/rocket.png.xmp").unlink()
    done = qks("verify", "--all")
    assert done.returncode == 1
    found = {Path(str(row["file"])).name: row["status"] for row in rows(done.stdout)}
    assert found["cat.jpg"] == "ok"
    assert found["coffee.jpg.xmp"] == "changed"
    assert found["rocket.png.xmp"] == "gone"
    assert qks("undo").returncode == 1  # a changed file stays as it is, and is named
    assert side.exists()
    assert qks("untag", "--all").returncode == 0
    assert side.exists()
    assert "qks:" not in side.read_text()
    assert not (tagged / "space/astronaut.jpg.xmp").exists()


def test_the_users_keywords_are_imported_and_found(tagged: Path, qks: Qks) -> None:
    (tagged / "coffee.jpg.xmp").write_bytes(files.packet("Kitchen party"))
    qks("write", tagged, "--to", "embed")
    found = rows(qks("import", "--all").stdout)
    assert {Path(str(x["path"])).name: x["keywords"] for x in found} == {
        "mine.jpg": ["Tom", "mine"],
        "coffee.jpg": ["Kitchen party"],
    }
    for query in ("tag:tom", "kitchen party", "tag:'kitchen party'".replace("'", '"')):
        hits = rows(qks("search", query, "--tags-only").stdout)
        assert hits[0]["score"] == 1
    qks("untag", "--all")
    assert b"Kitchen party" in (tagged / "coffee.jpg.xmp").read_bytes()


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_tiff_by_exiftool(tagged: Path, qks: Qks) -> None:
    photo = tagged / "coffee.tif"
    before = photo.read_bytes()
    with Image.open(photo) as image:
        pixels = image.tobytes()
    done = qks("write", photo, "--to", "embed", "--backend", "exiftool")
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in rows(done.stdout)] == [str(photo)]
    with Image.open(photo) as image:
        assert image.tobytes() == pixels
    read = subprocess.run(
        ["exiftool", "-s3", "-XMP-dc:Subject", str(photo)], capture_output=True, text=True
    )
    assert read.stdout.strip()
    assert qks("untag", photo).returncode == 0
    read = subprocess.run(
        ["exiftool", "-s3", "-XMP-dc:Subject", str(photo)], capture_output=True, text=True
    )
    assert read.stdout.strip() == ""
    assert photo.read_bytes() == before


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_several_writes_by_exiftool_are_undone_to_the_byte(tagged: Path, qks: Qks) -> None:
    photo = tagged / "coffee.tif"
    states = [photo.read_bytes()]
    for label in ("alpha", "beta"):
        assert qks("tags", "confirm", label, photo, "--add").returncode == 0
        assert qks("write", photo, "--to", "embed", "--backend", "exiftool").returncode == 0
        states.append(photo.read_bytes())
    assert qks("undo").returncode == 0
    assert photo.read_bytes() == states[1]
    assert qks("write", photo, "--to", "embed", "--backend", "exiftool").returncode == 0
    assert qks("untag", photo).returncode == 0
    assert photo.read_bytes() == states[0]


def test_photos_without_the_ledger(tagged: Path, qks: Qks) -> None:
    qks("write", tagged, "--to", "embed")
    Path(os.environ["QKS_DB"]).unlink()
    for name in ("-wal", "-shm"):
        Path(os.environ["QKS_DB"] + name).unlink(missing_ok=True)
    qks("tag", tagged)
    done = qks("untag", tagged)
    assert done.returncode == 0, done.stderr
    for photo in (*tagged.glob("*.jpg"), *tagged.rglob("*.png")):
        assert b"qks-tagger" not in photo.read_bytes()
    assert b"<rdf:li>Tom</rdf:li>" in (tagged / "mine.jpg").read_bytes()


def test_tag_and_write_at_once(tagged: Path, qks: Qks) -> None:
    before = everything(tagged)
    done = qks("tag", tagged, "--min-score", "0.1", "--write", "sidecar")
    assert b"6 unchanged" in done.stderr
    assert b"6 files written" in done.stderr
    assert len(everything(tagged)) == 2 * len(before)
    assert (
        b"6 files already so"
        in qks("tag", tagged, "--min-score", "0.1", "--write", "sidecar").stderr
    )
    assert qks("tag", tagged, "--write", "cloud").returncode == 2
    assert qks("undo").returncode == 0
    assert everything(tagged) == before


def test_labels_are_renamed_in_files_too(tagged: Path, qks: Qks) -> None:
    before = everything(tagged)
    qks("write", tagged, "--min-score", "0.3")
    written = everything(tagged)
    side = tagged / "space/rocket.png.xmp"
    assert b"<rdf:li>sky</rdf:li>" in side.read_bytes()
    count = side.read_bytes().count(b"qks:label>") // 2
    told = qks("tags", "rename", "sky", "heaven", "--yes")
    assert b"--files for those" in told.stderr
    assert everything(tagged) == written
    qks("tags", "undo")
    assert qks("tags", "rename", "sky", "heaven", "--yes", "--files").returncode == 0
    assert b"<rdf:li>heaven</rdf:li>" in side.read_bytes()
    assert b"<rdf:li>sky</rdf:li>" not in side.read_bytes()
    assert side.read_bytes().count(b"qks:label>") // 2 == count
    assert qks("undo").returncode == 0
    assert everything(tagged) == written
    assert qks("tags", "delete", "heaven", "--yes", "--files").returncode == 0
    assert qks("untag", "--all").returncode == 0
    assert everything(tagged) == before


def test_tags_of_other_pixels_are_not_written(tagged: Path, qks: Qks) -> None:
    shutil.copy(tagged / "coffee.jpg", tagged / "cat.jpg")
    (tagged / "space/rocket.png").unlink()
    done = qks("write", tagged)
    assert done.returncode == 1
    refused = {Path(str(x["path"])).name for x in rows(done.stdout) if x["status"] == "refused"}
    assert refused == {"cat.jpg", "rocket.png"}
    assert not (tagged / "cat.jpg.xmp").exists()


def test_a_reader_that_leaves_ends_it_quietly(tagged: Path, qks: Qks) -> None:
    before = everything(tagged)
    command = [sys.executable, "-m", "qks_cli", "write", str(tagged), "--to", "embed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        told = running.stderr.read()
        assert running.wait() == 0
    assert b"Traceback" not in told
    # What was written until then is in the ledger.
    assert qks("untag", "--all").returncode == 0
    assert everything(tagged) == before


def test_a_table_keeps_its_columns(tagged: Path, qks: Qks) -> None:
    (tagged / "coffee.jpg").rename(tagged / "two\nlines.jpg")
    qks("tag", tagged, "--min-score", "0.1")
    head, *lines = qks("write", tagged, "--format", "table").stdout.decode().splitlines()
    assert len(lines) == 6
    assert "two\\nlines.jpg" in "".join(lines)
    assert {line[head.index("status") :].split()[0] for line in lines} == {"written"}


def test_wrong_use(tagged: Path, qks: Qks) -> None:
    assert qks("write").returncode == 2
    assert qks("write", tagged, "--all").returncode == 2
    assert qks("write", tagged, "--to", "cloud").returncode == 2
    assert qks("untag").returncode == 2


def test_synonyms_are_written_where_they_are_asked_for(tagged: Path, qks: Qks) -> None:
    labels = tagged.parent / "labels.txt"
    labels.write_text("pet > cat | kitty, Tom\n", encoding="utf-8")
    assert qks("tag", tagged, "--labels", labels, "--min-score", "0.05").returncode == 0
    before = everything(tagged)
    cat, mine = tagged / "cat.jpg.xmp", tagged / "mine.jpg.xmp"
    assert qks("write", "--all").returncode == 0
    assert b"kitty" not in cat.read_bytes()
    assert qks("write", "--all", "--synonyms").returncode == 0
    for word in (b"<rdf:li>kitty</rdf:li>", b"<rdf:li>pet|kitty</rdf:li>", b"<rdf:li>Tom</rdf:li>"):
        assert word in cat.read_bytes()
    # One photo has "Tom" from its user: it is not ours to take out.
    assert b"<qks:label>Tom<" not in mine.read_bytes()
    assert qks("verify", "--all").returncode == 0
    assert qks("tags", "rename", "pet", "beast", "--yes", "--files").returncode == 0
    assert b"<rdf:li>beast</rdf:li>" in cat.read_bytes()
    assert b"<rdf:li>kitty</rdf:li>" in cat.read_bytes()
    assert qks("untag", "--all").returncode == 0
    assert everything(tagged) == before


def test_only_what_was_confirmed_is_written(tagged: Path, qks: Qks) -> None:
    cat = tagged / "cat.jpg"
    assert qks("tags", "confirm", "my Tom", cat, "--add").returncode == 0
    done = qks("write", "--all", "--only-confirmed")
    assert done.returncode == 0, done.stderr
    assert {str(x["path"]): x["labels"] for x in rows(done.stdout) if x["labels"]} == {
        str(cat): ["my Tom"]
    }
    assert (tagged / "cat.jpg.xmp").is_file()
    assert [path.name for path in tagged.rglob("*.xmp")] == ["cat.jpg.xmp"]
    assert qks("undo").returncode == 0
    assert not (tagged / "cat.jpg.xmp").exists()


def test_a_name_that_is_too_long_for_a_sidecar_is_one_line(tagged: Path, qks: Qks) -> None:
    long = tagged / ("猫" * 83 + ".jpg")
    shutil.copy(tagged / "cat.jpg", long)
    done = qks("tag", tagged, "--min-score", "0.1", "--write", "sidecar")
    assert b"Traceback" not in done.stderr
    assert done.stderr.count("猫".encode()) == 83
    assert b"too long for a sidecar" in done.stderr
    assert len(list(tagged.rglob("*.xmp"))) == 6
    for command in ("write", "import", "untag"):
        done = qks(command, "--all")
        assert done.returncode == (1 if command == "write" else 0), done.stderr
        assert b"Traceback" not in done.stderr
    assert not list(tagged.rglob("*.xmp"))
