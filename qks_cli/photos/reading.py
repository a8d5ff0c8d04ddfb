"""All that a run wants of one photo, from one opened file: pixels, size, details, fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from qks_cli.photos.decode import draw
from qks_cli.photos.details import details_of
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import opened
from qks_cli.photos.pictures import open_picture
from qks_cli.types import Details, UInt8Array

Admit = Callable[[int], AbstractContextManager[None]]
Bound = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read beside the pixels. ``size`` is upright (width, height); ``warning`` says what
    a library found odd in a file that it read all the same."""

    size: tuple[int, int]
    fingerprint: bytes | None
    details: Details
    warning: str | None = None


def read(
    path: Path,
    resize: str,
    out_SS3: UInt8Array,
    limits: Limits,
    admit: Admit = lambda needed: nullcontext(),
    bound: Bound = nullcontext,
) -> Reading:
    """Write the photo's pixels into ``out_SS3`` (uint8 [S, S, 3]) and return the rest.

    ``admit`` is told how many bytes decoding takes, before it begins, and may wait. ``bound`` may
    raise ``TimeoutError`` while details are read: the picture is there by then, and stays. Raises
    ``PhotoError``.
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
            return Reading(size, file.fingerprint(), details, warning)
