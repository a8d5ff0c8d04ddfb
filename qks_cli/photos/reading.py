"""All that a run wants of one photo, from one opened file: pixels, size, details, fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.photos.decode import draw, draw_image
from qks_cli.photos.details import details_of
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import AnyPicture, open_picture
from qks_cli.types import Details, Frames, UInt8Array

Admit = Callable[[int], AbstractContextManager[None]]
Bound = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read beside the pixels. ``size`` is upright (width, height); ``warning`` says what
    a library found odd in a file that it read all the same; ``frames`` are those of a video, in the
    shape of the pixels."""

    size: tuple[int, int]
    fingerprint: bytes | None
    details: Details
    warning: str | None = None
    frames: Frames | None = None


def read(
    path: Path,
    resize: str,
    out_SS3: UInt8Array,
    limits: Limits,
    admit: Admit = lambda needed: nullcontext(),
    bound: Bound = nullcontext,
    *,
    moments: bool = False,
) -> Reading:
    """Write the photo's pixels into ``out_SS3`` (uint8 [S, S, 3]) and return the rest.

    Of a video those are the pixels of the frame that stands for it; with ``moments`` the rest holds
    one frame of each of its scenes too. ``admit`` is told how many bytes decoding takes, before it
    begins, and may wait. ``bound`` may raise ``TimeoutError`` while details are read: the picture
    is there by then, and stays. Raises ``PhotoError``.
    """
    with opened(path) as file:
        picture = open_picture(file, limits, side=out_SS3.shape[0])
        with admit(picture.needed):
            size = draw(picture, resize, out_SS3)
            try:
                with bound():
                    details, warning = details_of(file, picture), None
            except TimeoutError:
                details, warning = Details(), "read, but without its details: they take too long"
            frames = _frames(picture, resize, out_SS3) if moments else None
            warning = warning or getattr(picture, "warning", None)
            return Reading(size, file.fingerprint(), details, warning, frames)


def _frames(picture: AnyPicture, resize: str, out_SS3: UInt8Array) -> Frames | None:
    """The frames of a video, like ``out_SS3``; None of a photo."""
    found = getattr(picture, "moments", None)
    if found is None:
        return None
    seconds, pixels = [], []
    for second, image in found():
        one_SS3 = np.zeros_like(out_SS3)
        draw_image(image, resize, one_SS3)
        seconds.append(second)
        pixels.append(one_SS3)
    return Frames(tuple(seconds), np.stack(pixels))
