"""Folders change: moved, deleted and unmounted photos; backups of the library."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Qks


def rows(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def statuses(output: bytes) -> dict[str, object]:
    return {Path(str(row["path"])).name: row["status"] for row in rows(output)}


def many_photos(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 30), (number * 7 % 256, 90, 40)).save(folder / f"{number:03}.png")


def test_moved_photos_keep_their_tags(photos: Path, qks: Qks) -> None:
    first = {Path(str(r["path"])).name: r["tags"] for r in rows(qks("tag", photos).stdout)}
    (photos / "2024").mkdir()
    (photos / "cat.jpg").rename(photos / "2024" / "kitty.jpg")
    (photos / "space").rename(photos / "universe")
    asked = qks("status", photos)
    assert statuses(asked.stdout) == {
        "kitty.jpg": "moved",
        "astronaut.jpg": "moved",
        "rocket.png": "moved",
    }
    assert rows(asked.stdout)[0]["moved_from"] == str(photos / "cat.jpg")
    again = qks("tag", photos)
    assert b"3 moved, tags kept, 1 unchanged" in again.stderr
    found = {Path(str(r["path"])).name: r["tags"] for r in rows(again.stdout)}
    assert found["kitty.jpg"] == first["cat.jpg"]
    assert found["rocket.png"] == first["rocket.png"]
    assert qks("status", photos).stdout == b""
    with closing(sqlite3.connect(os.environ["QKS_DB"])) as library:
        assert library.execute("SELECT count(*) FROM photos").fetchone() == (4,)


def test_lookalikes_are_told_apart_by_all_their_bytes(tmp_path: Path, qks: Qks) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.new("RGB", (300, 300), "red").save(folder / "a.bmp")
    data = bytearray((folder / "a.bmp").read_bytes())
    data[100_000:160_000] = bytes(60_000)  # between head and tail
    (folder / "b.bmp").write_bytes(data)
    for photo in folder.iterdir():
        os.utime(photo, ns=(1, 1))
    qks("tag", folder)
    (folder / "a.bmp").unlink()
    (folder / "b.bmp").rename(folder / "c.bmp")
    assert rows(qks("status", folder).stdout)[0]["moved_from"] == str(folder / "b.bmp")
    assert qks("duplicates").returncode == 1


def test_a_copy_is_a_new_photo(photos: Path, qks: Qks) -> None:
    qks("tag", photos)
    shutil.copy2(photos / "cat.jpg", photos / "copy.jpg")
    assert statuses(qks("status", photos).stdout) == {"copy.jpg": "new"}
    assert b"1 tagged, 4 unchanged" in qks("tag", photos).stderr


def test_status_tells_what_a_run_would_do(photos: Path, qks: Qks, tmp_path: Path) -> None:
    assert qks("status", photos).returncode == 2  # no library yet
    qks("tag", photos)
    assert qks("status", photos / "nowhere").returncode == 2
    (photos / "broken.jpg").write_bytes(b"nothing")
    qks("tag", photos)
    os.utime(photos / "cat.jpg", ns=(1, 1))
    (photos / "coffee.jpg").unlink()
    (photos / "new.png").write_bytes((photos / "space/rocket.png").read_bytes())
    asked = qks("status", photos)
    assert statuses(asked.stdout) == {
        "broken.jpg": "failed",
        "cat.jpg": "changed",
        "new.png": "new",
        "coffee.jpg": "gone",
    }
    assert b"1 changed, 1 failed, 1 gone, 1 new, 2 unchanged" in asked.stderr
    named = os.fsencode(photos / "cat.jpg") + b"\0"
    assert statuses(qks("status", "-", "-0", stdin=named).stdout) == {"cat.jpg": "changed"}
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\n")
    other = qks("status", photos / "space", "--labels", labels)
    assert statuses(other.stdout) == {"astronaut.jpg": "stale", "rocket.png": "stale"}


def test_deleted_photos_are_marked_and_pruned_on_request(photos: Path, qks: Qks) -> None:
    qks("tag", photos, "--min-score", "0.1")
    rocket = photos / "space" / "rocket.png"
    kept = rocket.read_bytes()
    mtime = rocket.stat().st_mtime_ns
    rocket.unlink()
    assert b"1 missing" in qks("tag", photos, "--min-score", "0.1").stderr
    found = qks("search", "sky", "--format", "paths")
    assert str(rocket).encode() not in found.stdout
    # Back again, it is found again, and was never read anew.
    rocket.write_bytes(kept)
    os.utime(rocket, ns=(mtime, mtime))
    assert b"4 unchanged" in qks("tag", photos, "--min-score", "0.1").stderr
    assert str(rocket).encode() in qks("search", "sky", "--format", "paths").stdout

    rocket.unlink()
    shown = qks("prune", photos, "--format", "paths")
    assert (shown.returncode, shown.stdout) == (1, os.fsencode(rocket) + b"\n")
    assert b"nothing was removed" in shown.stderr
    assert qks("prune", photos, "--dry-run").returncode == 0
    roundabout = photos / "space" / ".." / "space"
    assert b"1 of 2 photos gone" in qks("prune", roundabout, "--dry-run").stderr
    elsewhere = qks("prune", photos / "2024", "--yes")
    assert b"0 of 0 photos gone" in elsewhere.stderr
    assert b"1 photo removed from the library" in qks("prune", "--yes").stderr
    assert b"0 of 3 photos gone" in qks("prune", "--yes").stderr


def test_an_unmounted_drive_is_no_mass_deletion(tmp_path: Path, qks: Qks) -> None:
    drive = tmp_path / "drive"
    many_photos(drive, 24)
    qks("tag", drive)
    away = drive.rename(tmp_path / "away")
    drive.mkdir()
    told = qks("tag", drive)
    assert told.returncode == 0
    assert b"24 of 24 photos" in told.stderr
    assert b"is a drive not mounted" in told.stderr
    sick = qks("doctor")
    assert sick.returncode == 1
    assert b"24 photos gone from" in sick.stdout
    drive.rmdir()
    away.rename(drive)
    assert b"24 unchanged" in qks("tag", drive).stderr
    assert qks("doctor").returncode == 0


def test_retag_reads_no_photo(photos: Path, qks: Qks, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("outdoors > sky\nhot drink\n")
    wanted = rows(qks("tag", photos, "--labels", labels, "--dry-run", "--min-score", "0.2").stdout)
    assert qks("retag").returncode == 2
    qks("tag", photos)
    for photo in photos.rglob("*.*"):
        photo.unlink()
    done = qks("retag", "--labels", labels, "--min-score", "0.2")
    assert done.returncode == 0, done.stderr
    assert b"4 photos tagged again, 0 left as they were" in done.stderr
    with closing(sqlite3.connect(os.environ["QKS_DB"])) as library:
        stored = set(library.execute("SELECT path, label FROM photo_tags"))
    assert stored == {(r["path"], t["label"]) for r in wanted for t in r["tags"]}  # type: ignore[attr-defined]
    again = qks("retag", "--labels", labels, "--min-score", "0.2")
    assert b"0 photos tagged again, 4 left as they were" in again.stderr


def test_backup_and_restore(photos: Path, qks: Qks, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    assert qks("backup", copy).returncode == 2
    qks("tag", photos)
    assert b"4 photos in" in qks("backup", copy).stderr
    assert qks("backup", copy).returncode == 2
    assert qks("backup", copy, "--force").returncode == 0
    library = Path(os.environ["QKS_DB"])
    with closing(sqlite3.connect(library)) as connection, connection:
        connection.execute("DELETE FROM photos")
    assert qks("restore", copy).returncode == 2
    done = qks("restore", copy, "--yes")
    assert done.returncode == 0, done.stderr
    assert b"4 unchanged" in qks("tag", photos).stderr
    assert len(list(library.parent.glob("*.before-restore-*.db"))) == 1

    damaged = bytearray(copy.read_bytes())
    damaged[4096:] = b"\0" * (len(damaged) - 4096)
    (tmp_path / "damaged.db").write_bytes(damaged)
    refused = qks("restore", tmp_path / "damaged.db", "--yes")
    assert refused.returncode == 2
    assert b"4 unchanged" in qks("tag", photos).stderr
    library.write_bytes(b"scrambled" * 1000)
    assert qks("doctor").returncode == 1
    assert qks("restore", copy, "--yes").returncode == 0
    assert b"4 unchanged" in qks("tag", photos).stderr


def test_doctor_in_good_health(qks: Qks) -> None:
    well = qks("doctor")
    assert well.returncode == 0, well.stdout
    assert b"ok   model mini" in well.stdout
    assert b"ONNX Runtime" in well.stdout
    sick = qks("doctor", "--model", "nothing")
    assert sick.returncode == 1
    assert b"BAD  model nothing" in sick.stdout


def test_doctor_says_what_is_read_and_what_would_be(
    qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qks_cli.workflows import doctor

    said = qks("doctor").stdout.decode()
    for name in (
        "RAW, by rawpy",
        "videos, by av",
        "JPEG XL, by pillow-jxl-plugin",
        "text in photos",
    ):
        assert f"ok   read: {name}" in said
    monkeypatch.setattr(doctor, "find_spec", lambda name: None)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    bare = qks("doctor")
    assert bare.returncode == 0  # nothing is wrong
    lines = bare.stdout.decode().splitlines()
    for what, install in (
        ("ok   not read: RAW", "`pip install rawpy`"),
        ("ok   not read: JPEG XL", "`pip install '.[jxl]'`"),
        ("ok   not read: videos", "`pip install '.[video]'`"),
        ("ok   not read: text in photos", "`pip install '.[text]'`"),
    ):
        assert lines[lines.index(what) + 1].strip() == install
    assert lines[-1].strip() == "`apt-get install libimage-exiftool-perl`"
