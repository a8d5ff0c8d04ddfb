from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.types import UInt8Array
from tests.photos.formats import KINDS, make

PATIENCE = 60.0


@contextmanager
def watching(folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "qks_cli", "watch", str(folder), "--settle", "0.2", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        try:
            yield running
        finally:
            running.kill()


def known() -> dict[str, bool]:
    """Names in the library, and whether each is there."""
    library = Path(os.environ["QKS_DB"])
    if not library.is_file():
        return {}
    try:
        with closing(sqlite3.connect(library)) as connection:
            found = connection.execute("SELECT path, missing_since IS NULL FROM photos").fetchall()
    except sqlite3.OperationalError:
        return {}
    return {Path(path).name: bool(here) for path, here in found}


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, known()
        time.sleep(0.05)


@pytest.mark.parametrize("options", [(), ("--poll", "0.3")])
def test_what_comes_moves_and_goes(photos: Path, options: tuple[str, ...]) -> None:
    with watching(photos, *options) as running:
        assert running.stderr is not None
        assert running.stdout is not None
        until(lambda: len(known()) == 4)
        line = running.stderr.readline()
        assert b"watching 4 photos" in line
        Image.new("RGB", (50, 40), "red").save(photos / "new.png")
        (photos / "note.txt").write_text("no photo")
        (photos / "film.mts").write_bytes(b"no photo")
        until(lambda: known().get("new.png", False))
        (photos / "cat.jpg").rename(photos / "kitty.jpg")
        until(lambda: known().get("kitty.jpg", False))
        assert "cat.jpg" not in known()
        (photos / "coffee.jpg").unlink()
        until(lambda: not known()["coffee.jpg"])
        (photos / "space").rename(photos.parent / "elsewhere")
        until(lambda: not known()["rocket.png"])
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
        rows = [json.loads(line) for line in running.stdout.read().splitlines()]
        line = b"skipped, not photos that qks reads: 1 video of another kind (.mts); "
        assert any(one.startswith(line) for one in running.stderr.readlines())
    by_name = [(Path(row["path"]).name, row["status"]) for row in rows]
    assert ("new.png", "tagged") in by_name
    assert ("kitty.jpg", "moved") in by_name
    assert "note.txt" not in known()


def test_a_photo_of_every_format_is_tagged_as_it_comes(
    photos: Path, pictures: dict[str, UInt8Array]
) -> None:
    with Image.fromarray(pictures["cat.jpg"]) as cat:
        names = make(photos.parent / "made", cat.resize((320, 240)))
    with watching(photos) as running:
        until(lambda: len(known()) == 4)
        for name in sorted(names, key=lambda one: bool(KINDS[one].beside)):  # photos come first
            (photos.parent / "made" / name).rename(photos / name)
        until(lambda: all(known().get(name, False) for name in names))
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0
        assert running.stdout is not None
        rows = [json.loads(line) for line in running.stdout.read().splitlines()]
    said = {Path(row["path"]).name: row for row in rows}
    assert {name: said[name]["status"] for name in names} == {
        name: "shared" if KINDS[name].beside else "tagged" for name in names
    }
    bare = {name for name in names if not said[name]["tags"]}
    assert bare <= {"bare.dng"}  # developed, it is not what the fake model knows


def test_a_folder_of_other_files_is_not_called_empty(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.mts", "b.txt", "a.xmp"):
        (folder / name).write_bytes(b"x")
    with watching(folder) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == b"watching 0 photos; Ctrl-C ends\n"
        line = (
            "skipped, not photos that qks reads: 1 video of another kind (.mts), 1 other (.txt); "
        )
        assert running.stderr.readline().decode().startswith(line)
