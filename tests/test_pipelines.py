"""The cookbook of docs/pipelines.md, run as it stands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Qks

PAGE = (Path(__file__).parent.parent / "docs" / "pipelines.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^(.+):\n```sh\n(.+)\n```$", PAGE, re.MULTILINE))
NEEDED = ("jq", "rsync", "exiftool", "fd", "datasette", "sqlite-utils")


@pytest.fixture
def home(
    photos: Path, tmp_path: Path, fake_model: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A home with tagged photos and a PATH that finds qks, and fd under its own name."""
    programs = tmp_path / "bin"
    programs.mkdir()
    fd = shutil.which("fd") or shutil.which("fdfind")  # Debian's name for it
    if fd:
        (programs / "fd").symlink_to(fd)
    here = Path(sys.executable).parent
    monkeypatch.setenv("PATH", f"{programs}:{here}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("QKS_MIN_SCORE", "0.2")
    photos.rename(tmp_path / "Photos")
    assert qks("tag", tmp_path / "Photos").returncode == 0
    shutil.copy(tmp_path / "Photos/cat.jpg", tmp_path / "Photos/copy.jpg")
    assert qks("tag", tmp_path / "Photos").returncode == 0
    return tmp_path


def test_there_are_twelve() -> None:
    assert len(RECIPES) >= 12


@pytest.mark.parametrize("name", RECIPES)
def test_recipe(name: str, home: Path) -> None:
    command = RECIPES[name]
    lacking = [one for one in NEEDED if re.search(rf"\b{one} -|\b{one} '|\b{one} \"", command)]
    lacking = [one for one in lacking if shutil.which(one) is None]
    # .ci/run installs them all; without one of them, its recipes cannot be tried.
    if lacking and "CI_RUN" not in os.environ:
        pytest.skip(f"not installed: {', '.join(lacking)}")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=home, capture_output=True, timeout=120
    )
    # Exit code 1 says that nothing was found: every photo may have a tag.
    assert done.returncode <= ("missing:" in command), done.stderr
    output = done.stdout.decode()
    photos = home / "Photos"
    match name.split(",")[0].split(" (")[0]:
        case "Copy what was found":
            assert (home / "sky/rocket.png").is_file()
        case "Make an album of symbolic links":
            assert (home / "albums/sky/rocket.png").resolve() == photos / "space/rocket.png"
        case "Copy it to another disk with its folders":
            assert (home / "disk").joinpath(*photos.parts[1:], "space/rocket.png").is_file()
        case "Pack it into an archive":
            assert (home / "sky.tar.gz").stat().st_size > 1000
        case "List photos with a tag above a score while tagging":
            assert str(photos / "space/rocket.png") in output.splitlines()
        case "Save all tags as a spreadsheet":
            scores = [
                float(x.split(",")[2] or 0) for x in (home / "tags.csv").read_text().splitlines()
            ]
            assert scores == sorted(scores, reverse=True)
        case "Tag only what fd finds":
            assert len((home / "tagged.jsonl").read_text().splitlines()) == 4
        case "Count what a run would do":
            assert output.split() == ["5", "stale"]
        case "Show what the camera noted":
            assert output.splitlines()[0] == "SourceFile,FileName,ImageSize"
            assert len(output.splitlines()) == 5
        case "List labels as JSON" | "Ask the library in SQL":
            assert "sky" in output
        case "List all copies but the first of each group":
            assert output.splitlines() == [str(photos / "copy.jpg")]
        case "List photos without tags":
            assert set(output.splitlines()) <= {str(x) for x in photos.rglob("*.*")}
        case other:
            pytest.fail(f"nothing is asserted of '{other}'")


def test_a_reader_that_leaves_ends_it_quietly(home: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", "qks tag ~/Photos --format csv | head -n 1; echo ${PIPESTATUS[0]}"],
        capture_output=True,
        timeout=120,
    )
    assert done.stdout.decode().split("\r\n") == ["path,label,score,implied", "0\n"]
    assert b"Traceback" not in done.stderr
