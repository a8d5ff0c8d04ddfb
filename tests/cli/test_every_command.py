"""Every command, as the program lists them, in a broken environment: one line and exit code 2.

A command that is new fails here until ``LINES`` says how it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from qks_cli.app import app
from tests.conftest import run_qks

# How each command is called. P: the folder of photos, N: a path where nothing is.
LINES = {
    "library export": "library export --parquet N",
    "ray export": "ray export N",
    "ray tag": "ray tag N --out N/set --model N",
    "ray retag": "ray retag N --out N/set",
    "ray search": "ray search N cat",
    "tag": "tag P",
    "search": "search tag:cat",
    "similar": "similar P/cat.jpg",
    "duplicates": "duplicates",
    "clusters": "clusters --count 2",
    "report": "report --out N",
    "places": "places",
    "stacks": "stacks",
    "stats": "stats",
    "status": "status P",
    "retag": "retag",
    "diff": "diff 1",
    "watch": "watch N",  # of a folder that is there it would not end
    "write": "write P",
    "untag": "untag P",
    "undo": "undo",
    "verify": "verify P",
    "import": "import P",
    "prune": "prune --yes",
    "tags list": "tags list",
    "tags rename": "tags rename cat tiger --yes",
    "tags merge": "tags merge cat animal --yes",
    "tags delete": "tags delete cat --yes",
    "tags confirm": "tags confirm cat P",
    "tags reject": "tags reject cat P",
    "tags reset": "tags reset cat P",
    "tags undo": "tags undo",
    "labels init": "labels init -",
    "labels check": "labels check N",
    "labels versions": "labels versions",
    "labels audit": "labels audit",
    "models list": "models list",
    "models push": "models push mini --out N/deep",
    "models info": "models info mini",
    "models pull": "models pull N",
    "backup": "backup N/copy.db",
    "restore": "restore N",
    "doctor": "doctor",
    "config path": "config path",
    "config show": "config show",
    "config set": "config set search.limit 3",
    "train": "train --dataset folder --root N --out N",
    "eval": "eval --dataset folder --root N",
    "datasets list": "datasets list",
    "datasets check": "datasets check folder --root N",
    "help": "help tag",
    "explain": "explain P/cat.jpg",
    "review": "review --no-browser",
    "serve": "serve --stdio",
    "labels cutoff": "labels cutoff cat 0.5",
    "learn": "learn",
    "suggest": "suggest cat",
    "text": "text --query missing:tags",
}
# Commands that ask no library, and so do not mind a damaged one.
WITHOUT_LIBRARY = (
    "labels init, labels check, models list, models push, models info, models pull, config path, "
    "config show, config set, train, eval, datasets list, datasets check, help, watch, restore, "
    "explain, serve, ray export, ray tag, ray retag, ray search"
).split(", ")
FULL = Path("/dev/full")


def every_command(group: Any = None, *path: str) -> Iterator[str]:
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, *path, name)
        else:
            yield " ".join([*path, name])


COMMANDS = sorted(every_command())


def line_of(command: str, photos: Path, nothing: Path) -> list[str]:
    return [
        word.replace("P", str(photos), 1)
        if word == "P" or word.startswith("P/")
        else word.replace("N", str(nothing), 1)
        if word == "N" or word.startswith("N/")
        else word
        for word in LINES[command].split()
    ]


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    return tmp_path / "nothing"


def is_one_line(done: Any, *codes: int) -> str:
    """What was said, after it was found to be no traceback and to begin one line with ``qks:``."""
    said: str = done.stderr.decode()
    assert "Traceback" not in said and "Exception ignored" not in said, said
    assert done.returncode in codes, (done.returncode, said)
    if done.returncode == 2:
        named = [line for line in said.splitlines() if line.startswith(("qks: ", "Error: "))]
        assert named, said
    return said


def test_every_command_has_its_line() -> None:
    assert sorted(LINES) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_where_nothing_is_there(
    command: str, photos: Path, nothing: Path, fake_model: Path
) -> None:
    """No library, no configuration: what needs one says which file is not there."""
    if command == "tag":
        pytest.skip("it makes a library")
    said = is_one_line(run_qks(*line_of(command, photos, nothing)), 0, 1, 2)
    if command not in WITHOUT_LIBRARY and command != "doctor":
        assert "no library at" in said, said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_library(command: str, photos: Path, nothing: Path, fake_model: Path) -> None:
    library = Path(os.environ["QKS_DB"])
    library.parent.mkdir()
    library.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 100)
    done = run_qks(*line_of(command, photos, nothing))
    if command in WITHOUT_LIBRARY:
        is_one_line(done, 0, 1, 2)
    elif command == "doctor":
        assert str(library) in done.stdout.decode() + is_one_line(done, 1, 2)
    else:
        said = is_one_line(done, 2)
        assert str(library) in said and "qks doctor" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_value_in_the_configuration(
    command: str, photos: Path, nothing: Path, fake_model: Path
) -> None:
    file = Path(os.environ["QKS_CONFIG"])
    file.write_text('min-score = "high"\n')
    done = run_qks(*line_of(command, photos, nothing))
    if command.startswith("config"):  # they mend it
        is_one_line(done, 0, 2)
    else:
        assert str(file) in is_one_line(done, 2)


@pytest.mark.parametrize("command", [x for x in COMMANDS if x not in ("review", "serve")])
@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output(
    command: str, photos: Path, nothing: Path, fake_model: Path
) -> None:
    """Whoever has something to print says that it could not."""
    line = line_of(command, photos, nothing)
    prints = run_qks(*line).stdout
    done = run_qks(*line, stdout=FULL)
    said = is_one_line(done, 0, 1, 2)
    if prints and command != "tag":
        assert done.returncode == 2 and "No space left" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_names_with_line_ends_break_no_line(
    command: str, photos: Path, tmp_path: Path, fake_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user named, the library and the configuration too; these two are damaged."""
    odd = tmp_path / "odd\nname"
    odd.mkdir()
    photos = photos.rename(odd / "photos\nname")
    library, configuration = odd / "library\nname.db", odd / "configuration\nname.toml"
    monkeypatch.setenv("QKS_DB", str(library))
    library.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 100)
    if command in ("tag", "config show", "config set"):
        monkeypatch.setenv("QKS_CONFIG", str(configuration))
        configuration.write_bytes(b"min-score = \xff")
    said = is_one_line(run_qks(*line_of(command, photos, odd / "nothing\nname")), 0, 1, 2)
    assert not any(line.startswith("name") for line in said.splitlines()), said
