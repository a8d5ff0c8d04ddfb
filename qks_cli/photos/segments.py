"""The segments in front of a JPEG's picture, and the Exif blocks among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_MARKER = 0xFF
APP1, START_OF_SCAN = 0xE1, 0xDA
_EXIF = b"Exif\0\0"
_USUAL = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # frames: baseline, extended, progressive; arithmetic
_RARE = {0xC3: "lossless", 0xCB: "lossless", 0xF7: "JPEG-LS"} | dict.fromkeys(
    (0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"
)
_ORDERS = (b"II*\0", b"MM\0*")
MOST = 8  # Exif blocks of a photo


@dataclass(frozen=True, slots=True)
class Segment:
    """``marker`` is its second byte; ``at`` and ``size`` say where what it holds stands."""

    marker: int
    at: int
    size: int


def segments(stream: BinaryIO) -> Iterator[Segment]:
    """The segments of a JPEG up to and with its first scan; ends where bytes are no segment."""
    at = 2
    while True:
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4 or head[0] != _MARKER:
            return
        if head[1] == _MARKER:  # fill bytes stand alone
            at += 1
            continue
        size = int.from_bytes(head[2:4], "big")
        yield Segment(head[1], at + 4, max(0, size - 2))
        if head[1] == START_OF_SCAN:
            return
        at += 2 + size


def rare_kind(stream: BinaryIO) -> str | None:
    """What the frame of a JPEG says where few decoders read its kind; None for the usual ones."""
    for segment in segments(stream):
        stream.seek(segment.at)
        if segment.marker in _RARE:
            return _RARE[segment.marker]
        if segment.marker in _USUAL:
            bits = stream.read(1)
            return None if bits == b"\x08" else f"{ord(bits or bytes(1))} bits a channel"
    return None


def exif_blocks(stream: BinaryIO) -> list[bytes]:
    """The Exif blocks of a JPEG in their order: some programs add one of their own instead of
    changing the camera's. A segment that only goes on with the one before it is none."""
    found = []
    for segment in segments(stream):
        if segment.marker != APP1 or segment.size < len(_EXIF) + 8:
            continue
        stream.seek(segment.at)
        data = stream.read(segment.size)
        if data.startswith(_EXIF) and data[len(_EXIF) :].startswith(_ORDERS):
            found.append(data[len(_EXIF) :])
            if len(found) == MOST:
                break
    return found
