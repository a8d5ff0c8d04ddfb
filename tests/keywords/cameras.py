"""JPEGs whose maker notes point to data behind the picture, as cameras make them, built in code."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.keywords import files

ASCII, SHORT, LONG, UNDEFINED = 2, 3, 4, 7
PREVIEW = files.jpeg()  # what lies behind the picture
DECISION = b"\xff\xff\xff\xff\x01\0\0\x02" + bytes(range(200))  # Canon's original decision data
Value = tuple[int, int, bytes]  # kind, count, bytes
Note = Callable[[int, str, int, int], bytes]  # place in Exif, byte order, offsets → maker note


def directory(at: int, order: str, entries: dict[int, Value], following: int = 0) -> bytes:
    """A directory at ``at``, the long values right behind it."""
    heap = at + 2 + 12 * len(entries) + 4
    body, blob = struct.pack(order + "H", len(entries)), b""
    for tag, (kind, count, value) in sorted(entries.items()):
        body += struct.pack(order + "HHI", tag, kind, count)
        if len(value) <= 4:
            body += value.ljust(4, b"\0")
        else:
            body += struct.pack(order + "I", heap + len(blob))
            blob += value + b"\0" * (len(value) % 2)
    return body + struct.pack(order + "I", following) + blob


def long(order: str, *values: int) -> Value:
    return LONG, len(values), struct.pack(f"{order}{len(values)}I", *values)


def text(value: bytes) -> Value:
    return ASCII, len(value) + 1, value + b"\0"


def exif_block(make: bytes, note: Note, order: str, relative: int, absolute: int) -> bytes:
    """A TIFF block with a maker note, told where the data behind the picture lies."""

    def inner(at: int) -> bytes:
        place = at + 2 + 12 * 2 + 4 + 20
        body = note(place, order, relative, absolute)
        entries = {
            0x9003: text(b"2023:07:04 12:30:00"),
            0x927C: (UNDEFINED, len(body), body),
        }
        return directory(at, order, entries)

    main = {
        0x010F: text(make),
        0x0110: text(b"Model 1"),
        0x0112: (SHORT, 1, struct.pack(order + "H", 6)),
        0x8769: long(order, 0),
    }
    at = 8 + len(directory(8, order, main))
    main[0x8769] = long(order, at)
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8) + directory(8, order, main) + inner(at)


def photo(make: bytes, note: Note, order: str = "<", *, behind: bytes = PREVIEW) -> bytes:
    """A JPEG with Exif, a picture index (MPF) and a second picture, then ``behind``; the maker note
    points to ``behind``."""

    def build(relative: int, absolute: int) -> bytes:
        block = exif_block(make, note, order, relative, absolute)
        plain = files.jpeg()
        start = 4 + int.from_bytes(plain[4:6])  # behind JFIF
        app = files.segment(0xE1, b"Exif\0\0" + block)
        return files.mpf_of(plain[:2] + app + plain[start:], PREVIEW)

    whole = build(10_000, 10_000)
    place = len(whole)
    return build(place - 12, place) + behind


def found_at(data: bytes, tag: int, order: str = "<") -> int:
    """The last LONG of the entry with this tag, wherever it stands."""
    mark = struct.pack(order + "HH", tag, LONG)
    at = data.index(mark)
    count, value = struct.unpack_from(order + "II", data, at + 4)
    if count == 1:
        return int(value)
    base = data.index(b"Exif\0\0") + 6
    return int(struct.unpack_from(order + "I", data, base + value + 4 * (count - 1))[0])


def canon(at: int, order: str, relative: int, absolute: int) -> bytes:
    entries = {
        0x0083: long(order, absolute),
        0x00B6: long(order, 0, 0, len(PREVIEW), 64, 48, relative),
    }
    return directory(at, order, entries)


def nikon(at: int, order: str, relative: int, absolute: int) -> bytes:
    inner = 8 + 2 + 12 + 4
    main = directory(8, order, {0x0011: long(order, inner)})
    preview = directory(
        inner,
        order,
        {0x0201: long(order, relative - at - 10), 0x0202: long(order, len(PREVIEW))},
    )
    head = b"II*\0" if order == "<" else b"MM\0*"
    return b"Nikon\0\x02\x10\0\0" + head + struct.pack(order + "I", 8) + main + preview


def sony(at: int, order: str, relative: int, absolute: int) -> bytes:
    count = struct.pack(order + "HHHII", 1, 0x2001, UNDEFINED, len(PREVIEW), relative)
    return b"SONY DSC \0\0\0" + count + bytes(4)


def olympus(at: int, order: str, relative: int, absolute: int) -> bytes:
    inner = 12 + 2 + 12 + 4
    main = directory(12, order, {0x2020: (13, 1, struct.pack(order + "I", inner))})
    settings = directory(
        inner, order, {0x0101: long(order, relative - at), 0x0102: long(order, len(PREVIEW))}
    )
    mark = b"II" if order == "<" else b"MM"
    return b"OLYMPUS\0" + mark + b"\3\0" + main + settings


def pentax(at: int, order: str, relative: int, absolute: int) -> bytes:
    entries = {0x0003: long(order, len(PREVIEW)), 0x0004: long(order, relative)}
    return b"AOC\0" + (b"II" if order == "<" else b"MM") + directory(at + 6, order, entries)


def casio(at: int, order: str, relative: int, absolute: int) -> bytes:
    entries = {0x0003: long(order, len(PREVIEW)), 0x0004: long(order, relative)}
    return b"QVC\0\0\0" + directory(at + 6, order, entries)


def minolta(at: int, order: str, relative: int, absolute: int) -> bytes:
    return directory(at, order, {0x0088: long(order, relative), 0x0089: long(order, len(PREVIEW))})


def unknown(at: int, order: str, relative: int, absolute: int) -> bytes:
    """Of a format that nobody knows, with an offset in the middle of other bytes."""
    return b"WHOKNOWS" + bytes(range(30)) + struct.pack(order + "I", relative) + bytes(20)


def unknown_absolute(at: int, order: str, relative: int, absolute: int) -> bytes:
    return b"WHOKNOWS" + bytes(range(31)) + struct.pack(order + "I", absolute) + bytes(20)
