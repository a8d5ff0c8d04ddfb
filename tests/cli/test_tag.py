from __future__ import annotations

import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Qks


def rows(output: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in output.splitlines()]


def names(row: dict[str, object]) -> set[str]:
    tags = row["tags"]
    assert isinstance(tags, list)
    return {tag["label"] for tag in tags}


def test_from_photos_to_search(photos: Path, qks: Qks) -> None:
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in photos.rglob("*") if p.is_file()}
    done = qks("tag", photos, "--min-score", "0.3")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    order = ["cat.jpg", "coffee.jpg", "space/astronaut.jpg", "space/rocket.png"]
    assert [row["path"] for row in found] == [str(photos / name) for name in order]
    assert {row["status"] for row in found} == {"tagged"}
    assert "sky" in names(found[3])
    assert "sky" not in names(found[0])
    assert b"4 tagged" in done.stderr
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in before}

    hits = qks("search", "sky", "--format", "paths", "--limit", "1")
    assert hits.returncode == 0
    assert hits.stdout.decode().splitlines() == [str(photos / "space/rocket.png")]
    by_meaning = qks(
        "search", "clear sky", "--semantic-only", "--min-score", "0", "-0", "--limit", "1"
    )
    assert by_meaning.stdout == os.fsencode(photos / "space/rocket.png") + b"\0"
    nothing = qks("search", "sky", "--tags-only", "--min-score", "1")
    assert (nothing.returncode, nothing.stdout) == (1, b"")


