"""Raw files, made in code: DNGs with and without a preview."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.details import read_details
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.walk import walk
from qks_cli.types import Details, UInt8Array
from tests.photos.made import ASCII, RATIONAL, dng, picture, saved

SIDE = 32
CORNERS = np.zeros((240, 400, 3), np.uint8)  # red top left, green top right, blue bottom left
CORNERS[:120, :200, 0] = CORNERS[:120, 200:, 1] = CORNERS[120:, :200, 2] = 255
UNDO = {
    1: None,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}


def read(path: Path) -> tuple[UInt8Array, tuple[int, int]]:
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    return out, decode(path, "squash", out)


def upright(out: UInt8Array) -> bool:
    corners = [tuple(bool(v > 100) for v in out[y, x]) for y in (6, 25) for x in (6, 25)]
    return corners == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (False,) * 3,
    ]


@pytest.fixture
def rawpy() -> None:
    pytest.importorskip("rawpy")


@pytest.mark.usefixtures("rawpy")
@pytest.mark.parametrize("orientation", UNDO)
@pytest.mark.parametrize("thumb", [0, 8])
@pytest.mark.parametrize("previewed", [True, False])
def test_previews_and_developments_are_upright(
    tmp_path: Path, orientation: int, thumb: int, previewed: bool
) -> None:
    image = Image.fromarray(CORNERS)
    undo = UNDO[orientation]
    stored = image if undo is None else image.transpose(undo)
    preview = saved(stored, "JPEG", quality=95) if previewed else None
    path = tmp_path / "a.dng"
    path.write_bytes(dng(stored, preview=preview, thumb=thumb, orientation=orientation))
    with opened(path) as file:
        assert file.format.name == "RAW"
    out, size = read(path)
    assert size == (400, 240)
    assert upright(out)


@pytest.mark.usefixtures("rawpy")
def test_a_preview_is_what_is_read_where_it_is_large_enough(tmp_path: Path) -> None:
    red = saved(Image.new("RGB", (400, 240), "red"), "JPEG")
    small = saved(Image.new("RGB", (120, 72), "red"), "JPEG")
    image = Image.new("RGB", (400, 240), (0, 0, 200))
    (tmp_path / "a.dng").write_bytes(dng(image, preview=red))
    (tmp_path / "b.dng").write_bytes(dng(image, preview=small))
    assert read(tmp_path / "a.dng")[0][9, 9].argmax() == 0
    assert read(tmp_path / "b.dng")[0][9, 9].argmax() == 2  # developed instead


@pytest.mark.parametrize("thumb", [8, 159])
def test_a_small_preview_is_refused_where_there_is_nothing_else(
    tmp_path: Path, thumb: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.photos.pictures.raw_readable", lambda: False)
    monkeypatch.setattr("qks_cli.photos.raw.raw_readable", lambda: False)
    path = tmp_path / "a.dng"
    path.write_bytes(dng(picture(), thumb=thumb))
    with pytest.raises(PhotoError) as caught:
        read(path)
    assert caught.value.kind == "unsupported"
    assert caught.value.reason == (
        f"a RAW file whose preview, {thumb}×{thumb} pixels, is too small to be tagged; "
        "`pip install rawpy` develops it"
    )
    path.write_bytes(dng(picture(), thumb=160))
    assert read(path)[1] == (160, 160)


@pytest.mark.usefixtures("rawpy")
def test_a_raw_file_has_details_whatever_its_name(tmp_path: Path) -> None:
    for name in ("a.dng", "a.tif", "a.jpg"):
        (tmp_path / name).write_bytes(dng(picture(), preview=saved(picture(), "JPEG")))
        found = read_details(tmp_path / name)
        assert (found.camera, found.taken_at) == ("Maker Raw One", "2023-07-04T12:30:00")


SAID = {
    "Make": "Konica Minolta",
    "Model": 7,
    "DateTimeOriginal": "2004:11:18 23:14:58",
    "ISO": 64,
    "FocalLength": 7.2,
    "GPSLatitude": -33.5,
    "GPSLongitude": 16.25,
}


def exiftool_that(does: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program of this name into the way; it notes the file that it was given."""
    program, asked = folder / "bin" / "exiftool", folder / "asked"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nreadlink /proc/$$/fd/0 >> {asked}\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return asked


@pytest.mark.usefixtures("rawpy")
def test_exiftool_is_asked_of_raw_files_that_say_nothing_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = exiftool_that(f"echo '{json.dumps([SAID])}'", tmp_path, monkeypatch)
    path = tmp_path / "a.dng"
    path.write_bytes(dng(picture()))
    assert read_details(path).camera == "Maker Raw One"
    assert not asked.exists()
    monkeypatch.setattr("qks_cli.photos.exif.by_exifread", lambda stream: {})
    found = read_details(path)
    assert asked.read_text().split() == [str(path)]
    assert (found.camera, found.taken_at) == ("Konica Minolta 7", "2004-11-18T23:14:58")
    assert (found.iso, found.focal) == (64, 7.2)
    assert (found.latitude, found.longitude) == (-33.5, 16.25)


