"""XMP and IPTC in JPEG files, spliced: every byte outside those segments stays as it is."""

from __future__ import annotations

import struct
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from qks_cli.keywords.errors import Refusal

XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
EXIF, MPF = b"Exif\0\0", b"MPF\0"
MOST = 65_502  # bytes of a packet in one segment
_BARE = frozenset((0x01, *range(0xD0, 0xD8)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment, from its FF to behind its payload."""

    marker: int
    start: int
    end: int
    payload: bytes


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

    def with_xmp(self, packet: bytes | None) -> bytes:
        """The file with another packet, or none."""
        found = self._of(0xE1, XMP)
        if packet is not None and len(packet) > MOST:
            raise Refusal(f"its XMP would be larger than {MOST} bytes")
        new = b"" if packet is None else _segment(0xE1, XMP + packet)
        if found:
            return self._splice(found[0].start, found[0].end, new)
        # Ahead of Exif: cameras count offsets to previews behind the picture from there.
        place = next(
            (x.start for x in self.head if x.marker == 0xE1 and x.payload.startswith(EXIF)),
            None,
        )
        if place is None:
            first = self.head[0]
            place = first.end if first.marker == 0xE0 else first.start
        return self._splice(place, place, new)

    def with_photoshop(self, resources: bytes) -> bytes:
        """The file with other image resources in the segment that has them."""
        (old,) = self._of(0xED, PHOTOSHOP)
        if len(resources) + len(PHOTOSHOP) > 65_533:
            raise Refusal("its IPTC would be too large")
        return self._splice(old.start, old.end, _segment(0xED, PHOTOSHOP + resources))

    def same_picture(self, other: Jpeg) -> bool:
        """Whether all bytes outside XMP, Photoshop and MPF segments are the same."""
        tail, size = self.head[-1].end, len(self.data) - self.head[-1].end
        return (
            self._foreign() == other._foreign()
            and size == len(other.data) - other.head[-1].end
            # Compares in place; slices would copy the picture.
            and other.data.endswith(memoryview(self.data)[tail:])
        )

    def _foreign(self) -> bytes:
        parts, at = [], 0
        for one in self.head:
            if one.marker in (0xE1, 0xE2, 0xED) and one.payload.startswith((XMP, PHOTOSHOP, MPF)):
                parts.append(self.data[at : one.start])
                at = one.end
        return b"".join((*parts, self.data[at : self.head[-1].end]))

    def _of(self, marker: int, start: bytes) -> list[Segment]:
        return [x for x in self.head if x.marker == marker and x.payload.startswith(start)]

    def _splice(self, start: int, end: int, new: bytes) -> bytes:
        grown = len(new) - (end - start)
        exif = self._of(0xE1, EXIF)
        moves = grown and exif and start > exif[0].start and _trails(self.data, self.trailer)
        if moves and not self._of(0xE2, MPF):
            # What lies behind the picture would move away from Exif, which may point to it.
            if grown < 0 and new.startswith(b"\xff\xe1"):
                new = _relength(new + b" " * -grown)
                grown = 0
            else:
                raise Refusal("data behind the picture may be pointed to from Exif")
        view = memoryview(self.data)  # photos are large, and fresh memory slow to touch
        spliced = b"".join((view[:start], new, view[end:]))
        index = self._of(0xE2, MPF)
        if not index:
            return spliced
        data = bytearray(spliced)
        for one in index:
            _mend_mpf(data, one, start, end, grown)
        return bytes(data)


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
        raise Refusal("it is no JPEG")
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


def _trails(data: bytes, trailer: int) -> bool:
    return bool(data[trailer:].strip(b"\0\xff"))


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload


def _relength(segment: bytes) -> bytes:
    return segment[:2] + (len(segment) - 2).to_bytes(2) + segment[4:]


def _mend_mpf(data: bytearray, old: Segment, start: int, end: int, grown: int) -> None:
    """The first picture's size, and offsets of the others, after ``grown`` bytes at ``start``."""
    if not grown:
        return
    base = old.end - len(old.payload) + len(MPF) + (grown if end <= old.start else 0)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[base : base + 4]))
    if order is None:
        raise Refusal("its MPF cannot be read")
    try:
        (first,) = struct.unpack_from(order + "I", data, base + 4)
        (count,) = struct.unpack_from(order + "H", data, base + first)
        for number in range(count):
            at = base + first + 2 + 12 * number
            tag, _, size, place = struct.unpack_from(order + "HHII", data, at)
            if tag != 0xB002:
                continue
            for entry in range(size // 16):
                field = base + place + 16 * entry
                length, offset = struct.unpack_from(order + "II", data, field + 4)
                if entry == 0:
                    struct.pack_into(order + "I", data, field + 4, length + grown)
                elif offset and start >= old.end:
                    struct.pack_into(order + "I", data, field + 8, offset + grown)
    except struct.error as error:
        raise Refusal("its MPF cannot be read") from error
