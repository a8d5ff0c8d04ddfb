from __future__ import annotations

from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.loader import load
from qks_cli.types import Photo, UInt8Array

SIDE = 32
CORNERS = np.zeros((240, 400, 3), np.uint8)  # red top left, green top right, blue bottom left
CORNERS[:120, :200, 0] = CORNERS[:120, 200:, 1] = CORNERS[120:, :200, 2] = 255


def read(path: Path, resize: str = "squash") -> tuple[UInt8Array, tuple[int, int]]:
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    return out, decode(path, resize, out)


def colours(out: UInt8Array) -> list[tuple[bool, ...]]:
    return [tuple(bool(v > 127) for v in out[y, x]) for y in (6, 25) for x in (6, 25)]


UPRIGHT = [(True, False, False), (False, True, False), (False, False, True), (False,) * 3]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_every_exif_orientation_comes_out_upright(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    image = Image.fromarray(CORNERS)
    stored = image if undo is None else image.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    stored.save(path, exif=exif)
    out, size = read(path)
    assert size == (400, 240)
    assert colours(out) == UPRIGHT


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "P", "LA", "RGBA", "1", "I;16"])
def test_every_mode_keeps_its_brightness(tmp_path: Path, mode: str) -> None:
    half = np.full((50, 50), 255, np.uint8)
    half[:, :25] = 0
    deep = Image.fromarray(half.astype(np.uint16) * 257)
    image = deep if mode == "I;16" else Image.fromarray(half).convert(mode)
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "I;16") else "photo.png")
    image.save(path)
    out, _ = read(path)
    assert out[16, 4].max() < 10
    assert out[16, 28].min() > 245


def test_transparent_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    out, _ = read(tmp_path / "clear.png")
    assert out.min() == 255


@pytest.mark.parametrize("suffix", [".avif", ".webp", ".heic"])
def test_modern_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo{suffix}"
    image = Image.fromarray(CORNERS)
    if suffix == ".heic":
        pillow_heif.from_pillow(image).save(path)
    else:
        image.save(path)
    out, size = read(path)
    assert size == (400, 240)
    assert colours(out) == UPRIGHT


def test_crop_takes_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((100, 300, 3), np.uint8)
    pixels[:, 100:200] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    out, _ = read(tmp_path / "wide.png", "crop")
    assert out.mean() > 250


def test_colour_profiles_are_applied(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (20, 20), (200, 100, 50))
    image.save(tmp_path / "srgb.jpg", icc_profile=srgb, quality=95)
    image.save(tmp_path / "wrong.jpg", icc_profile=profile.tobytes(), quality=95)
    image.save(tmp_path / "broken.jpg", icc_profile=b"nonsense", quality=95)
    for name in ("srgb.jpg", "wrong.jpg", "broken.jpg"):
        out, _ = read(tmp_path / name)
        assert abs(out[5, 5].astype(int) - [200, 100, 50]).max() < 6


def kind(path: Path, **options: float) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", np.zeros((SIDE, SIDE, 3), np.uint8), **options)
    assert caught.value.path == path
    return caught.value.kind


def test_bad_files_say_what_is_wrong(tmp_path: Path) -> None:
    good = tmp_path / "good.jpg"
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(good)
    data = good.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_bytes(b"hello, this is no photo")
    assert kind(tmp_path / "cut.jpg") == "truncated"
    assert kind(tmp_path / "empty.jpg") == "empty"
    assert kind(tmp_path / "text.jpg") == "unsupported"
    assert kind(tmp_path / "gone.jpg") == "missing"
    assert kind(tmp_path) == "unreadable"
    assert kind(good, max_megapixels=0.01) == "too-large"


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Image.new("1", (30_000, 30_000)).save(path)
    assert kind(path) == "too-large"


def test_a_png_named_jpg_is_read(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    Image.fromarray(CORNERS).save(path, format="PNG")
    assert colours(read(path)[0]) == UPRIGHT


def test_load_keeps_order_and_leaves_failures_out(tmp_path: Path) -> None:
    photos = []
    for shade in range(23):
        path = tmp_path / f"{shade:02}.png"
        Image.new("RGB", (40, 30), (shade * 10,) * 3).save(path)
        if shade % 5 == 2:
            path.write_bytes(b"broken")
        photos.append(Photo(path, 1, 1))
    seen: list[int] = []
    failed: list[str] = []
    for batch in load(photos, size=SIDE, resize="squash", batch_size=4, workers=3):
        assert len(batch.photos) == len(batch.pixels_BHW3) == len(batch.sizes)
        failed += [failure.photo.path.name for failure in batch.failures]
        for photo, pixels in zip(batch.photos, batch.pixels_BHW3, strict=True):
            assert int(photo.path.stem) * 10 == pixels[3, 3, 0] == pixels.max()
            seen.append(int(photo.path.stem))
    assert seen == [n for n in range(23) if n % 5 != 2]
    assert failed == [f"{n:02}.png" for n in range(23) if n % 5 == 2]


def test_closing_early_stops_the_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(path)
    batches = load(
        (Photo(path, 1, 1) for _ in range(10**9)),
        size=SIDE,
        resize="squash",
        batch_size=4,
        workers=2,
    )
    assert len(next(batches).photos) == 4
    batches.close()
