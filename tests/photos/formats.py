"""A photo in every format that is read, made in code: what a file of each kind is called, and how
one is written."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image

from tests.keywords import files
from tests.photos.made import dng, psd, saved
from tests.photos.videos import video

Write = Callable[[Path, Image.Image], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """``write`` makes the file of a photo. ``embeds``: keywords go into it, by qks's own hand;
    ``exiftool``: by exiftool's; ``needs`` is the module that reads it. ``beside`` names the photo
    whose tags it shares."""

    write: Write
    embeds: bool = False
    exiftool: bool = False
    needs: str = "PIL"
    beside: str = ""

    @property
    def readable(self) -> bool:
        """Whether what reads it is installed."""
        return importlib.util.find_spec(self.needs) is not None


def pillow(format: str, **options: Any) -> Write:
    """What Pillow writes."""
    return lambda path, image: image.save(path, format, **options)


def animated(format: str, **options: Any) -> Write:
    """A blank frame, then the photo: the first sharp one stands for it."""

    def write(path: Path, image: Image.Image) -> None:
        blank = Image.new("RGB", image.size, "white")
        blank.save(path, format, save_all=True, append_images=[image] * 3, duration=80, **options)

    return write


def tiff(*, deep: bool = False, **options: Any) -> Write:
    """What tifffile writes, which Pillow does not: tiles, BigTIFF, 16 bits a channel (``deep``)."""

    def write(path: Path, image: Image.Image) -> None:
        import tifffile

        pixels_HW3 = np.asarray(image)
        if deep:
            pixels_HW3 = pixels_HW3.astype(np.uint16) * 257
        tifffile.imwrite(path, pixels_HW3, photometric="rgb", **options)

    return write


def heic(path: Path, image: Image.Image) -> None:
    """HEIC by libheif."""
    pillow_heif.from_pillow(image).save(path)


def raw(*, previewed: bool) -> Write:
    """A DNG, with a preview or without."""
    return lambda path, image: path.write_bytes(
        dng(image, preview=saved(image, "JPEG", quality=92) if previewed else None)
    )


def moving(codec: str) -> Write:
    """A video of one second."""
    return lambda path, image: video(path, [(image, 1.0)], codec=codec)


def jxl(path: Path, image: Image.Image) -> None:
    """JPEG XL by libjxl."""
    import pillow_jxl  # noqa: F401 - registers itself with Pillow

    image.save(path, "JXL", quality=90)


KINDS = {
    "plain.jpg": Kind(pillow("JPEG", quality=90), embeds=True),
    "progressive.jpg": Kind(pillow("JPEG", quality=90, progressive=True), embeds=True),
    "print.jpg": Kind(
        lambda path, image: image.convert("CMYK").save(path, "JPEG", quality=92), embeds=True
    ),
    "camera.mpo": Kind(
        lambda path, image: path.write_bytes(
            files.mpf_of(saved(image, "JPEG", exif=files.exif()), files.jpeg())
        ),
        embeds=True,
    ),
    "plain.png": Kind(pillow("PNG"), embeds=True),
    "palette.png": Kind(lambda path, image: image.quantize().save(path, "PNG"), embeds=True),
    "moving.apng": Kind(animated("PNG"), embeds=True),
    "plain.webp": Kind(pillow("WEBP", quality=90), embeds=True),
    "lossless.webp": Kind(pillow("WEBP", lossless=True), embeds=True),
    "moving.webp": Kind(animated("WEBP", quality=90), embeds=True),
    "moving.gif": Kind(animated("GIF")),
    "plain.bmp": Kind(pillow("BMP")),
    "plain.tif": Kind(pillow("TIFF"), exiftool=True),
    "packed.tif": Kind(pillow("TIFF", compression="tiff_lzw"), exiftool=True),
    "cmyk.tif": Kind(lambda path, image: image.convert("CMYK").save(path, "TIFF"), exiftool=True),
    "pages.tif": Kind(
        lambda path, image: image.save(
            path, "TIFF", save_all=True, append_images=[Image.new("RGB", (64, 48), "red")] * 2
        ),
        exiftool=True,
    ),
    "tiled.tif": Kind(tiff(tile=(64, 64)), exiftool=True, needs="tifffile"),
    "deep.tif": Kind(tiff(deep=True), exiftool=True, needs="tifffile"),
    "big.tif": Kind(tiff(bigtiff=True), needs="tifffile"),
    "plain.heic": Kind(heic),
    "plain.avif": Kind(pillow("AVIF")),
    "moving.avif": Kind(animated("AVIF")),
    "plain.jp2": Kind(pillow("JPEG2000")),
    "stream.j2k": Kind(pillow("JPEG2000", no_jp2=True)),
    "plain.psd": Kind(lambda path, image: path.write_bytes(psd(image))),
    "plain.jxl": Kind(jxl, needs="pillow_jxl"),
    "previewed.dng": Kind(raw(previewed=True), exiftool=True, needs="rawpy"),
    "bare.dng": Kind(raw(previewed=False), exiftool=True, needs="rawpy"),
    "film.mp4": Kind(moving("libx264"), needs="av"),
    "phone.mov": Kind(moving("libx265"), needs="av"),
    "phone.3gp": Kind(moving("libx264"), needs="av"),
    "camera.m4v": Kind(moving("mpeg4"), needs="av"),
    "camera.avi": Kind(moving("mjpeg"), needs="av"),
    "film.mkv": Kind(moving("libx264"), needs="av"),
    "web.webm": Kind(moving("libvpx"), needs="av"),
    # Stacks: a raw file and its JPEG, a live photo and its video
    "pair.jpg": Kind(pillow("JPEG", quality=90), embeds=True),
    "pair.dng": Kind(raw(previewed=True), needs="rawpy", beside="pair.jpg"),
    "live.heic": Kind(heic),
    "live.mov": Kind(moving("libx264"), needs="av", beside="live.heic"),
}


def make(folder: Path, image: Image.Image) -> list[str]:
    """A file of every kind that can be read here; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, kind in KINDS.items() if kind.readable]
    for name in names:
        KINDS[name].write(folder / name, image)
    return names
