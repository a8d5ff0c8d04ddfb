"""XMP and IPTC in JPEG files, spliced: every byte outside those segments stays as it is."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import references, tiff

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
EXIF, MPF = b"Exif\0\0", b"MPF\0"
MOST = 65_502  # bytes of a packet in one segment
STARTS = 256  # things behind the head that Exif is searched for offsets to
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment, from its FF to behind its payload."""

    marker: int
    start: int
    end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """New bytes for those from ``start`` to ``end``."""

    start: int
    end: int
    new: bytes


@dataclass(frozen=True, slots=True)
class Jpeg:
    """``head`` segments stand before the first scan; ``trailer`` is where EOI ends."""

    data: bytes
    head: tuple[Segment, ...]
    trailer: int

    def xmp(self) -> bytes | None:
        """The main packet. Raises ``Refusal`` for packets that cannot be edited safely."""
        found = self._of(0xE1, XMP)
        if len(found) > 1:
            raise Refusal("it has several XMP packets")
        packet = found[0].payload[len(XMP) :] if found else None
        if packet is not None and self._of(0xE1, EXTENDED) and b"dc:subject" not in packet:
            raise Refusal("its keywords may stand in extended XMP")
        return packet

    def other(self) -> bytes | None:
        """The image resources that hold IPTC, where one segment has them all."""
        found = self._of(0xED, PHOTOSHOP)
        return found[0].payload[len(PHOTOSHOP) :] if len(found) == 1 else None

    def exif(self) -> Segment | None:
        """The segment with Exif, the first of several."""
        return next(iter(self._of(0xE1, EXIF)), None)

    def exif_block(self) -> bytes:
        """The Exif block; empty where there is none."""
        exif = self.exif()
        return b"" if exif is None else exif.payload[len(EXIF) :]

    def is_xmp_ahead(self) -> bool:
        """Whether XMP stands before Exif, which hides Exif from common readers."""
        found, exif = self._of(0xE1, XMP), self.exif()
        return bool(found) and exif is not None and found[0].start < exif.start

    def with_xmp(
        self,
        packet: bytes | None,
        *,
        resources: bytes | None = None,
        ahead: bool = False,
        correct: bool = True,
        search: bool = True,
    ) -> bytes:
        """The file with another packet or none, and with other image ``resources`` if given.

        A packet that was there keeps its place; a new one goes right behind Exif. ``ahead`` of Exif
        and without ``correct`` offsets in it is how versions before 0.2 wrote: for undoing those.
        Raises ``Refusal`` where it cannot be done safely; unless ``search``, offsets of unknown
        meaning are not looked for: the caller holds the result against a hash."""
        found = self._of(0xE1, XMP)
        edits = []
        if packet is not None and len(packet) > MOST:
            raise Refusal(f"its XMP would be larger than {MOST} bytes")
        new = b"" if packet is None else _segment(0xE1, XMP + packet)
        if found:
            edits.append(Edit(found[0].start, found[0].end, new))
        elif new:
            place = self._place(ahead=ahead)
            edits.append(Edit(place, place, new))
        if resources is not None:
            (old,) = self._of(0xED, PHOTOSHOP)
            if len(resources) + len(PHOTOSHOP) > 65_533:
                raise Refusal("its IPTC would be too large")
            edits.append(Edit(old.start, old.end, _segment(0xED, PHOTOSHOP + resources)))
        return self._edited(sorted(edits, key=lambda one: one.start), correct, search)

    def same_picture(self, other: Jpeg) -> bool:
        """Whether all bytes outside XMP, Photoshop and MPF segments are the same, but for offsets
        in Exif that lead to data behind it."""
        tail, size = self.head[-1].end, len(self.data) - self.head[-1].end
        return (
            self._foreign(known := self._references()) == other._foreign(known)
            and size == len(other.data) - other.head[-1].end
            # Compares in place; slices would copy the picture.
            and other.data.endswith(memoryview(self.data)[tail:])
        )

    def _place(self, *, ahead: bool) -> int:
        """Where a new packet goes: behind Exif, else behind JFIF, else first of all."""
        exif = self._of(0xE1, EXIF)
        if exif and ahead:
            return exif[0].start
        if exif:
            if len(exif) > 1 and len(exif[0].payload) > MOST:
                raise Refusal("its Exif spreads over several segments")
            return exif[0].end
        jfif = [x for x in self.head[:2] if x.marker == 0xE0]
        return jfif[-1].end if jfif else self.head[0].start

    def _references(self) -> list[int]:
        """Where in the Exif block those offsets stand."""
        exif = self.exif()
        found = [] if exif is None else references.references(self._around(exif))
        return [one.at for one in found]

    def _foreign(self, known: Sequence[int]) -> bytes:
        parts: list[bytes | bytearray] = []
        at = 0
        exif = self.exif()
        for one in self.head:
            if one.marker in (0xE1, 0xE2, 0xED) and one.payload.startswith((XMP, PHOTOSHOP, MPF)):
                parts.append(self.data[at : one.start])
                at = one.end
            elif one is exif:
                file = self._around(one)
                block = bytearray(file.block)
                for place in known:
                    block[place : place + 4] = bytes(4)
                parts += [self.data[at : file.start], block]
                at = one.end
        return b"".join((*parts, self.data[at : self.head[-1].end]))

    def _of(self, marker: int, start: bytes) -> list[Segment]:
        return [x for x in self.head if x.marker == marker and x.payload.startswith(start)]

    def _around(self, exif: Segment) -> references.File:
        start = exif.end - len(exif.payload) + len(EXIF)
        return references.File(self.data, exif.payload[len(EXIF) :], start, self.trailer)

    def _edited(self, edits: Sequence[Edit], correct: bool, search: bool) -> bytes:
        """The file with parts of its head replaced, and what says where things lie corrected."""
        view = memoryview(self.data)  # photos are large, and fresh memory slow to touch
        parts: list[bytes | memoryview] = []
        at = 0
        for one in edits:
            parts += [view[at : one.start], one.new]
            at = one.end
        spliced = b"".join((*parts, view[at:]))

        def moved(place: int) -> int:
            return place + sum(len(x.new) - (x.end - x.start) for x in edits if x.end <= place)

        index, exif = self._of(0xE2, MPF), self.exif()
        if len(spliced) == len(self.data) or (exif is None and not index):
            return spliced
        known: list[references.Reference] = []
        if correct and exif is not None:
            file = self._around(exif)
            known = references.references(file)
            if search:
                references.check(file, known, self._starts(exif.end))
        if not index and not known:
            return spliced
        data = bytearray(spliced)
        for one_index in index:
            _mend_mpf(data, self, one_index, moved)
        if known and exif is not None:
            start = moved(file.start)
            data[start : start + len(file.block)] = references.corrected(file.block, known, moved)
        return bytes(data)

    def _starts(self, behind: int) -> list[int]:
        """Places behind ``behind`` that something in Exif could point to."""
        found = [self.trailer]
        padding = len(self.data) - self.trailer - len(self.data[self.trailer :].lstrip(b"\0\xff"))
        found.append(self.trailer + padding)
        for start, end in ((behind, self.head[-1].end), (self.trailer, len(self.data))):
            at = self.data.find(b"\xff\xd8\xff", start, end)
            while at >= 0 and len(found) < STARTS:
                found.append(at)
                at = self.data.find(b"\xff\xd8\xff", at + 1, end)
        for one in self._of(0xE2, MPF):
            for base, offset, size in _mpf_pictures(self.data, one):
                found += [base + offset, base + offset + size] if offset else [size]
        return [place for place in found if behind <= place < len(self.data)]