def test_unchanged_photos_are_not_read_again(photos: Path, qks: Qks, tmp_path: Path) -> None:
    first = rows(qks("tag", photos).stdout)
    # Would fail if it were read: the bytes are gone, size and time are as before.
    cat = photos / "cat.jpg"
    status = cat.stat()
    cat.write_bytes(b"\0" * status.st_size)
    os.utime(cat, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = qks("tag", photos)
    assert b"4 unchanged" in again.stderr
    assert [row["tags"] for row in rows(again.stdout)] == [row["tags"] for row in first]

    labels = tmp_path / "labels.txt"
    labels.write_text("outdoors > sky\nhot drink\n")
    other = qks("tag", photos, "--labels", labels, "--min-score", "0.2")
    assert b"4 tagged again without reading them" in other.stderr
    assert {"sky", "outdoors"} <= names(rows(other.stdout)[3])
    back = qks("tag", photos, "--labels", "default")
    assert [row["tags"] for row in rows(back.stdout)] == [row["tags"] for row in first]

    os.utime(cat, ns=(1, 1))
    changed = qks("tag", photos)
    assert b"3 unchanged, 1 failed" in changed.stderr


def test_bad_photos_never_stop_a_run(photos: Path, qks: Qks) -> None:
    (photos / "broken.jpg").write_bytes(b"no photo at all")
    (photos / "empty.jpg").write_bytes(b"")
    done = qks("tag", photos, "--quiet", "--format", "jsonl")
    assert done.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2
    assert f"{photos}/broken.jpg: not an image that qks can read" in lines[0]
    assert [row["status"] for row in rows(done.stdout)].count("failed") == 2
    assert qks("tag", photos, "--strict", "-q").returncode == 1
    with sqlite3.connect(os.environ["QKS_DB"]) as library:
        kinds = library.execute("SELECT error_kind FROM photos WHERE status = 'failed'").fetchall()
    library.close()
    assert sorted(kinds) == [("empty",), ("unsupported",)]


def test_paths_from_stdin_and_names_that_are_not_utf8(photos: Path, qks: Qks) -> None:
    odd = Path(os.fsdecode(os.fsencode(photos) + b"/caf\xe9\n.jpg"))
    (photos / "cat.jpg").rename(odd)
    done = qks("tag", "-", "-0", "--format", "paths", stdin=os.fsencode(odd) + b"\0")
    assert done.stdout == os.fsencode(odd) + b"\0"
    table = qks("tag", photos, "--format", "table")
    # A table is for people: its names keep to their line. Other formats are exact.
    assert b"/caf\xe9\\n.jpg  " in table.stdout
    line = json.loads(qks("tag", odd, "--format", "jsonl").stdout)
    assert line["path"] == str(odd)


def test_a_message_is_one_line_whatever_the_name(tmp_path: Path, qks: Qks) -> None:
    (tmp_path / "a\nb.jpg").write_bytes(b"no photo")
    done = qks("tag", tmp_path, "--quiet")
    lines = done.stderr.decode().splitlines()
    assert lines == [f"qks: {tmp_path}/a\\nb.jpg: not an image that qks can read"]


def test_csv_and_dry_run(photos: Path, qks: Qks) -> None:
    done = qks("tag", photos, "--dry-run", "--format", "csv", "--min-score", "0.3", "--top", "1")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "path,label,score,implied"
    assert any(line.startswith(f"{photos}/cat.jpg,") for line in lines)
    nothing = qks("tag", photos, "--dry-run", "--format", "csv", "--min-score", "1")
    assert nothing.stdout.decode().splitlines()[1] == f"{photos}/cat.jpg,,,"
    assert not Path(os.environ["QKS_DB"]).exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "nowhere.jpg"], b"none of these paths could be read"),
        (["tag", ".", "--model", "nothing"], b"no model 'nothing'"),
        (["tag", ".", "--labels", "nothing.txt"], b"cannot read the labels file nothing.txt"),
        (["tag", ".", "-0", "--format", "csv"], b"-0 ends paths"),
        (["search", "dog"], b"no library at"),
        (["search", "dog", "--tags-only", "--semantic-only"], b"exclude each other"),
        (["labels", "check", "nothing.txt"], b"cannot read"),
        (["models", "info", "nothing"], b"no model 'nothing'"),
    ],
)
def test_errors_are_one_message_and_exit_code_2(
    arguments: list[str], message: bytes, qks: Qks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    done = qks(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert b"Traceback" not in done.stderr


def many(folder: Path, count: int) -> Path:
    folder.mkdir()
    for n in range(count):
        Image.new("RGB", (1500, 1000), (n % 255, n // 255, 99)).save(folder / f"{n:04}.jpg")
    return folder


# `qks`, but for what it stores at a time: little, so that few photos are done before the first row.
OFTEN = (
    "from qks_cli.workflows import pipeline; pipeline.COMMIT_SECONDS = 0.05;"
    "from qks_cli.__main__ import main; main()"
)


def start(*arguments: object, often: bool = False) -> subprocess.Popen[bytes]:
    how = ["-c", OFTEN] if often else ["-m", "qks_cli"]
    command = [sys.executable, *how, *(str(a) for a in arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def narrow(child: subprocess.Popen[bytes]) -> None:
    """Let the pipe behind stdout hold some twenty rows: whoever has printed those waits to be read,
    and so is at work however slowly a test goes on."""
    assert child.stdout is not None
    fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4096)


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes have one size here")
def test_interrupt_finishes_the_batch_and_kill_loses_little(tmp_path: Path, qks: Qks) -> None:
    folder = many(tmp_path / "many", 600)
    with start("tag", folder, "--batch-size", "4", "--workers", "1", often=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        narrow(child)
        printed = [child.stdout.readline()]
        child.send_signal(signal.SIGINT)
        printed += child.stdout.readlines()
        summary = child.stderr.read()
    assert child.returncode == 130
    assert b"stopped: " in summary
    assert 4 <= len(printed) < 600
    with start("tag", folder, "--batch-size", "4", "--workers", "1", often=True) as child:
        assert child.stdout is not None
        narrow(child)
        for _ in range(len(printed) + 1):
            child.stdout.readline()
        child.kill()
    assert b"the latest run (`qks tag`, 2" in qks("doctor").stdout
    rest = qks("tag", folder)
    assert rest.returncode == 0
    counts = [row["status"] for row in rows(rest.stdout)]
    assert len(counts) == 600
    # What the interrupted run printed is kept; the killed one may lose what it had not stored.
    assert len(printed) <= counts.count("unchanged") < 600
    with sqlite3.connect(os.environ["QKS_DB"]) as library:
        states = [row[0] for row in library.execute("SELECT status FROM runs ORDER BY id")]
    library.close()
    assert states == ["interrupted", "killed", "done"]


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    folder = many(tmp_path / "many", 300)
    with start("tag", folder, "--batch-size", "4", "--quiet") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        errors = child.stderr.read()
        began = time.monotonic()
        child.wait(60)
    assert (child.returncode, errors) == (0, b"")
    assert time.monotonic() - began < 60
