"""A photo is whole where its picture is, whatever stands beside that."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.details import read_details
from tests.photos.made import ASCII, exif, jpeg_with_exif, picture, png_chunk, saved, with_chunk

OUT = np.zeros((32, 32, 3), np.uint8)


def pixels(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    out = OUT.copy()
    assert decode(path, "squash", out) == (320, 240)
    return out


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"iCCP", b"huge\0\0" + zlib.compress(bytes(20_000_000))),
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000))),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b" " * 20_000_000)),
        (b"iCCP", b"nonsense"),
        (b"tIME", b"x"),
        (b"pHYs", b""),
    ],
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_png_survives_its_side_data(
    tmp_path: Path, kind: bytes, body: bytes, behind: bool
) -> None:
    plain = saved(picture(), "PNG", exif=exif({0x010F: (ASCII, "Maker")}))
    odd = with_chunk(plain, kind, body)
    if behind:
        odd = plain[:-12] + png_chunk(kind, body) + plain[-12:]
    path = tmp_path / "a.png"
    assert np.array_equal(pixels(path, odd), pixels(tmp_path / "b.png", plain))
    assert read_details(path).camera == "Maker"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Comment\0hello"),
        (b"eXIf", exif({0x010F: (ASCII, "Maker")})),
        (b"gAMA", bytes(4)),
        (b"sRGB", b"\0"),
    ],
)
def test_a_png_with_a_wrong_checksum_beside_the_picture_is_read(
    tmp_path: Path, kind: bytes, body: bytes
) -> None:
    plain = saved(picture(), "PNG")
    chunk = bytearray(png_chunk(kind, body))
    chunk[-1] ^= 1
    odd = plain[:33] + bytes(chunk) + plain[33:]
    assert np.array_equal(pixels(tmp_path / "a.png", odd), pixels(tmp_path / "b.png", plain))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": "4:4:4"}])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_without_its_end_marker_is_whole(
    tmp_path: Path, options: dict[str, object], cut: int
) -> None:
    plain = saved(picture(), "JPEG", **options)
    mended = pixels(tmp_path / "a.jpg", plain[:-cut])
    assert np.array_equal(mended, pixels(tmp_path / "b.jpg", plain))


def test_a_large_jpeg_without_its_end_marker_is_whole(tmp_path: Path) -> None:
    """It is decoded at a smaller scale; its size is that of the file."""
    (tmp_path / "a.jpg").write_bytes(saved(picture(1600, 1200), "JPEG")[:-2])
    assert decode(tmp_path / "a.jpg", "squash", OUT.copy()) == (1600, 1200)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.98])
def test_a_jpeg_that_lacks_pixels_is_cut_off(tmp_path: Path, share: float) -> None:
    data = jpeg_with_exif(exif({0x010F: (ASCII, "Maker")}))
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", OUT.copy())
    assert caught.value.kind == "truncated"
    assert caught.value.reason.startswith("the file is cut off")


def test_a_png_that_lacks_pixels_is_no_photo(tmp_path: Path) -> None:
    plain = saved(picture(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(plain[: len(plain) // 2])
    with pytest.raises(PhotoError):
        decode(path, "squash", OUT.copy())
    broken = bytearray(plain)
    broken[len(plain) // 2] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(PhotoError):
        decode(path, "squash", OUT.copy())


def test_a_length_that_points_beyond_the_file_ends_the_search(tmp_path: Path) -> None:
    plain = saved(picture(), "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(plain[:33] + struct.pack(">I", 0xFFFFFFF0) + b"iCCP" + plain[33:])
    with pytest.raises(PhotoError):
        decode(path, "squash", OUT.copy())


@pytest.mark.parametrize(
    ("marker", "bits", "kind", "words"),
    [
        (0xC0, 12, "unsupported", "12 bits a channel"),
        (0xC1, 12, "unsupported", "12 bits a channel"),
        (0xC3, 8, "unsupported", "lossless"),
        (0xF7, 8, "unsupported", "JPEG-LS"),
        (0xC5, 8, "unsupported", "hierarchical"),
        (0xC2, 8, "corrupt", "damaged"),  # the scan is none of a progressive picture
    ],
)
def test_a_rare_kind_of_jpeg_is_not_called_damaged(
    tmp_path: Path, marker: int, bits: int, kind: str, words: str
) -> None:
    data = bytearray(saved(picture(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, bits
    if marker == 0xC2:
        data[at + 5 : at + 9] = bytes(4)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(PhotoError, match=words) as caught:
        decode(tmp_path / "a.jpg", "squash", OUT.copy())
    assert caught.value.kind == kind
