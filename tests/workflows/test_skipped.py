"""What a folder holds beside photos: counted by kind, and named with what would help."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qks_cli.photos import walk as walking
from qks_cli.photos.suffixes import KINDS
from qks_cli.workflows.skipped import Skipped

BEGINS = "skipped, not photos that qks reads: "
# Names of a folder, with what is said of them where no package reads them.
SAID = {
    "raw": (["a.CR2", "b.nef", "c.nef"], "3 RAW (.nef, .cr2); `pip install rawpy` reads RAW"),
    "jxl": (
        ["a.jxl"],
        "1 JPEG XL (.jxl); to read JPEG XL, run where qks came from: pip install '.[jxl]'",
    ),
    "video": (
        ["a.mp4", "b.MOV"],
        "2 videos (.mp4, .mov); to read videos, run where qks came from: pip install '.[video]'",
    ),
    "other-video": (
        ["a.mts"],
        "1 video of another kind (.mts); `ffmpeg -i FILE -c copy NEW.mkv` makes videos of other "
        "kinds readable (`apt-get install ffmpeg`)",
    ),
    "other": (["a.pdf", "b.psb", "c"], "3 other (.pdf, .psb, no suffix)"),
    "sidecar": (["a.xmp", "b.aae"], ""),  # of photos, and none of their own
}


def said_of(folder: Path) -> str:
    skipped = Skipped()
    assert list(walking.walk([folder], on_skip=skipped.add)) == []
    return skipped.line() if skipped else ""


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain install without any package that reads more."""
    for name in ("raw_readable", "jxl_readable", "videos_readable"):
        monkeypatch.setattr(walking, name, lambda: False)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("kind", SAID)
def test_every_kind_is_counted_and_named_with_what_helps(tmp_path: Path, kind: str) -> None:
    names, line = SAID[kind]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert said_of(tmp_path) == (BEGINS + line if line else "")


@pytest.mark.usefixtures("bare")
def test_all_kinds_together_are_one_line(tmp_path: Path) -> None:
    for names, _ in SAID.values():
        for name in names:
            (tmp_path / name).write_bytes(b"x")
    os.mkfifo(tmp_path / "pipe.jpg")
    line = said_of(tmp_path)
    assert line.startswith(
        BEGINS + "3 RAW (.nef, .cr2), 1 JPEG XL (.jxl), 2 videos (.mp4, .mov), "
        "1 video of another kind (.mts), 1 pipe or device (.jpg), 3 other (.pdf, .psb, no suffix); "
    )
    assert line.count("pip install") == 3 and line.count("`apt-get install") == 1
    assert "\n" not in line


def test_no_kind_of_file_is_forgotten() -> None:
    assert {*KINDS.values(), "other"} == {*SAID, "photo"}


@pytest.mark.usefixtures("bare")
def test_many_suffixes_are_cut_short(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"a.x{number}").write_bytes(b"x")
    assert said_of(tmp_path).endswith("7 other (.x0, .x1, .x2, .x3, .x4, …)")
