"""XMP in WebP files: one chunk, a flag and the file's size; the rest as it is."""

from __future__ import annotations

from dataclasses import dataclass

from qks_cli.keywords.errors import Refusal

FLAG_XMP, FLAG_ALPHA = 0x04, 0x10


@dataclass(frozen=True, slots=True)
class WebP:
    """``chunks``: name, start and end of each, its padding byte included."""

    data: bytes
    chunks: tuple[tuple[bytes, int, int], ...]

    def xmp(self) -> bytes | None:
        """The packet. Raises ``Refusal`` where there are several."""
        found = self._xmp()
        if found is None:
            return None
        size = int.from_bytes(self.data[found[0] + 4 : found[0] + 8], "little")
        return self.data[found[0] + 8 : found[0] + 8 + size]

    def exif_block(self) -> bytes:
        """The Exif block; empty where there is none."""
        for name, start, end in self.chunks:
            if name == b"EXIF":
                return self.data[start + 8 : end].removeprefix(b"Exif\0\0")
        return b""

    def with_xmp(self, packet: bytes | None, *, simple: bool = False) -> bytes:
        """The file with another packet, or none; ``simple`` drops a VP8X chunk that says nothing
        more (for a file that had none)."""
        parts = [(name, self.data[start:end]) for name, start, end in self.chunks]
        # A packet that was there keeps its place, so that what stood there can be put back.
        place = next((k for k, (name, _) in enumerate(parts) if name == b"XMP "), len(parts))
        parts = [(name, part) for name, part in parts if name != b"XMP "]
        if packet is not None:
            size = len(packet).to_bytes(4, "little")
            chunk = b"XMP " + size + packet + b"\0" * (len(packet) % 2)
            parts.insert(place, (b"XMP ", chunk))
            if parts[0][0] != b"VP8X":
                parts.insert(0, (b"VP8X", _extended(*parts[0])))
        if parts[0][0] == b"VP8X":
            head = bytearray(parts[0][1])
            head[8] = head[8] | FLAG_XMP if packet is not None else head[8] & ~FLAG_XMP
            parts[0] = (b"VP8X", bytes(head))
            if simple and packet is None and not head[8] & ~FLAG_ALPHA and len(parts) == 2:
                parts.pop(0)
        body = b"WEBP" + b"".join(part for _, part in parts)
        return b"RIFF" + len(body).to_bytes(4, "little") + body

    def same_picture(self, other: WebP) -> bool:
        """Whether every chunk but XMP and VP8X is the same, and what VP8X says but for XMP."""
        return self._foreign() == other._foreign()

    def _foreign(self) -> list[bytes]:
        found = []
        for name, start, end in self.chunks:
            if name == b"VP8X":
                head = bytearray(self.data[start:end])
                head[8] &= ~FLAG_XMP
                found.append(bytes(head))
            elif name != b"XMP ":
                if not found:  # a file without VP8X, as if it had the one that says nothing
                    found.append(_extended(name, self.data[start:end]))
                found.append(self.data[start:end])
        return found

    def _xmp(self) -> tuple[int, int] | None:
        found = [(start, end) for name, start, end in self.chunks if name == b"XMP "]
        if len(found) > 1:
            raise Refusal("it has several XMP packets")
        for start, end in found:
            # The byte that evens an odd length has to be 0; another one could not be put back.
            odd = self.data[start + 4] % 2
            if odd and self.data[end - 1]:
                raise Refusal("its XMP chunk is damaged")
        return found[0] if found else None


def parse(data: bytes) -> WebP:
    """Raises ``Refusal`` for a file that is no whole WebP."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise Refusal("it is not a WebP")
    if int.from_bytes(data[4:8], "little") + 8 != len(data):
        raise Refusal("it is cut off, or unknown data follows the picture")
    chunks = []
    at = 12
    while at < len(data):
        if at + 8 > len(data):
            raise Refusal("it is cut off")
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        if end > len(data):
            raise Refusal("it is cut off")
        chunks.append((data[at : at + 4], at, end))
        at = end
    names = [name for name, _, _ in chunks]
    if not names or names[0] not in (b"VP8X", b"VP8 ", b"VP8L"):
        raise Refusal("it is damaged")
    if names[0] == b"VP8X" and chunks[0][2] - chunks[0][1] != 18:
        raise Refusal("it is damaged")
    return WebP(data, tuple(chunks))


def _extended(name: bytes, chunk: bytes) -> bytes:
    """The VP8X chunk for a picture that had none."""
    body = chunk[8:]
    if name == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
        flags = 0
    elif name == b"VP8L" and body[:1] == b"\x2f":
        bits = int.from_bytes(body[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        flags = FLAG_ALPHA if bits >> 28 & 1 else 0
    else:
        raise Refusal("it is damaged")
    if not width or not height:
        raise Refusal("it is damaged")
    fields = bytes((flags, 0, 0, 0)) + (width - 1).to_bytes(3, "little")
    return b"VP8X" + (10).to_bytes(4, "little") + fields + (height - 1).to_bytes(3, "little")
