"""An animated picture is tagged by its first sharp frame, at a bounded cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from qks_cli.errors import PhotoError
from qks_cli.photos import animations
from qks_cli.photos.decode import decode, full_pixels
from qks_cli.photos.limits import Limits
from qks_cli.photos.reading import read
from tests.photos.made import ASCII, exif, picture, saved

SHARP = picture(96, 64).convert("L").convert("RGB")  # AVIF thins out coloured grain
FADING_IN = [
    Image.new("RGB", (96, 64)),
    SHARP.filter(ImageFilter.GaussianBlur(6)),
    SHARP,
    Image.new("RGB", (96, 64), "white"),
]
FORMATS = [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("AVIF", {"quality": 95})]


def animated(frames: list[Image.Image], format: str, **options: Any) -> bytes:
    return saved(frames[0], format, save_all=True, append_images=frames[1:], duration=40, **options)


def shown(path: Path, data: bytes) -> int:
    """Which of ``FADING_IN`` is read."""
    path.write_bytes(data)
    pixels_HW3 = full_pixels(path).astype(int)
    far = [abs(pixels_HW3 - np.asarray(frame)).mean() for frame in FADING_IN]
    return int(np.argmin(far))


@pytest.mark.parametrize(("format", "options"), FORMATS)
def test_the_first_sharp_frame_is_shown(
    tmp_path: Path, format: str, options: dict[str, Any]
) -> None:
    path = tmp_path / "a"
    assert shown(path, animated(FADING_IN, format, **options)) == 2
    assert shown(path, animated(FADING_IN[2:], format, **options)) == 2
    assert shown(path, saved(FADING_IN[1], format, **options)) == 1  # no animation
    out = np.zeros((32, 32, 3), np.uint8)
    assert decode(path, "squash", out) == (96, 64)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_what_is_broken_behind_the_first_frame_costs_nothing(tmp_path: Path, format: str) -> None:
    data = animated([SHARP, FADING_IN[1], SHARP], format)
    cut = data[: len(data) * 2 // 3]
    try:
        assert shown(tmp_path / "a", cut) in (1, 2)
    except PhotoError as error:  # libwebp looks at all of a file first
        assert (format, error.kind in ("truncated", "corrupt")) == ("WEBP", True)


def test_a_gif_is_read_whatever_stands_behind_its_first_frame(tmp_path: Path) -> None:
    whole, chance = animated([SHARP, FADING_IN[1], SHARP], "GIF"), np.random.default_rng(7)
    first = len(saved(SHARP, "GIF"))
    for _ in range(40):
        data = bytearray(whole)
        for at in chance.integers(first, len(whole), 8):
            data[at] = chance.integers(0, 256)
        assert shown(tmp_path / "a", bytes(data)) in (1, 2)


@pytest.mark.parametrize("format", ["WEBP", "PNG", "AVIF"])
def test_what_was_noted_survives_the_choice(tmp_path: Path, format: str) -> None:
    path, out = tmp_path / "a", np.zeros((32, 32, 3), np.uint8)
    block = b"Exif\0\0" + exif({0x0110: (ASCII, "Raw One")})
    path.write_bytes(animated(FADING_IN, format, exif=block))
    found = read(path, "squash", out, Limits())
    assert found.details.camera == "Raw One"
    assert out.std() > 5  # not a blank frame


def test_frames_and_their_bytes_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = [Image.new("RGB", (96, 64), (at, 0, 0)) for at in range(animations.FRAMES)]
    assert shown(tmp_path / "a", animated([*late, SHARP], "GIF")) == 0
    frame = 96 * 64 * 4
    monkeypatch.setattr(animations, "DECODED", 2 * frame)
    assert shown(tmp_path / "a", animated(FADING_IN, "PNG")) == 1
    monkeypatch.setattr(animations, "DECODED", frame)
    assert shown(tmp_path / "a", animated(FADING_IN, "PNG")) == 0


def test_an_animation_counts_twice(tmp_path: Path) -> None:
    path, out = tmp_path / "a.gif", np.zeros((32, 32, 3), np.uint8)
    limits = Limits(decoded_mb=1.5)
    path.write_bytes(saved(picture(500, 500), "GIF"))
    assert decode(path, "squash", out, limits=limits) == (500, 500)
    path.write_bytes(animated([picture(500, 500), Image.new("RGB", (500, 500))], "GIF"))
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", out, limits=limits)
    assert caught.value.kind == "too-large"