@pytest.mark.usefixtures("rawpy")
def test_exiftool_is_not_told_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exiftool_that(f'echo "$@" > {tmp_path}/words', tmp_path, monkeypatch)
    monkeypatch.setattr("qks_cli.photos.exif.by_exifread", lambda stream: {})
    (tmp_path / "touch harm|").write_bytes(dng(picture()))
    read_details(tmp_path / "touch harm|")
    words = (tmp_path / "words").read_text().split()
    assert (words[0], words[-1]) == ("-json", "-")
    assert "harm|" not in words


@pytest.mark.usefixtures("rawpy")
@pytest.mark.parametrize(
    "does", ["exit 1", "echo '[]'", "echo '[[]]'", "echo '[{\"Make\": [1]}]'", "exec sleep 60"]
)
def test_an_exiftool_that_fails_or_hangs_costs_no_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str
) -> None:
    exiftool_that(does, tmp_path, monkeypatch)
    monkeypatch.setattr("qks_cli.photos.exif.by_exifread", lambda stream: {})
    monkeypatch.setattr("qks_cli.photos.exiftool._SECONDS", 0.5)
    (tmp_path / "a.dng").write_bytes(dng(picture()))
    assert read_details(tmp_path / "a.dng") == Details()


@pytest.mark.usefixtures("rawpy")
@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_the_real_exiftool_says_what_exifread_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(picture()))
    wanted = read_details(path)
    monkeypatch.setattr("qks_cli.photos.exif.by_exifread", lambda stream: {})
    assert read_details(path) == wanted


@pytest.mark.usefixtures("rawpy")
@pytest.mark.parametrize("previewed", [True, False])
def test_lens_exposure_and_place_are_read(tmp_path: Path, previewed: bool) -> None:
    inner = {
        0x829A: (RATIONAL, [(1, 250)]),
        0x9003: (ASCII, "2023:07:04 12:30:00"),
        0xA434: (ASCII, "Prime 23mm"),
    }
    south, east = [(33, 1), (30, 1), (0, 1)], [(16, 1), (15, 1), (0, 1)]
    gps = {1: (ASCII, "S"), 2: (RATIONAL, south), 3: (ASCII, "E"), 4: (RATIONAL, east)}
    preview = saved(picture(), "JPEG") if previewed else None
    (tmp_path / "a.dng").write_bytes(dng(picture(), preview=preview, inner=inner, gps=gps))
    found = read_details(tmp_path / "a.dng")
    assert (found.camera, found.lens, found.exposure) == ("Maker Raw One", "Prime 23mm", 1 / 250)
    assert (found.latitude, found.longitude) == (-33.5, 16.25)
    assert read(tmp_path / "a.dng")[1] == (320, 240)


@pytest.mark.usefixtures("rawpy")
def test_what_a_development_takes_is_limited(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(dng(picture(1000, 800)))
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", out, limits=Limits(decoded_mb=3))
    assert caught.value.kind == "too-large"
    assert decode(path, "squash", out, limits=Limits(decoded_mb=4)) == (1000, 800)


@pytest.mark.usefixtures("rawpy")
def test_broken_raw_files_are_named(tmp_path: Path) -> None:
    whole = dng(picture(), preview=saved(picture(), "JPEG"))
    for name, data in {
        "cut.dng": whole[:600],
        "none.raf": b"FUJIFILMCCD-RAW" + bytes(200),
        "none.cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(200),
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PhotoError) as caught:
            read(tmp_path / name)
        assert caught.value.kind in ("unsupported", "corrupt", "truncated")
        assert "b'" not in caught.value.reason


def test_folders_are_asked_for_raw_files_where_they_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.NEF", "b.dng", "c.jpg"):
        (tmp_path / name).write_bytes(b"x")
    for readable, names in ((True, ["a.NEF", "b.dng", "c.jpg"]), (False, ["c.jpg"])):
        monkeypatch.setattr("qks_cli.photos.walk.raw_readable", lambda answer=readable: answer)
        assert [photo.path.name for photo in walk([tmp_path])] == names


@pytest.mark.usefixtures("rawpy")
def test_a_preview_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    large = picture(3000, 2000)
    path.write_bytes(dng(large, preview=saved(large, "JPEG")))
    read(path)
    began = time.process_time()
    read(path)
    assert time.process_time() - began < 0.3


@pytest.mark.usefixtures("rawpy")
def test_only_the_preview_of_a_raw_file_is_read(tmp_path: Path) -> None:
    large = picture(3000, 2000)
    whole = dng(large, preview=saved(large.resize((600, 400)), "JPEG"))
    names = [os.fsencode(tmp_path) + b"/" + name for name in (b"a.dng", b"\xff.dng")]
    for name in names:
        path = Path(os.fsdecode(name))
        path.write_bytes(whole)
        with opened(path) as file:
            assert not isinstance(file.stream, io.BytesIO)
        assert read(path)[1] == (3000, 2000)