def head_of(data: bytes) -> tuple[Segment, ...]:
    """The segments before the first scan, of a file or its beginning."""
    head: list[Segment] = []
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        start = at
        while at + 1 < len(data) and data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker in (0xDA, 0xD9) or end > len(data):
            break
        head.append(Segment(marker, start, end, data[at + 4 : end]))
        at = end
    return tuple(head)


def reaches_scan(data: bytes, head: tuple[Segment, ...]) -> bool:
    """Whether ``data`` has the first scan (or the end of the picture) behind ``head``."""
    at = head[-1].end if head else 2
    return data[at : at + 16].lstrip(b"\xff")[:1] in (b"\xda", b"\xd9")


def parse(data: bytes) -> Jpeg:
    """Raises ``Refusal`` for a file that is no whole JPEG, or has an unknown trailer."""
    if data[:2] != b"\xff\xd8":
        raise Refusal("it is not a JPEG")
    head: list[Segment] = []
    at, scanned = 2, False
    markers: list[int] | None = None
    while True:
        if scanned:
            if markers is None:
                markers = _markers(data)
            place = bisect_left(markers, at)
            if place == len(markers):
                raise Refusal("it is cut off")
            start, at = markers[place], markers[place] + 2
        else:
            start = at
            while at < len(data) and data[at] == 0xFF:
                at += 1
            at += 1
            if at == start + 1 or at > len(data):
                raise Refusal("it is damaged" if at <= len(data) else "it is cut off")
        marker = data[at - 1]
        if marker == 0xD9:
            if not scanned:
                raise Refusal("it has no picture")
            break
        if marker in _BARE:
            continue
        if marker == 0xD8 or at + 2 > len(data):
            raise Refusal("it is damaged")
        end = at + int.from_bytes(data[at : at + 2])
        if end > len(data) or end < at + 2:
            raise Refusal("it is cut off")
        if marker == 0xDA:
            scanned = True
        elif not scanned:
            head.append(Segment(marker, start, end, data[at + 2 : end]))
        at = end
    if not head:
        raise Refusal("it is damaged")
    found_jpeg = Jpeg(data, tuple(head), at)
    _check_trailer(found_jpeg)
    return found_jpeg


