"""Commands that are killed while they use the library: it is whole, and the next run goes on.

Each is killed at a step that is counted by calls into the library: so it has begun its work and not
ended it, however fast the machine is.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Qks

PHOTOS = 30
# Runs qks, killed at the step of the library that the first argument names. With 0 it runs to its
# end, and the last line on stderr is the number of steps. Retagging stores four photos at a time.
RUN = """
import os, signal, sys
from itertools import count
from qks_cli.app import main
from qks_cli.workflows import tag
tag.GROUP, tag.STORED = 4, 1
steps, at = count(1), int(sys.argv.pop(1))
def watch(frame, event, value):
    if event == "call" and frame.f_code.co_filename.endswith("library/database.py"):
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)
sys.setprofile(watch)
try:
    main()
finally:
    sys.setprofile(None)
    print(next(steps) - 1, file=sys.stderr)
"""
COMMANDS = (
    ("tag", "FOLDER", "--min-score", "0.1"),
    ("retag", "--min-score", "0.2"),
    ("tags", "rename", "sky", "heaven", "--yes"),
    ("tags", "undo"),
    ("import", "--all"),
    ("prune", "--yes"),
    ("search", "red sky", "--min-score", "0"),
    ("backup", "COPY", "--force"),
    ("restore", "COPY", "--yes"),
)


def run(step: int, *line: object) -> subprocess.CompletedProcess[bytes]:
    """``qks`` in a process of its own, killed at a step of the library; 0: at none."""
    words = [str(word) for word in (step, *line)]
    return subprocess.run([sys.executable, "-c", RUN, *words], capture_output=True)


def killed(place: float, *line: object) -> None:
    """Run a command to its end, take the library back to what it was, and kill the same command at
    a place between its first step (0) and its last (1)."""
    library = Path(os.environ["QKS_DB"]).parent
    before = library.with_name("before")
    shutil.copytree(library, before)
    whole = run(0, *line)
    steps = int(whole.stderr.split()[-1])
    shutil.rmtree(library)
    before.rename(library)
    assert run(1 + int(place * (steps - 1)), *line).returncode == -signal.SIGKILL, line


@pytest.fixture
def folder(tmp_path: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos that are tagged, in a library with a folder of its own."""
    monkeypatch.setenv("QKS_DB", str(tmp_path / "library" / "library.db"))
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(PHOTOS):
        Image.new("RGB", (40, 30), (number * 7 % 256, 90, 40)).save(folder / f"{number:03}.png")
    assert qks("tag", folder, "--min-score", "0.1").returncode == 0
    return folder


def ask(sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(os.environ["QKS_DB"])) as library:
        return library.execute(sql).fetchall()


def test_a_kill_loses_nothing_that_was_committed(folder: Path, tmp_path: Path, qks: Qks) -> None:
    copy = tmp_path / "copy.db"
    assert qks("backup", copy).returncode == 0
    begun = []
    for line in COMMANDS:
        words = [{"FOLDER": folder, "COPY": copy}.get(word, word) for word in line]
        killed(0.6, *words)
        assert ask("PRAGMA integrity_check") == [("ok",)], line
        assert ask("SELECT count(*) FROM photos") == [(PHOTOS,)], line
        assert ask("SELECT count(*) FROM query_tokens") == [(PHOTOS,)], line
        begun += ask("SELECT command FROM runs WHERE status = 'running'")
    # These keep a record of their run: it was open when they were killed.
    assert {("tag",), ("retag",)} <= set(begun)
    assert qks("tag", folder, "--min-score", "0.1").returncode == 0
    assert qks("doctor").returncode == 0


@pytest.mark.parametrize("place", [0.4, 0.6, 0.8])
def test_a_killed_retag_goes_on(folder: Path, tmp_path: Path, qks: Qks, place: float) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("sky\nwater\nred thing\n")
    killed(place, "retag", "--labels", labels)
    words = (
        "SELECT count(*) FROM photos JOIN vocabularies v ON v.id = vocabulary_id WHERE text = '{}'"
    )
    told = words.format(labels.read_text())
    ((stored,),) = ask(told)
    assert isinstance(stored, int) and 0 < stored < PHOTOS  # it had begun, and not ended
    done = qks("retag", "--labels", labels)
    assert done.returncode == 0, done.stderr
    assert f"{PHOTOS - stored} photos tagged again" in done.stderr.decode()
    assert ask(told) == [(PHOTOS,)]
    assert ask("SELECT count(*) FROM query_tokens") == [(PHOTOS,)]
