"""What commands print and write, to the letter, of four known photos and two copies.

The right texts lie beside this file. Where one has to change, ``QKS_GOLDEN=renew python -m pytest
tests/golden`` writes them anew; then ``git diff tests/golden`` shows what users will see change.
The help of single commands is not among them: tests/test_docs.py compares docs/man with it.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Qks

HERE = Path(__file__).parent
RENEW = os.environ.get("QKS_GOLDEN") == "renew"
COMMANDS: dict[str, tuple[str, ...]] = {
    "help.txt": ("--help",),
    "tag.jsonl": ("tag", "PHOTOS", "--format", "jsonl"),
    "tag.csv": ("tag", "PHOTOS", "--format", "csv", "--dry-run"),
    "search.jsonl": ("search", "coffee", "--format", "jsonl"),
    "search.csv": ("search", "animal", "--format", "csv"),
    "similar.jsonl": ("similar", "PHOTOS/cat.jpg", "--limit", "2", "--format", "jsonl"),
    "duplicates.jsonl": ("duplicates", "--near", "0.95", "--format", "jsonl"),
    "stats.jsonl": ("stats", "--format", "jsonl"),
    "stats.csv": ("stats", "--by", "folder", "--format", "csv"),
    "write.jsonl": ("write", "--all", "--dry-run", "--format", "jsonl"),
}
NOT_TAGGED = ("help.txt", "tag.jsonl", "tag.csv")  # these tag by themselves, or nothing


@pytest.fixture
def library(photos: Path, fake_model: Path) -> Path:
    """The folder of the photos: the four, one copy of the file, one of the picture."""
    shutil.copy(photos / "cat.jpg", photos / "space" / "copy of cat.jpg")
    with Image.open(photos / "cat.jpg") as picture:
        picture.save(photos / "space" / "cat, lossless.png")
    return photos


@pytest.fixture(autouse=True)
def columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Help is as wide as the terminal."""
    monkeypatch.setenv("COLUMNS", "80")


def run(qks: Qks, photos: Path, *line: str) -> str:
    """What a command prints on stdout, with ``PHOTOS`` for the folder of photos."""
    done = qks(*(word.replace("PHOTOS", str(photos)) for word in line))
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().replace(str(photos), "PHOTOS")


def check(name: str, text: str) -> None:
    """Hold a text to the one that is kept, or keep it."""
    file = HERE / name
    if RENEW:
        file.write_text(text, encoding="utf-8", newline="")
    assert text.encode() == file.read_bytes()


@pytest.mark.parametrize("name", COMMANDS)
def test_stdout_is_as_it_was(name: str, qks: Qks, library: Path) -> None:
    if name not in NOT_TAGGED:
        run(qks, library, "tag", "PHOTOS")
    check(name, run(qks, library, *COMMANDS[name]))


def test_a_sidecar_is_as_it_was(qks: Qks, library: Path) -> None:
    run(qks, library, "tag", "PHOTOS")
    run(qks, library, "write", "--all")
    text = (library / "cat.jpg.xmp").read_bytes().decode()
    check("cat.jpg.xmp", re.sub(r"(<qks:date>)[^<]+", r"\1TIME", text))


def test_every_kept_text_is_of_a_test() -> None:
    kept = {file.name for file in HERE.iterdir() if file.is_file() and file.suffix != ".py"}
    assert kept == {*COMMANDS, "cat.jpg.xmp"}
