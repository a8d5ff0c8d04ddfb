"""What a run says of odd files, and that none of them holds it up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Qks
from tests.photos.made import (
    ASCII,
    exif,
    gif_bomb,
    jpeg_with_exif,
    picture,
    saved,
    slow_photo,
    with_chunk,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "photos"
    path.mkdir()
    return path


def said(stderr: bytes) -> list[str]:
    return stderr.decode().splitlines()


def test_what_cannot_be_read_is_a_line_that_says_why(folder: Path, qks: Qks) -> None:
    (folder / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    (folder / "b.gif").write_bytes(gif_bomb())
    (folder / "c.jpg").write_bytes(saved(picture(), "JPEG")[:2000])
    done = qks("tag", folder, "--quiet")
    assert done.returncode == 0
    postscript, bomb, cut = said(done.stderr)
    assert postscript == (
        f"qks: {folder}/a.jpg: not an image that qks can read: its bytes say PostScript"
    )
    assert bomb == (
        f"qks: {folder}/b.gif: it takes 1,142 MB decoded, more than the limit of 512 MB "
        "(--max-decoded-mb raises it)"
    )
    assert cut.startswith(f"qks: {folder}/c.jpg: the file is cut off (")


def test_the_limit_is_an_option(folder: Path, qks: Qks) -> None:
    (folder / "a.png").write_bytes(saved(picture(1000, 1000), "PNG"))
    Path(os.environ["QKS_CONFIG"]).write_text("[tag]\nmax_decoded_mb = 2\n")
    done = qks("tag", folder, "-q")
    assert said(done.stderr) == [
        f"qks: {folder}/a.png: it takes 4 MB decoded, more than the limit of 2 MB "
        "(--max-decoded-mb raises it)"
    ]
    assert qks("tag", folder, "-q", "--max-decoded-mb", "4").stderr == b""


def test_libraries_are_heard_in_lines_that_name_the_photo(folder: Path, qks: Qks) -> None:
    odd = with_chunk(saved(picture(), "PNG"), b"acTL", bytes(8))
    (folder / "odd.png").write_bytes(odd)
    latin = exif({0x010F: (ASCII, "Müller".encode("latin-1"))}, inner={0x9003: (ASCII, b"\xff")})
    (folder / "latin.jpg").write_bytes(jpeg_with_exif(latin))
    line, summary = said(qks("tag", folder).stderr)
    assert line.startswith(f"qks: {folder}/odd.png: read, but parts of it are damaged (")
    assert summary.startswith("2 tagged")
    (folder / "new.png").write_bytes(odd)
    assert qks("tag", folder, "--quiet").stderr == b""


def test_a_folder_of_other_files_is_not_called_empty(folder: Path, qks: Qks) -> None:
    for name in ("a.ts", "b.MTS", "c.mts", "notes.txt", "a.xmp"):
        (folder / name).write_bytes(b"x")
    done = qks("tag", folder)
    first, second = said(done.stderr)
    assert first.startswith("no photos found")
    line = (
        "skipped, not photos that qks reads: 3 videos of other kinds (.mts, .ts), 1 other (.txt); "
        "`ffmpeg -i FILE -c copy NEW.mkv` makes videos of other kinds readable "
        "(`apt-get install ffmpeg`)"
    )
    assert second == line
    assert said(qks("status", folder).stderr) == ["no photos found", line]


def test_raw_files_that_cannot_be_read_and_pipes_are_named(
    folder: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.photos.walk.raw_readable", lambda: False)
    (folder / "a.jpg").write_bytes(saved(picture(), "JPEG"))
    (folder / "a.cr2").write_bytes(b"II*\0")
    os.mkfifo(folder / "pipe.jpg")
    line = (
        "skipped, not photos that qks reads: 1 RAW (.cr2), 1 pipe or device (.jpg); "
        "`pip install rawpy` reads RAW"
    )
    assert said(qks("tag", folder).stderr)[1] == line
    assert said(qks("status", folder).stderr) == ["1 unchanged", line]
    assert said(qks("tag", folder / "a.jpg").stderr)[1:] == []


def test_ctrl_c_waits_for_no_decoder(folder: Path) -> None:
    (folder / "slow.bmp").write_bytes(slow_photo())
    command = [sys.executable, "-m", "qks_cli", "tag", str(folder), "--format", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        threads = Path(f"/proc/{run.pid}/task")
        until = time.monotonic() + 60
        # The library is opened when all else is ready; until then Ctrl-C ends the command at once.
        library = Path(os.environ["QKS_DB"])
        while not (
            library.exists() and any((x / "children").read_text() for x in threads.iterdir())
        ):
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(1)
        asked = time.monotonic()
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=60)
        assert time.monotonic() - asked < 5
    assert run.returncode == 130
    assert stdout == b""
    assert b"Traceback" not in stderr
    assert b"stopped" in stderr


def test_dates_are_found_with_their_source(folder: Path, qks: Qks) -> None:
    late = exif({0x0132: (ASCII, "2014:07:09 24:28:33")})
    (folder / "late.jpg").write_bytes(jpeg_with_exif(late))
    (folder / "IMG-20220121-WA0004.jpg").write_bytes(saved(picture(), "JPEG"))
    assert qks("tag", folder, "-q").returncode == 0
    for query, name in (("date:2014", "late.jpg"), ("date:2022-01-21", "IMG-20220121-WA0004.jpg")):
        (line,) = qks("search", query).stdout.splitlines()
        assert json.loads(line)["path"] == str(folder / name)
    import sqlite3

    with sqlite3.connect(os.environ["QKS_DB"]) as library:
        rows = library.execute("SELECT taken_at, taken_from FROM photo_list ORDER BY path")
        assert rows.fetchall() == [
            ("2022-01-21T00:00:00", "name"),
            ("2014-07-10T00:28:33", "exif"),
        ]
    library.close()
