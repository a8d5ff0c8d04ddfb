"""One file to upright sRGB pixels of the model's size, at the least cost that loses nothing.

JPEGs are read at the smallest DCT scale that is still large enough, so most of their pixels are
never made. Axes: H×W pixels of the photo, S image side.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.colours import plain_mode, to_srgb
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import AnyPicture, open_picture
from qks_cli.photos.recognise import VIDEOS
from qks_cli.types import UInt8Array

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
_SIDEWAYS = (5, 6, 7, 8)
_REDUCING_GAP = 2.0


def decode(
    path: Path, resize: str, out_SS3: UInt8Array, *, limits: Limits | None = None
) -> tuple[int, int]:
    """Write the photo into ``out_SS3`` (uint8 [S, S, 3]) and return its upright (width, height).

    ``resize`` is ``squash``, the whole photo, or ``crop``, its middle square, with ``:bilinear``
    behind it where a model was trained so, else bicubic; or ``fit``, the whole photo in its own
    shape (``fitting``), in the upper left corner of ``out_SS3``. Raises
    ``PhotoError`` with the kind and the reason. This runs in the caller's process, without a time
    limit: ``readers.py`` reads files that nobody vouches for.
    """
    with opened(path) as file:
        picture = open_picture(file, limits or Limits(), side=out_SS3.shape[0])
        return draw(picture, resize, out_SS3)


def read_photo(file: Any, resize: str, out_SS3: UInt8Array) -> bool:
    """``decode``, or black and False where the photo cannot be read.

    ``file`` is a path, or an entry of an archive (``zipfile.Path``)."""
    try:
        decode(file, resize, out_SS3)
    except PhotoError:
        out_SS3[:] = 0
        return False
    return True


def full_pixels(
    path: Path,
    *,
    limits: Limits | None = None,
    admit: Callable[[int], AbstractContextManager[None]] = lambda needed: nullcontext(),
) -> UInt8Array:
    """All pixels of a photo, upright, uint8 [H, W, 3], colours as stored. Raises as ``decode``.

    ``admit`` as for ``reading.read``."""
    with opened(path) as file:
        if file.format in VIDEOS:  # one frame says nothing of whether two are the same
            raise PhotoError(path, "unsupported", "a video has no pixels of its own")
        picture = open_picture(file, limits or Limits())
        with admit(picture.needed):
            image = picture.load()
            turn = TURNS.get(_orientation(image))
            whole = plain_mode(image)[0].convert("RGB")
            return np.asarray(whole if turn is None else whole.transpose(turn))


def draw(picture: AnyPicture, resize: str, out_SS3: UInt8Array) -> tuple[int, int]:
    """Decode an opened picture into ``out_SS3``; as ``decode``."""
    image = picture.load()
    return draw_image(
        image, resize, out_SS3, picture.stored_size if picture.drafted else image.size
    )


def draw_image(
    image: Image.Image,
    resize: str,
    out_SS3: UInt8Array,
    stored_size: tuple[int, int] | None = None,
) -> tuple[int, int]:
    """Draw a decoded image into ``out_SS3``; ``stored_size`` is its (width, height) where decoding
    made it smaller. As ``decode``."""
    side = out_SS3.shape[0]
    size = stored_size or image.size
    profile = image.info.get("icc_profile")
    # Asked after loading: who turns a picture while decoding (TIFF, HEIC) takes the mark away.
    orientation = _orientation(image)
    # As Pillow does it itself where nothing has to be converted: averages first, then bicubic.
    width, height = image.size
    image, factor = plain_mode(image, max(1, int(min(width, height) / side / _REDUCING_GAP)))
    box = (0.0, 0.0, float(width), float(height))
    mode, _, kind = resize.partition(":")
    if mode == "crop":
        short = min(width, height)
        left, top = (width - short) / 2, (height - short) / 2
        box = (left, top, left + short, top + short)
    target = fitting(size, side) if mode == "fit" else (side, side)
    if factor > 1:
        box = (box[0] / factor, box[1] / factor, box[2] / factor, box[3] / factor)
    filter_ = Image.Resampling.BILINEAR if kind == "bilinear" else Image.Resampling.BICUBIC
    small = image.resize(target, filter_, box=box, reducing_gap=_REDUCING_GAP)
    small = to_srgb(small, profile)
    turn = TURNS.get(orientation)
    pixels_HW3 = np.asarray(small if turn is None else small.transpose(turn))
    out_SS3[: pixels_HW3.shape[0], : pixels_HW3.shape[1]] = pixels_HW3
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """``size`` (width, height) made smaller, in proportion, so that no side is over ``side``."""
    share = min(1.0, side / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a broken EXIF block is no reason to lose the photo
        return 1
