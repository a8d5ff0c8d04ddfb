"""A broken environment: one line that says what and where, exit code 2, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Qks

QKS = [sys.executable, "-m", "qks_cli"]
FULL = Path("/dev/full")


def real(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
    """A process of its own, with a real standard output."""
    command = [*QKS, *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, timeout=120, **options)  # type: ignore[call-overload,no-any-return]


def one_problem(done: subprocess.CompletedProcess[bytes], *words: str) -> None:
    said = done.stderr.decode()
    assert done.returncode == 2, said
    assert "Traceback" not in said and "Exception ignored" not in said
    assert sum(line.startswith("qks: ") for line in said.splitlines()) == 1, said
    for word in words:
        assert word in said


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "{photos}"],
        ["search", "tag:cat"],
        ["stats"],
        ["tags", "list"],
        ["labels", "versions"],
        ["write", "{photos}"],
        ["duplicates"],
        ["--help"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_full_disk_behind_standard_output(photos: Path, qks: Qks, arguments: list[str]) -> None:
    assert qks("tag", photos).returncode == 0
    with FULL.open("wb") as full:
        done = real(*(x.format(photos=photos) for x in arguments), stdout=full)
    if done.returncode != 1 or done.stderr:  # a command that had nothing to print
        one_problem(done, "No space left")


def test_a_closed_standard_output(photos: Path, qks: Qks) -> None:
    assert qks("tag", photos).returncode == 0
    shell = " ".join([*QKS, "search", "tag:cat", ">&-"])
    one_problem(subprocess.run(["sh", "-c", shell], stderr=subprocess.PIPE), "closed")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("labels = 3", "labels: 3 is not text"),
        ('min-score = "high"', "min-score"),
        ("min-score = 7", "min-score"),
        ('quiet = "loud"', "quiet"),
        ('[tag]\nwrite = "exif"', "tag.write"),
        ("[search]\nlimit = true", "search.limit: True is not a whole number"),
        ('labels = "a\\u0000b"', "labels"),
        ('db = "\\u0000"', "db"),
        ("min_score = nan", "min_score"),
    ],
)
def test_a_wrong_value_in_the_configuration_file(qks: Qks, line: str, word: str) -> None:
    file = Path(os.environ["QKS_CONFIG"])
    file.write_text(line)
    done = qks("tags", "list")
    one_problem(done, str(file), word)


@pytest.mark.parametrize("seconds", [0.02, 0.05, 0.1, 0.2, 0.4])
def test_ctrl_c_while_a_command_starts(tmp_path: Path, seconds: float) -> None:
    process = subprocess.Popen(
        [*QKS, "tag", str(tmp_path)], stderr=subprocess.PIPE, start_new_session=True
    )
    time.sleep(seconds)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=60)[1].decode()
    # Before any line of ours is run Python has a handler of its own, which is not ours to mend.
    assert "Traceback" not in said or ", in main\n" not in said, said
    if "Traceback" not in said:
        assert process.returncode in (130, 2, -signal.SIGINT)


STEERS = "x\x1b]0;title\x07\x9b31m\u202e"


@pytest.mark.parametrize(
    "words",
    [
        ["tag", ".", "--labels", STEERS],
        ["tag", ".", "--model", STEERS],
        ["tag", STEERS],
        ["search", "dog", "--db", STEERS],
        ["search", f'camera:{STEERS}"'],
        ["backup", f"/nowhere/{STEERS}"],
        ["restore", STEERS],
        ["config", "set", STEERS, "1"],
        ["similar", f"{STEERS}.jpg"],
        ["tags", "rename", STEERS, "dog"],
        ["tags", "reject", STEERS, "."],
        [STEERS],
    ],
)
def test_no_error_steers_the_terminal(qks: Qks, words: list[str]) -> None:
    done = qks(*words)
    assert done.returncode == 2
    said = done.stderr.decode()
    assert said and not [char for char in STEERS[1:] if char in said and not char.isprintable()]


@pytest.mark.parametrize(
    "words",
    [
        ["tag", ".", "--min-score", "nan"],
        ["tag", ".", "--max-decoded-mb", "nan"],
        ["tag", ".", "--max-decoded-mb", "inf"],
        ["search", "dog", "--min-score", "nan"],
        ["similar", "cat.jpg", "--min-score", "-nan"],
        ["duplicates", "--near", "nan"],
        ["labels", "cutoff", "dog", "nan"],
    ],
)
def test_what_is_no_number_is_refused(qks: Qks, words: list[str]) -> None:
    done = qks(*words)
    assert done.returncode == 2
    assert b"is not a number" in done.stderr or b"not a valid float" in done.stderr


def test_a_run_of_a_number_that_no_library_has(qks: Qks, photos: Path, fake_model: Path) -> None:
    qks("tag", photos)
    one_problem(qks("undo", "9" * 30), "too large")


def test_endless_labels_are_refused(qks: Qks, photos: Path) -> None:
    one_problem(qks("labels", "check", "/dev/zero"), "no labels file")
    reading, writing = os.pipe()
    os.write(writing, b"cat\ndog\n")
    os.close(writing)
    done = subprocess.run(
        [*QKS, "labels", "check", f"/dev/fd/{reading}"], pass_fds=[reading], capture_output=True
    )
    os.close(reading)
    assert done.returncode == 0, done.stderr
