"""Thumbnails: upright, in proportion, made once, and nothing but pictures of readable photos."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.errors import PhotoError, QksError
from qks_cli.photos.decode import fitting
from qks_cli.photos.thumbnails import Thumbnail, Thumbnails


def made(folder: Path, *photos: Path) -> list[Thumbnail | PhotoError]:
    return [x for _, x in Thumbnails(folder, side=64).make(photos, workers=1)]


def halves(path: Path, **options: object) -> Path:
    """A photo, as stored twice as wide as high, red on its left and blue on its right."""
    image = Image.new("RGB", (200, 100), "blue")
    image.paste("red", (0, 0, 100, 100))
    image.save(path, **options)
    return path


def test_they_are_upright_in_proportion_and_made_once(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise: what is stored left is on top
    photo = halves(tmp_path / "photo.jpg", exif=exif, quality=95)
    (first,) = made(tmp_path / "cache", photo)
    assert isinstance(first, Thumbnail)
    with Image.open(first.file) as small:
        assert small.format == "WEBP"
        assert small.size == (first.width, first.height) == (32, 64)
        top, bottom = (small.convert("RGB").getpixel((16, y)) for y in (10, 54))
    assert isinstance(top, tuple) and isinstance(bottom, tuple)
    assert top[0] > 200 > 60 > top[2] and bottom[2] > 200 > 60 > bottom[0]
    stamp = first.file.stat().st_mtime_ns
    assert made(tmp_path / "cache", photo) == [first]
    assert first.file.stat().st_mtime_ns == stamp
    os.utime(photo, ns=(0, 0))  # another time: another picture, perhaps
    (second,) = made(tmp_path / "cache", photo)
    assert isinstance(second, Thumbnail) and second.file != first.file


def test_what_cannot_be_read_is_an_error_in_its_place(tmp_path: Path) -> None:
    torn, good = tmp_path / "torn.jpg", halves(tmp_path / "good.png")
    torn.write_bytes(b"\xff\xd8\xff\xe0nothing")
    first, second, third = made(tmp_path / "cache", torn, tmp_path / "gone.jpg", good)
    assert isinstance(first, PhotoError) and first.path == torn
    assert isinstance(second, PhotoError) and second.kind == "missing"
    assert isinstance(third, Thumbnail)
    assert len(list((tmp_path / "cache").rglob("*.*"))) == 1  # no half-made file is left


def test_a_damaged_picture_in_the_cache_is_made_again(tmp_path: Path) -> None:
    photo = halves(tmp_path / "photo.png")
    (first,) = made(tmp_path / "cache", photo)
    assert isinstance(first, Thumbnail)
    first.file.write_bytes(b"")
    assert made(tmp_path / "cache", photo) == [first]
    with Image.open(first.file) as small:
        assert small.size == (64, 32)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    photo = halves(tmp_path / "photo.png")
    (tmp_path / "cache").touch()
    with pytest.raises(QksError, match="cannot write") as told:
        made(tmp_path / "cache", photo)
    assert "QKS_CACHE" in told.value.hint


@pytest.mark.parametrize(
    ("size", "smaller"),
    [((4000, 3000), (320, 240)), ((100, 50), (100, 50)), ((9000, 3), (320, 1)), ((1, 1), (1, 1))],
)
def test_sizes_keep_their_proportions(size: tuple[int, int], smaller: tuple[int, int]) -> None:
    assert fitting(size, 320) == smaller
