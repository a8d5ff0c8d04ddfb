"""What a person sees: a summary after a run, tables that fit, photos in the order asked for."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.cli import tables
from qks_cli.cli.tables import columns, end_off, middle_out, nearby, table
from qks_cli.escape import shown
from tests.conftest import Qks


def on_terminal(*arguments: object, width: int = 80) -> str:
    """Standard output and standard error of a command on a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "qks_cli", *map(str, arguments)]
    process = subprocess.Popen(
        command, stdout=theirs, stderr=theirs, env=os.environ | {"COLUMNS": str(width)}
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        said += part
    process.wait(timeout=60)
    os.close(ours)
    return said.decode(errors="surrogateescape").replace("\r\n", "\n")


def test_a_run_ends_with_a_summary_on_a_terminal(photos: Path) -> None:
    said = on_terminal("tag", photos)
    assert "cat.jpg" not in said
    assert "commonest: " in said and "next: qks search" in said
    assert "4 tagged" in said
    rows = on_terminal("tag", photos, "--format", "table")
    assert rows.count(".jpg") + rows.count(".png") == 4
    written = on_terminal("write", photos)
    assert "4 written" in written and "cat.jpg" not in written
    assert "4 ok" in on_terminal("verify", photos)


def test_a_table_shows_no_parent_beside_its_child(photos: Path, qks: Qks) -> None:
    for done in (
        qks("tag", photos / "cat.jpg", "--format", "table"),
        qks("search", "tag:cat", "--format", "table"),
    ):
        assert b"cat" in done.stdout and b"animal" not in done.stdout
    row = json.loads(qks("tag", photos / "cat.jpg", "--format", "jsonl").stdout)
    assert {tag["label"] for tag in row["tags"]} == {"cat", "animal"}


def test_quiet_prints_no_rows(photos: Path, qks: Qks) -> None:
    assert qks("tag", photos, "-q").stdout == b""
    assert len(qks("tag", photos, "-q", "--format", "jsonl").stdout.splitlines()) == 4
    assert len(qks("tag", photos).stdout.splitlines()) == 4


def test_search_shows_a_table_that_fits(
    photos: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = photos / ("a-folder-with-a-long-name-" * 3) / "x.jpg"
    deep.parent.mkdir()
    Image.open(photos / "cat.jpg").save(deep)
    assert qks("tag", photos).returncode == 0
    monkeypatch.chdir(photos)
    lines = on_terminal("search", "animal", "--limit", "2", "--tags-only").splitlines()
    assert lines[0].split()[:3] == ["score", "date", "photo"]
    assert all(columns(line) <= 80 for line in lines[:3])
    assert any(line.split()[1].startswith(("a-folder", "cat.jpg")) for line in lines[1:3])


def test_how_many_are_shown(photos: Path, qks: Qks) -> None:
    assert qks("tag", photos, "--min-score", "0", "--top", "3").returncode == 0
    every = qks("search", "in:photos OR name:jpg OR name:png", "--format", "table")
    shown = qks("search", "name:jpg OR name:png", "--limit", "1", "--format", "table")
    assert every.returncode in (0, 2)
    assert b"1 of 4 shown" in shown.stderr


def test_orders(photos: Path, qks: Qks) -> None:
    dates = {"cat.jpg": "2020:01:01 00:00:00", "coffee.jpg": "2022:01:01 00:00:00"}
    for name, date in dates.items():
        exif = Image.Exif()
        exif[0x132] = date
        exif[0x10F] = "Maker"
        Image.open(photos / name).save(photos / name, exif=exif)
    assert qks("tag", photos).returncode == 0

    def found(sort: str, limit: int = 20) -> list[dict[str, object]]:
        done = qks(
            "search", "name:jpg OR name:png", "--sort", sort, "--limit", limit, "--format", "jsonl"
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    names = [Path(str(row["path"])).name for row in found("date")]
    assert names[:2] == ["coffee.jpg", "cat.jpg"] and len(names) == 4
    assert found("date", 1)[0]["taken_at"] == "2022-01-01T00:00:00"
    assert found("date", 1)[0]["camera"] == "Maker"
    paths = [str(row["path"]) for row in found("name")]
    assert paths == sorted(paths)
    assert qks("search", "cat", "--sort", "colour").returncode == 2


def test_open_hands_photos_to_the_desktop(
    photos: Path, qks: Qks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert qks("tag", photos).returncode == 0
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    done = qks("search", "tag:cat", "--open")
    assert done.returncode == 2 and b"--open needs" in done.stderr
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "opened"
    for name in ("xdg-open", "open"):
        script = programs / name
        script.write_text(f'#!/bin/sh\nfor one; do echo "$one" >> "{log}"; done\n')
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    assert qks("search", "tag:cat", "--open").returncode == 0
    assert log.read_text().splitlines() == [str(photos / "cat.jpg")]


def test_texts_are_cut_by_columns() -> None:
    assert middle_out("abcdefghij", 7) == "ab…ghij"
    assert middle_out("abc", 7) == "abc"
    assert end_off("abcdef", 4) == "abc…"
    assert columns("猫a") == 3 and columns("e\u0301") == 1
    assert columns(middle_out("猫" * 20, 9)) <= 9
    assert columns(end_off("猫" * 20, 9)) <= 9


def test_names_do_not_steer_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert nearby(tmp_path / "a" / "b.jpg") == "a/b.jpg"
    assert nearby(Path("/elsewhere/b.jpg")) == "/elsewhere/b.jpg"
    text = table(("photo", "tags"), [("\x1b]0;x\x07.jpg", "\u202egpj.dog")], shorten="photo")
    assert "\x1b" not in text and "\u202e" not in text
    bytes_of = os.fsdecode(b"caf\xe9 \x9b31m \x84.jpg")  # C1 controls, where a character is a byte
    assert os.fsencode(shown(bytes_of)) == b"caf\xe9 \\x9b31m \\x84.jpg"
    assert tables.table(("photo",), [], shorten="photo") == ""
