"""Offsets in Exif that lead out of it, to data behind: previews, Canon's original decision data.

Bytes that are put into a JPEG behind its Exif move such data. A reference whose meaning is known is
corrected; one that cannot be told from other numbers makes the photo one that is not embedded into.
Tags and bases of maker notes as Exiv2 and ExifTool document them
(https://exiv2.org/makernote.html, https://exiftool.org/TagNames/).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import tiff
from qks_cli.keywords.formats.tiff import Entry

PREVIEW = 0x0201  # JPEGInterchangeFormat: where an embedded JPEG starts
OFFSETS = frozenset(  # standard tags that hold offsets
    {PREVIEW, 0x0111, tiff.EXIF, tiff.GPS, tiff.INTEROPERABILITY, tiff.SUB_DIRECTORIES}
)
CANON_DECISION = 0x0083  # counts from the start of the file
LARGEST = (1 << 32) - 1
STARTS = (b"\xff\xd8\xff", b"\xff\xff\xff\xff")  # of a JPEG, of Canon's decision data


@dataclass(frozen=True, slots=True)
class Reference:
    """Four bytes at ``at`` of the Exif block that say how far ``target`` (a place in the file) lies
    behind ``base`` (None: the start of the file), in byte order ``order``."""

    at: int
    base: int | None
    target: int
    order: str


@dataclass(frozen=True, slots=True)
class _Maker:
    """A kind of maker note. Its directory starts ``header`` bytes behind its start; offsets count
    from there plus ``base``, or from the start of Exif where that is None.

    ``tags`` hold an offset, ``arrays`` one at an index; ``inner`` is a directory with such tags."""

    header: int = 0
    base: int | None = None
    tags: frozenset[int] = frozenset()
    arrays: tuple[tuple[int, int], ...] = ()
    inner: int = 0
    inner_tags: frozenset[int] = frozenset()


_OLYMPUS = {"tags": frozenset({0x0088, 0x1036}), "inner": 0x2020, "inner_tags": frozenset({0x0101})}
_BY_HEADER: tuple[tuple[bytes, _Maker], ...] = (
    (b"Nikon\0\x02", _Maker(18, 10, inner=0x0011, inner_tags=frozenset({PREVIEW}))),
    (b"SONY", _Maker(12, arrays=((0x2044, 0),))),
    (b"OLYMP\0", _Maker(8, **_OLYMPUS)),  # type: ignore[arg-type]
    (b"OLYMPUS\0", _Maker(12, 0, **_OLYMPUS)),  # type: ignore[arg-type]
    (b"OM SYSTEM\0", _Maker(16, 0, **_OLYMPUS)),  # type: ignore[arg-type]
    (b"AOC\0", _Maker(6, tags=frozenset({0x0004}))),
    (b"PENTAX \0", _Maker(10, 0, tags=frozenset({0x0004}))),
    (b"QVC\0", _Maker(6, tags=frozenset({0x0004}))),
    # These hold no offset of that kind: what stands in their directories is known to be none.
    (b"Panasonic\0", _Maker(12)),
    (b"FUJIFILM", _Maker(12, 0)),
    (b"Ricoh\0", _Maker(8)),
    (b"LEICA\0", _Maker(8)),
)
_BY_MAKE: tuple[tuple[bytes, _Maker], ...] = (
    (b"canon", _Maker(arrays=((0x00B6, 5),))),
    (b"minolta", _Maker(tags=frozenset({0x0088}))),
    (b"konica", _Maker(tags=frozenset({0x0088}))),
    (b"samsung", _Maker(inner=0x0035, inner_tags=frozenset({PREVIEW}))),
)


@dataclass(frozen=True, slots=True)
class File:
    """A JPEG around its Exif block, which starts at ``start``; the picture ends at ``end``."""

    data: bytes
    block: bytes
    start: int
    end: int

    def leads_out(self, target: int, size: int = 0) -> bool:
        """Whether this place is in the file, behind the Exif block."""
        return self.start + len(self.block) <= target <= len(self.data) - max(size, 1)

    def is_data(self, target: int) -> bool:
        """Whether something stands here that a camera would point to."""
        return self.leads_out(target, 2) and (
            target >= self.end or self.data.startswith(STARTS, target)
        )


def references(file: File) -> list[Reference]:
    """The references that can be corrected, in the order of the block."""
    order = tiff.order_of(file.block)
    if order is None:
        return []
    found = {one.at: one for one in (*_standard(file, order), *_in_maker_note(file))}
    return [found[at] for at in sorted(found)]


def check(file: File, known: Sequence[Reference], starts: Sequence[int]) -> None:
    """Raises ``Refusal`` where Exif holds an offset to one of ``starts`` (places in the file where
    something begins) that is not ``known``.

    Four bytes of that value are one, unless they stand where it is known that no offset does."""
    note = _maker_note(file)
    bases = {0, file.start}
    if note is not None:
        bases |= {file.start + note.offset + skip for skip in (0, 8, 10, 12)}
    wanted = {
        start - base
        for start in starts
        if start >= file.start + len(file.block)
        for base in bases
        if 0xFF < start - base <= LARGEST
    }
    if not wanted:
        return
    places = {one.at for one in known}
    for entry in (x for entries in tiff.directories(file.block) for x in entries):
        places |= set(range(entry.at - 3, entry.at + 12))
    for entry in _entries_of_maker_note(file):
        places |= set(range(entry.at - 3, entry.at + 12)) - {entry.field}
    for order in "<>":
        for at in _places_of(file.block, sorted(wanted), order):
            if at not in places:
                raise Refusal("its Exif may point to data behind the picture")


def corrected(block: bytes, known: Sequence[Reference], moved: Callable[[int], int]) -> bytes:
    """The block with ``known`` references as they have to be once places have ``moved``."""
    new = bytearray(block)
    for one in known:
        base = 0 if one.base is None else moved(one.base)
        value = moved(one.target) - base
        if not 0 <= value <= LARGEST:
            raise Refusal("its Exif points too far")
        new[one.at : one.at + 4] = value.to_bytes(4, "little" if one.order == "<" else "big")
    return bytes(new)


def _standard(file: File, order: str) -> Iterator[Reference]:
    for entries in tiff.directories(file.block):
        for entry in entries:
            target = file.start + entry.offset
            if not entry.inline and file.leads_out(target, entry.size):
                yield Reference(entry.field, file.start, target, order)
            elif entry.tag in OFFSETS and entry.kind in (4, 13):
                for number, offset in enumerate(tiff.numbers(file.block, entry, order)):
                    target, at = file.start + offset, entry.offset + 4 * number
                    if file.leads_out(target, 2):
                        yield Reference(at, file.start, target, order)


def _maker_note(file: File) -> Entry | None:
    for entries in tiff.directories(file.block):
        for entry in entries:
            if entry.tag == tiff.MAKER_NOTE and entry.offset + entry.size <= len(file.block):
                return entry
    return None


@dataclass(frozen=True, slots=True)
class _Note:
    """A maker note of a known kind: its entries, their byte order, and what offsets count from."""

    maker: _Maker
    entries: Sequence[Entry]
    order: str
    base: int


def _known_note(file: File) -> _Note | None:
    note, order = _maker_note(file), tiff.order_of(file.block)
    maker = None if note is None else _kind(file.block, note)
    if note is None or maker is None or order is None:
        return None
    block, start = file.block, note.offset
    base = 0 if maker.base is None else start + maker.base
    if maker.base:  # a TIFF header of its own
        order = tiff.order_of(block[base : base + 4]) or order
    elif maker.base == 0:
        order = {b"II": "<", b"MM": ">"}.get(bytes(block[start + 8 : start + 10]), order)
    return _Note(maker, tiff.directory(block, start + maker.header, order, base)[0], order, base)


def _entries_of_maker_note(file: File) -> Sequence[Entry]:
    note = _known_note(file)
    return () if note is None else note.entries


def _in_maker_note(file: File) -> Iterator[Reference]:
    note = _known_note(file)
    if note is None:
        return
    block, maker, order, base = file.block, note.maker, note.order, note.base
    for entry in note.entries:
        yield from _of_entry(file, entry, order, base, maker.tags)
        if entry.tag == CANON_DECISION and maker.arrays[:1] == ((0x00B6, 5),):
            for target in tiff.numbers(block, entry, order)[:1]:
                if file.is_data(target):
                    yield Reference(entry.offset, None, target, order)
        for tag, index in maker.arrays:
            numbers = tiff.numbers(block, entry, order) if entry.tag == tag else []
            if entry.kind == 4 and index < len(numbers):
                target = file.start + base + numbers[index]
                if file.is_data(target):
                    yield Reference(entry.offset + 4 * index, file.start + base, target, order)
        if entry.tag == maker.inner:
            inner = tiff.numbers(block, entry, order) if entry.inline else []
            place = base + inner[0] if inner else entry.offset
            for one in tiff.directory(block, place, order, base)[0]:
                yield from _of_entry(file, one, order, base, maker.inner_tags)


def _of_entry(
    file: File, entry: Entry, order: str, base: int, tags: frozenset[int]
) -> Iterator[Reference]:
    """An entry whose value lies behind the picture, or that holds the offset of such data."""
    if not entry.inline:
        target = file.start + entry.offset
        if file.leads_out(target, entry.size) and target >= file.end:
            yield Reference(entry.field, file.start + base, target, order)
    elif entry.tag in tags and entry.kind in (4, 13):
        for offset in tiff.numbers(file.block, entry, order)[:1]:
            target = file.start + base + offset
            if file.is_data(target):
                yield Reference(entry.field, file.start + base, target, order)


def _kind(block: bytes, note: Entry) -> _Maker | None:
    head = block[note.offset : note.offset + 16]
    for start, maker in _BY_HEADER:
        if head.startswith(start):
            return maker
    make = (tiff.value(block, tiff.MAKE) or b"").lower()
    return next((maker for start, maker in _BY_MAKE if make.startswith(start)), None)


def _places_of(block: bytes, values: Sequence[int], order: str) -> list[int]:
    """Where in the block one of these numbers stands as four bytes."""
    found: list[int] = []
    for shift in range(4):
        count = (len(block) - shift) // 4
        words_N = np.frombuffer(block, order + "u4", count, shift) if count > 0 else np.empty(0)
        hits = np.flatnonzero(np.isin(words_N, np.array(values, np.uint32)))
        found += [shift + 4 * int(hit) for hit in hits]
    return sorted(found)
