"""A photo's colour profile says what its numbers mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from qks_cli.photos.decode import decode


def swapped_profile() -> bytes:
    """sRGB under another name, whose red is sRGB's green and the other way round."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = data.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return data.replace("sRGB".encode("utf-16-be"), "qRGB".encode("utf-16-be"))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_profile_is_applied(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.new("RGB", (16, 16), (220, 40, 60)).save(path, icc_profile=swapped_profile())
    pixels = np.zeros((8, 8, 3), np.uint8)
    decode(path, "squash", pixels)
    red, green, blue = pixels[4, 4].astype(int)
    assert abs(green - 220) < 12
    assert abs(red - 40) < 12
    assert abs(blue - 60) < 12
