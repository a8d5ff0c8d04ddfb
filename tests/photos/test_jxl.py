"""JPEG XL, where the extra is installed, and what is said where it is not."""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.details import read_details
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import open_picture
from qks_cli.photos.walk import walk
from qks_cli.types import UInt8Array
from qks_cli.workflows.skipped import Skipped
from tests.photos.made import ASCII, SHORT, exif, jpeg_with_exif, picture, saved

BLOCK = exif(
    {0x0110: (ASCII, "Model X"), 0x0112: (SHORT, 6)},
    inner={0x9003: (ASCII, "2023:07:04 12:30:00")},
)
RED_TOP_LEFT = Image.new("RGB", (96, 64))
RED_TOP_LEFT.paste("red", (0, 0, 48, 32))


@pytest.fixture
def plugin() -> None:
    pytest.importorskip("pillow_jxl")  # which registers itself with Pillow


def jxl(image: Image.Image, **options: object) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return saved(image, "JXL", **options)


def of_jpeg(path: Path) -> bytes:
    """A JPEG as the JPEG XL that it can be made of again."""
    with Image.open(path, formats=("JPEG",)) as image:
        return saved(image, "JXL", lossless_jpeg=True)


def read(path: Path, limits: Limits | None = None) -> tuple[UInt8Array, tuple[int, int]]:
    out = np.zeros((32, 32, 3), np.uint8)
    return out, decode(path, "squash", out, limits=limits)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("size", [(320, 240), (321, 240), (64, 64), (1000, 7), (300, 3000)])
def test_pixels_and_size_are_right(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    path = tmp_path / "a.jxl"
    image = picture(*size).convert(mode)
    path.write_bytes(jxl(image, lossless=True))
    with opened(path) as file:
        assert file.format.name == "JPEG XL"
        assert open_picture(file, Limits()).stored_size == size
    out, found = read(path)
    assert found == size
    wanted = image.convert("RGB").resize((32, 32), Image.Resampling.BICUBIC, reducing_gap=2)
    assert abs(out - np.asarray(wanted).astype(int)).mean() < 1


@pytest.mark.usefixtures("plugin")
def test_a_jpeg_within_is_that_jpeg_upright(tmp_path: Path) -> None:
    source = jpeg_with_exif(BLOCK, RED_TOP_LEFT)
    (tmp_path / "a.jpg").write_bytes(source)
    (tmp_path / "a.jxl").write_bytes(of_jpeg(tmp_path / "a.jpg"))
    for name in ("a.jpg", "a.jxl"):
        out, size = read(tmp_path / name)
        assert size == (64, 96)
        assert out[5, 25, 0] > 200 > 50 > out[5, 5, 0]  # turned: red is at the top right
    assert (read(tmp_path / "a.jpg")[0] == read(tmp_path / "a.jxl")[0]).all()
    assert read_details(tmp_path / "a.jxl") == read_details(tmp_path / "a.jpg")


@pytest.mark.usefixtures("plugin")
def test_what_the_camera_noted_is_read_and_not_followed_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.jxl"
    path.write_bytes(jxl(RED_TOP_LEFT, lossless=True, exif=b"Exif\0\0" + BLOCK))
    found = read_details(path)
    assert (found.camera, found.taken_at) == ("Model X", "2023-07-04T12:30:00")
    # The codestream says how it lies, and libjxl follows that; Exif's mark is only a copy.
    assert read(path)[1] == (96, 64)


@pytest.mark.usefixtures("plugin")
def test_a_huge_canvas_is_refused_by_its_first_bits(tmp_path: Path) -> None:
    path = tmp_path / "a.jxl"
    size = 59_999 << 3 | 2 << 1  # not small, 18 bits of height
    path.write_bytes(b"\xff\x0a" + (size | 1 << 21).to_bytes(3, "little") + bytes(500))
    began = time.monotonic()
    with pytest.raises(PhotoError) as caught:
        read(path)
    assert caught.value.kind == "too-large"
    assert time.monotonic() - began < 1
    path.write_bytes(jxl(picture(1000, 800)))
    with pytest.raises(PhotoError) as caught:
        read(path, Limits(decoded_mb=5))
    assert caught.value.kind == "too-large"
    assert read(path, Limits(decoded_mb=12))[1] == (1000, 800)


@pytest.mark.usefixtures("plugin")
def test_broken_files_are_named(tmp_path: Path) -> None:
    whole, path = jxl(picture(), exif=b"Exif\0\0" + BLOCK), tmp_path / "a.jxl"
    chance = np.random.default_rng(3)
    broken = [whole[:at] for at in (12, 20, 33, 60, 2000)]
    for _ in range(30):
        data = bytearray(whole)
        for at in chance.integers(0, 300, 4):
            data[at] = chance.integers(0, 256)
        broken.append(bytes(data))
    refused = 0
    for data in broken:
        path.write_bytes(data)
        try:
            read(path)
        except PhotoError as error:
            refused += 1
            assert "\n" not in error.reason
            assert "vendored" not in error.reason
    assert refused >= 5


def test_without_the_extra_it_is_counted_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jxl"
    path.write_bytes(b"\xff\x0a" + bytes(40))
    monkeypatch.setattr("qks_cli.photos.walk.jxl_readable", lambda: False)
    monkeypatch.setattr("qks_cli.photos.pictures.jxl_readable", lambda: False)
    skipped = Skipped()
    assert list(walk([tmp_path], on_skip=skipped.add)) == []
    assert skipped.line() == (
        "skipped, not photos that qks reads: 1 JPEG XL (.jxl); "
        "to read JPEG XL, run where qks came from: pip install '.[jxl]'"
    )
    with pytest.raises(PhotoError) as caught:
        read(path)
    assert caught.value.kind == "unsupported"
    way = "run where qks came from: pip install '.[jxl]'"
    assert caught.value.reason == f"a JPEG XL file; to read it, {way}"
