"""Photoshop files, made in code: their flattened picture, and what says that there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode, full_pixels
from qks_cli.photos.details import read_details
from qks_cli.photos.limits import Limits
from qks_cli.types import UInt8Array
from tests.photos.made import ASCII, exif, picture, psd, xmp


def read(path: Path, data: bytes, **options: Limits) -> UInt8Array:
    path.write_bytes(data)
    out = np.zeros((32, 32, 3), np.uint8)
    decode(path, "squash", out, **options)
    return out


def refusal(path: Path, data: bytes, **options: Limits) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        read(path, data, **options)
    return caught.value


def test_the_flattened_picture_is_read_in_every_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    for mode in ("L", "RGB", "CMYK"):
        path.write_bytes(psd(picture().convert(mode)))
        wanted = np.asarray(picture().convert("L" if mode == "L" else "RGB").convert("RGB"))
        assert abs(full_pixels(path).astype(int) - wanted).mean() < 1, mode


def test_a_fourth_channel_hides_only_what_layers_call_transparent(tmp_path: Path) -> None:
    red = Image.new("RGBA", (64, 48), (200, 0, 0, 0))
    for layers, colour in ((0, (200, 0, 0)), (2, (200, 0, 0)), (-2, (255, 255, 255))):
        assert tuple(read(tmp_path / "a.psd", psd(red, layers=layers))[9, 9]) == colour


def test_exif_and_xmp_of_a_psd_are_read(tmp_path: Path) -> None:
    block = exif({0x0110: (ASCII, "Raw One")}, inner={0x9003: (ASCII, "2023:07:04 12:30:00")})
    path = tmp_path / "a.psd"
    path.write_bytes(psd(picture(), resources={1058: block, 1060: xmp('xmp:Rating="4"')}))
    found = read_details(path)
    assert (found.camera, found.taken_at, found.rating) == ("Raw One", "2023-07-04T12:30:00", 4)


def test_what_is_not_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "a.psd"
    empty = psd(picture(), resources={1057: bytes(8)})
    assert "saved without 'Maximize compatibility'" in refusal(path, empty).reason
    kept = psd(picture(), resources={1057: b"\0\0\0\1\1" + bytes(3)})
    assert read(path, kept).any()
    deep = refusal(path, psd(picture(), depth=16))
    assert (deep.kind, "16 bits a channel" in deep.reason) == ("unsupported", True)
    assert refusal(path, psd(picture())[:-50_000]).kind in ("truncated", "corrupt")
    assert refusal(path, psd(picture())[:40]).kind in ("truncated", "corrupt")


def test_a_psd_is_counted_before_it_is_decoded(tmp_path: Path) -> None:
    bomb = bytearray(psd(picture()))
    bomb[14:22] = (20_000).to_bytes(4, "big") * 2
    assert refusal(tmp_path / "a.psd", bytes(bomb)).kind == "too-large"
