"""The structure of a TIFF block: Exif inside a photo, or a TIFF or DNG file. Reads only.

Hostile input is expected: whatever is broken is left out, and the work is bounded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from qks_cli.keywords.errors import Refusal

ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
EXIF, GPS, INTEROPERABILITY, SUB_DIRECTORIES, MAKER_NOTE = 0x8769, 0x8825, 0xA005, 0x014A, 0x927C
MAKE, XP_KEYWORDS, XMP, IPTC, PHOTOSHOP = 0x010F, 0x9C9E, 0x02BC, 0x83BB, 0x8649
DNG_VERSION, PHOTOMETRIC = 0xC612, 0x0106
DIRECTORIES, ENTRIES = 64, 4096  # of a block, of a directory; more are not looked at


class OpenFile:
    """The bytes of an open file, of which only those are read that are asked for."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, end, _ = part.indices(self._size)
        return os.pread(self._descriptor, max(0, end - start), start)


Block = bytes | OpenFile


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a directory: ``at`` is where it stands, ``field`` its last four bytes (a value or
    an offset), ``offset`` where its value starts, ``size`` the value's bytes."""

    tag: int
    kind: int
    count: int
    at: int
    offset: int
    size: int

    @property
    def field(self) -> int:
        return self.at + 8

    @property
    def inline(self) -> bool:
        return self.size <= 4


def order_of(data: Block) -> str | None:
    """``<`` or ``>`` by the first four bytes; None for what is no TIFF."""
    return ORDERS.get(bytes(data[:4]))


def directories(data: Block) -> Iterator[list[Entry]]:
    """The standard directories, the main one first: those that a picture or Exif has."""
    order = order_of(data)
    if order is None or len(data) < 8:
        return
    waiting = [_number(data, 4, order)]
    seen: set[int] = set()
    while waiting and len(seen) < DIRECTORIES:
        at = waiting.pop(0)
        if at in seen or at < 8:
            continue
        seen.add(at)
        entries, following = directory(data, at, order)
        yield entries
        for entry in entries:
            if entry.tag in (EXIF, GPS, INTEROPERABILITY, SUB_DIRECTORIES):
                waiting += numbers(data, entry, order)[:16]
        if following:
            waiting.append(following)


def directory(data: Block, at: int, order: str, base: int = 0) -> tuple[list[Entry], int]:
    """The entries of the directory at ``at``, and where the following one is (0: nowhere).

    Offsets in it count from ``base``; those of the entries are places in ``data``."""
    found: list[Entry] = []
    if at + 2 > len(data):
        return found, 0
    (count,) = _unpacked(data, at, order + "H")
    for number in range(min(count, ENTRIES)):
        place = at + 2 + 12 * number
        if place + 12 > len(data):
            return found, 0
        tag, kind, values, offset = _unpacked(data, place, order + "HHII")
        if kind not in SIZES:
            continue
        size = SIZES[kind] * values
        found.append(
            Entry(tag, kind, values, place, base + offset if size > 4 else place + 8, size)
        )
    end = at + 2 + 12 * count
    return found, _number(data, end, order) if end + 4 <= len(data) else 0


def numbers(data: Block, entry: Entry, order: str) -> list[int]:
    """The values of a SHORT or LONG entry; none where they are not in ``data``."""
    letter = {3: "H", 4: "I", 13: "I"}.get(entry.kind)
    if letter is None or entry.offset + entry.size > len(data):
        return []
    count = min(entry.count, ENTRIES)
    return list(_unpacked(data, entry.offset, f"{order}{count}{letter}"))


def value(data: Block, tag: int, most: int = 1 << 16) -> bytes | None:
    """The bytes of a tag in the main directory; None where it is not there, or has ``most``."""
    for entry in next(directories(data), []):
        if entry.tag == tag and entry.size <= most and entry.offset + entry.size <= len(data):
            return bytes(data[entry.offset : entry.offset + entry.size])
    return None


def _number(data: Block, at: int, order: str) -> int:
    return int(_unpacked(data, at, order + "I")[0])


def _unpacked(data: Block, at: int, layout: str) -> tuple[int, ...]:
    part = data[at : at + struct.calcsize(layout)]
    try:
        return struct.unpack(layout, part)
    except struct.error as error:  # the file has become shorter
        raise Refusal("it is being written to", sidecar=False) from error