def _markers(data: bytes) -> list[int]:
    """Where markers may stand in picture data: every FF that is not stuffing, fill or restart."""
    bytes_N = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(bytes_N[:-1] == 0xFF)
    behind = bytes_N[at + 1]
    marks = (behind != 0) & (behind != 0xFF) & ((behind < 0xD0) | (behind > 0xD7))
    return [int(place) for place in at[marks]]


def _check_trailer(jpeg: Jpeg) -> None:
    trailer = jpeg.data[jpeg.trailer :]
    known = (
        not trailer.strip(b"\0\xff")
        or (trailer.lstrip(b"\0\xff")[:1] and jpeg._of(0xE2, MPF) and b"\xff\xd8\xff" in trailer)
        or trailer.rstrip(b"\0").endswith(b"SEFT")
        or _is_mp4(trailer)
    )
    if not known:
        raise Refusal("unknown data follows the picture")


def _is_mp4(trailer: bytes) -> bool:
    """Whether a movie follows, after padding at most."""
    place = trailer.find(b"ftyp", 0, 4096)
    return place >= 4 and not trailer[: place - 4].strip(b"\0\xff")


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def _mpf_fields(data: bytes | bytearray, base: int) -> Iterator[tuple[str, int]]:
    """Byte order and place of each picture's entry. Raises ``Refusal`` for what is no MPF."""
    order = tiff.order_of(bytes(data[base : base + 4]))
    if order is None:
        raise Refusal("its MPF cannot be read")
    try:
        (first,) = struct.unpack_from(order + "I", data, base + 4)
        (count,) = struct.unpack_from(order + "H", data, base + first)
        for number in range(count):
            at = base + first + 2 + 12 * number
            tag, _, size, place = struct.unpack_from(order + "HHII", data, at)
            for entry in range(size // 16 if tag == 0xB002 else 0):
                struct.unpack_from(order + "IIII", data, base + place + 16 * entry)
                yield order, base + place + 16 * entry
    except struct.error as error:
        raise Refusal("its MPF cannot be read") from error


def _mpf_pictures(data: bytes, segment: Segment) -> Iterator[tuple[int, int, int]]:
    """What offsets count from, offset (0: the first picture) and size of each picture."""
    base = segment.end - len(segment.payload) + len(MPF)
    for order, field in _mpf_fields(data, base):
        size, offset = struct.unpack_from(order + "II", data, field + 4)
        yield base, offset, size


def _mend_mpf(data: bytearray, old: Jpeg, segment: Segment, moved: Callable[[int], int]) -> None:
    """The first picture's size, and offsets of the others, where places have ``moved``."""
    base = segment.end - len(segment.payload) + len(MPF)
    now = moved(base)
    grown = moved(old.head[-1].end) - old.head[-1].end
    try:
        for number, (order, field) in enumerate(_mpf_fields(data, now)):
            size, offset = struct.unpack_from(order + "II", data, field + 4)
            if number == 0:
                struct.pack_into(order + "I", data, field + 4, size + grown)
            elif offset:
                struct.pack_into(order + "I", data, field + 8, moved(base + offset) - now)
    except struct.error as error:
        raise Refusal("its MPF cannot be read") from error
