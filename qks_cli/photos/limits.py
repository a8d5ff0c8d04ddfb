"""What one photo may cost: decoded bytes, counted from its header, and seconds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qks_cli.errors import PhotoError

MEGABYTE = 1 << 20
MAX_DECODED_MB = 512.0
SECONDS = 30.0
# Of Pillow's modes; I;16 takes two, all others four. A palette's pixels become colours.
_PIXEL_BYTES = {"1": 1, "L": 1}
_TILE = (322, 323)  # TIFF tags: a tile's width and length
_SAMPLES, _BITS = 277, 258


@dataclass(frozen=True, slots=True)
class Limits:
    """``decoded_mb``: megabytes (2^20 bytes) of pixels, of one photo and of all that are decoded
    at a time. ``seconds``: of decoding one photo."""

    decoded_mb: float = MAX_DECODED_MB
    seconds: float = SECONDS

    def check(self, path: Path, needed: int) -> None:
        """Raise ``PhotoError`` (too-large) where ``needed`` decoded bytes are above the limit."""
        if needed > self.decoded_mb * MEGABYTE:
            raise PhotoError(
                path,
                "too-large",
                f"it takes {_megabytes(needed)} MB decoded, more than the limit of "
                f"{self.decoded_mb:,.0f} MB (--max-decoded-mb raises it)",
            )


class Budget:
    """Decoded bytes of all threads together: who asks for more waits until others are done."""

    def __init__(self, decoded_mb: float = MAX_DECODED_MB) -> None:
        self._total = decoded_mb * MEGABYTE
        self._used = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """Hold ``needed`` bytes. One photo alone always gets what it asks for."""
        with self._changed:
            self._changed.wait_for(lambda: not self._used or self._used + needed <= self._total)
            self._used += needed
        try:
            yield
        finally:
            with self._changed:
                self._used -= needed
                self._changed.notify_all()


def decoded_bytes(
    image: Any, whole: tuple[int, int] | None = None, *, by_scans: bool = False
) -> int:
    """Bytes that decoding an opened image takes, from its header alone.

    ``image`` is a Pillow image that was not loaded yet, or a HEIF image (size and mode); ``whole``
    is the size that a JPEG had before ``draft`` made it smaller, ``by_scans`` whether its
    components come one after the other. The whole canvas counts, whatever part a frame fills.
    """
    width, height = image.size
    each = 2 if image.mode.startswith("I;16") else _PIXEL_BYTES.get(image.mode, 4)
    total: int = width * height * each
    kind = getattr(image, "format", None)
    if kind == "JPEG2000":  # OpenJPEG holds every sample in 32 bits
        total += width * height * 4 * len(image.getbands())
    elif kind == "TIFF":
        total += _tile_bytes(image)
    elif kind in ("JPEG", "MPO") and (by_scans or image.info.get("progressive")):
        total += _coefficient_bytes(image, whole or image.size)
    return total


def _tile_bytes(image: Any) -> int:
    """libtiff unpacks a whole tile, which may be larger than the picture."""
    try:
        width, height = (int(image.tag_v2.get(tag, 0)) for tag in _TILE)
        samples = int(image.tag_v2.get(_SAMPLES, 1))
        bits = max(image.tag_v2.get(_BITS, (8,)))
        return width * height * samples * int(bits) // 8
    except (TypeError, ValueError, ArithmeticError):
        return 0


def _coefficient_bytes(image: Any, whole: tuple[int, int]) -> int:
    """The coefficients of a JPEG of several scans, 16 bits each, are all held until the last."""
    parts = [(h, v) for _, h, v, _ in getattr(image, "layer", ())] or [(1, 1)]
    widest, tallest = max(h for h, _ in parts), max(v for _, v in parts)
    share = sum(h * v for h, v in parts) / (widest * tallest or 1)
    return int(2 * whole[0] * whole[1] * share)


def _megabytes(count: int) -> str:
    return f"{-(-count // MEGABYTE):,}"
