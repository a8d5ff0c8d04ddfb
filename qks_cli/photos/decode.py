"""One file to upright sRGB pixels of the model's size, at the least cost that loses nothing.

JPEGs are read at the smallest DCT scale that is still large enough, so most of their pixels are
never made. Axes: S image side.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from qks_cli.errors import PhotoError
from qks_cli.types import UInt8Array

MAX_MEGAPIXELS = 300.0
ORIENTATION = 0x0112
TURNS = {  # EXIF orientation to the transposition that makes a photo upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# The limit below replaces Pillow's own guard, which speaks in pixels and of attacks.
Image.MAX_IMAGE_PIXELS = None


def decode(
    path: Path, resize: str, out_SS3: UInt8Array, *, max_megapixels: float = MAX_MEGAPIXELS
) -> tuple[int, int]:
    """Write the photo into ``out_SS3`` (uint8 [S, S, 3]) and return its upright (width, height).

    ``resize`` is ``squash``, the whole photo, or ``crop``, its middle square. Raises
    ``PhotoError`` with the kind and the reason.
    """
    side = out_SS3.shape[0]
    with _opened(path, max_megapixels) as (image, upright):
        return _draw(image, resize, side, out_SS3, upright=upright)


def read_photo(file: Any, resize: str, out_SS3: UInt8Array) -> bool:
    """``decode``, or black and False where the photo cannot be read.

    ``file`` is a path, or an entry of an archive (``zipfile.Path``)."""
    try:
        decode(file, resize, out_SS3)
    except PhotoError:
        out_SS3[:] = 0
        return False
    return True


def full_pixels(path: Path, *, max_megapixels: float = MAX_MEGAPIXELS) -> UInt8Array:
    """All pixels of a photo, upright, uint8 [H, W, 3], colours as stored. Raises as ``decode``."""
    with _opened(path, max_megapixels) as (image, upright):
        turn = None if upright else TURNS.get(_orientation(image))
        image.load()
        whole = _plain_mode(image).convert("RGB")
        return np.asarray(whole if turn is None else whole.transpose(turn))


@contextmanager
def _opened(path: Path, max_megapixels: float) -> Iterator[tuple[Image.Image, bool]]:
    """The opened photo and whether its pixels come upright; every error becomes ``PhotoError``."""
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            head = stream.read(32)
            if not head:
                raise PhotoError(path, "empty", "the file is empty")
            stream.seek(0)
            heif = _is_heif(head)
            with _open(stream, heif) as image:
                _check_size(path, image, max_megapixels)
                yield image, heif
    except PhotoError:
        raise
    except UnidentifiedImageError as error:
        raise PhotoError(path, "unsupported", "not an image that qks can read") from error
    except FileNotFoundError as error:
        raise PhotoError(path, "missing", "the file is gone") from error
    except OSError as error:
        if error.errno is not None:
            raise PhotoError(path, "unreadable", error.strerror or str(error)) from error
        kind = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise PhotoError(path, kind, _plain(error)) from error
    except MemoryError as error:
        raise PhotoError(path, "too-large", "not enough memory to read it") from error
    except Exception as error:  # decoders raise whatever a broken file makes them raise
        raise PhotoError(path, "corrupt", _plain(error)) from error


def _open(stream: Any, heif: bool) -> Image.Image:
    if not heif:
        return Image.open(stream)
    import pi_heif

    image: Image.Image = pi_heif.open_heif(stream, convert_hdr_to_8bit=True)[0].to_pillow()
    return image


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS and b"avif" not in head


def _check_size(path: Path, image: Image.Image, max_megapixels: float) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise PhotoError(
            path,
            "too-large",
            f"{megapixels:.0f} megapixels, more than the limit of {max_megapixels:.0f}",
            hint="--max-megapixels raises the limit",
        )


def _draw(
    image: Image.Image, resize: str, side: int, out_SS3: UInt8Array, *, upright: bool
) -> tuple[int, int]:
    width, height = image.size
    turn = None if upright else TURNS.get(_orientation(image))
    if image.format == "JPEG":
        image.draft(image.mode, (side, side))
    profile = image.info.get("icc_profile")
    image.load()
    image = _plain_mode(image)
    box = None
    if resize == "crop":
        short = min(image.size)
        left, top = (image.width - short) / 2, (image.height - short) / 2
        box = (left, top, left + short, top + short)
    small = image.resize((side, side), Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    small = _to_srgb(small, profile)
    if turn is not None:
        small = small.transpose(turn)
        if turn not in (TURNS[2], TURNS[3], TURNS[4]):
            width, height = height, width
    out_SS3[:] = np.asarray(small)
    return width, height


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block is no reason to lose the photo
        return 1


def _plain_mode(image: Image.Image) -> Image.Image:
    """RGB, CMYK or L, without alpha and with 8 bits a channel."""
    if image.mode in ("RGB", "CMYK", "L"):
        if "transparency" not in image.info:
            return image
        image = image.convert("RGBA")
    if image.mode.startswith(("I", "F")):
        values = np.asarray(image).astype(np.float32)
        # 16-bit files use the full range; others (floats, 32-bit) say nothing of theirs.
        top = 65535.0 if image.mode.startswith("I;16") or values.max(initial=0) > 255 else 255.0
        if image.mode == "F" and values.max(initial=0) <= 1:
            top = 1.0
        return Image.fromarray((values.clip(0, top) * (255 / top)).astype(np.uint8))
    if image.mode == "LAB":
        return ImageOps.grayscale(image.getchannel(0)).convert("RGB")
    if "A" in image.getbands() or "a" in image.getbands() or image.mode in ("P", "PA", "1"):
        clear = image.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return image.convert("RGB")


def _to_srgb(small: Image.Image, profile: bytes | None) -> Image.Image:
    """Apply the photo's colour profile to the small picture; a broken one is ignored."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                target = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(small, source, target, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return small if small.mode == "RGB" else small.convert("RGB")


def _plain(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"the file is damaged ({text or type(error).__name__})"
