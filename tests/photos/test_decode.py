from __future__ import annotations

from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode, full_pixels
from qks_cli.photos.limits import Limits
from qks_cli.types import UInt8Array
from tests.photos.made import picture, saved

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
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
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
    whole = full_pixels(path)
    assert whole.shape == (240, 400, 3)
    assert colours(whole[::7, ::12]) == UPRIGHT


@pytest.mark.parametrize("turned", ["by the file", "by Exif alone", "by both"])
def test_a_heic_is_turned_once(tmp_path: Path, turned: str) -> None:
    import pillow_heif

    exif = Image.Exif()
    exif[0x0112] = 1 if turned == "by Exif alone" else 6
    stored = Image.fromarray(CORNERS).transpose(Image.Transpose.ROTATE_90)
    pillow_heif.from_pillow(stored).save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    data = (tmp_path / "a.heic").read_bytes()
    mark = b"\x01\x12\0\x03\0\0\0\x01\0"  # of the orientation, before its value
    assert data.count(mark) == 1 and (b"irot" in data) == (turned != "by Exif alone")
    value = b"\x01" if turned == "by the file" else b"\x06"
    at = data.index(mark) + len(mark)
    (tmp_path / "a.heic").write_bytes(data[:at] + value + data[at + 1 :])
    out, size = read(tmp_path / "a.heic")
    assert size == (400, 240)
    assert colours(out) == UPRIGHT
    assert full_pixels(tmp_path / "a.heic").shape == (240, 400, 3)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiffs_are_turned_once_however_they_are_packed(tmp_path: Path, compression: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(CORNERS).transpose(Image.Transpose.ROTATE_90)
    turned.save(tmp_path / "a.tif", exif=exif, compression=compression)
    out, size = read(tmp_path / "a.tif", "crop")
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


def kind(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", np.zeros((SIDE, SIDE, 3), np.uint8), limits=limits)
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
    assert kind(good, Limits(decoded_mb=0.01)) == "too-large"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", b"\xff\xd8\xff"),
        ("a.png", saved(picture(), "PNG")[:33] + b"\xff\xff\xff\xfftEXt"),
        ("b.png", saved(picture(), "PNG")[:37]),
    ],
)
def test_no_reason_speaks_of_pillow_or_python(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PhotoError) as caught:
        decode(tmp_path / name, "squash", np.zeros((8, 8, 3), np.uint8))
    assert not {"driver", "unpack", "buffer", "requires"} & set(caught.value.reason.split())
    assert caught.value.kind in ("corrupt", "truncated")


def test_a_png_named_jpg_is_read(tmp_path: Path) -> None:
    path = tmp_path / "really.jpg"
    Image.fromarray(CORNERS).save(path, format="PNG")
    assert colours(read(path)[0]) == UPRIGHT


def test_lab_keeps_its_colours(tmp_path: Path) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    colours = Image.new("RGB", (40, 40), (200, 60, 30))
    ImageCms.profileToProfile(colours, srgb, lab, outputMode="LAB").save(tmp_path / "a.tif")
    out, _ = read(tmp_path / "a.tif")
    assert abs(out[16, 16].astype(int) - [200, 60, 30]).max() < 6


def test_white_may_be_zero_in_16_bits_too(tmp_path: Path) -> None:
    half = np.full((50, 50), 65535, np.uint16)
    half[:, :25] = 0
    Image.fromarray(half).save(tmp_path / "a.tif", tiffinfo={262: 0})
    out, _ = read(tmp_path / "a.tif")
    assert out[16, 4].min() > 245
    assert out[16, 28].max() < 10


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "1"])
def test_large_pictures_are_converted_in_parts_without_seams(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slope = np.broadcast_to(np.linspace(0, 255, 300, dtype=np.uint8), (207, 300))
    grey = Image.fromarray(np.ascontiguousarray(slope))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    image = deep if mode == "I;16" else grey.convert(mode)
    image.save(tmp_path / "a.png")
    at_once, _ = read(tmp_path / "a.png", "crop")
    whole = full_pixels(tmp_path / "a.png")
    monkeypatch.setattr("qks_cli.photos.colours.STRIP", 300 * 7)
    in_parts, _ = read(tmp_path / "a.png", "crop")
    assert np.array_equal(at_once, in_parts)
    assert np.array_equal(whole, full_pixels(tmp_path / "a.png"))


def test_heic_is_read_by_its_primary_image(tmp_path: Path) -> None:
    first = pillow_heif.from_pillow(Image.new("RGB", (64, 64), "blue"))
    first.add_from_pillow(Image.new("RGB", (128, 96), "red"))
    first.save(tmp_path / "a.heic", primary_index=1, quality=95)
    out, size = read(tmp_path / "a.heic")
    assert size == (128, 96)
    assert out[16, 16, 0] > 200 > 60 > out[16, 16, 2]
