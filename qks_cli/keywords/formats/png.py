"""XMP in PNG files: one iTXt chunk, the rest as it is."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import LIMIT

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KEY = b"XML:com.adobe.xmp\0"
PICTURE = b"IDAT"


@dataclass(frozen=True, slots=True)
class Png:
    """``chunks``: type, start and end of each, its length and checksum included."""

    data: bytes
    chunks: tuple[tuple[bytes, int, int], ...]

    def xmp(self) -> bytes | None:
        """The packet. Raises ``Refusal`` for what cannot be edited safely."""
        found = self._xmp()
        if found is None:
            return None
        body = self.data[found[0] + 8 + len(KEY) : found[1] - 4]
        packed, rest = body[0:1] == b"\1", body[2:]
        text = rest.split(b"\0", 2)
        if len(text) < 3:
            raise Refusal("its XMP chunk is damaged")
        if not packed:
            return text[2]
        try:
            unpacker = zlib.decompressobj()
            plain = unpacker.decompress(text[2], LIMIT + 1)
        except zlib.error as error:
            raise Refusal("its XMP chunk is damaged") from error
        if len(plain) > LIMIT:
            raise Refusal(f"its XMP is larger than {LIMIT >> 20} MB")
        return plain

    def other(self) -> bytes | None:
        """The whole chunk that the packet stands in."""
        found = self._xmp()
        return None if found is None else self.data[slice(*found)]

    def exif_block(self) -> bytes:
        """The Exif block; empty where there is none."""
        for kind, start, end in self.chunks:
            if kind == b"eXIf":
                return self.data[start + 8 : end - 4]
        return b""

    def with_xmp(self, packet: bytes | None) -> bytes:
        """The file with another packet, or none."""
        new = b""
        if packet is not None:
            body = b"iTXt" + KEY + b"\0\0\0\0" + packet
            new = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
        return self.with_chunk(new)

    def with_chunk(self, chunk: bytes | None, *, first: bool = False) -> bytes:
        """The file with another chunk for its packet, or none.

        One that was there keeps its place; a new one goes right before the picture, behind what
        readers look for in the first bytes (Exif, text, colours). ``first``, right behind the
        header, is how versions before 0.2 wrote: for undoing those."""
        found = self._xmp()
        start, end = found or (self._place(first=first),) * 2
        return self.data[:start] + (chunk or b"") + self.data[end:]

    def is_xmp_ahead(self) -> bool:
        """Whether XMP stands ahead of other chunks that readers look for in the first bytes."""
        found = self._xmp()
        return found is not None and any(
            found[1] <= start and end <= self._place(first=False) and kind != PICTURE
            for kind, start, end in self.chunks
        )

    def _place(self, *, first: bool) -> int:
        starts = [] if first else [start for kind, start, _ in self.chunks if kind == PICTURE]
        return starts[0] if starts else self.chunks[0][2]

    def same_picture(self, other: Png) -> bool:
        """Whether all bytes outside the XMP chunk are the same."""
        return self.with_chunk(None) == other.with_chunk(None)

    def _xmp(self) -> tuple[int, int] | None:
        found = [
            (start, end)
            for kind, start, end in self.chunks
            if kind == b"iTXt" and self.data[start + 8 :].startswith(KEY, 0, len(KEY))
        ]
        if len(found) > 1:
            raise Refusal("it has several XMP packets")
        return found[0] if found else None


def parse(data: bytes) -> Png:
    """Raises ``Refusal`` for a file that is no whole PNG."""
    if data[:8] != SIGNATURE:
        raise Refusal("it is not a PNG")
    chunks = []
    at = 8
    while at < len(data):
        if at + 12 > len(data):
            raise Refusal("it is cut off")
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if end > len(data):
            raise Refusal("it is cut off")
        if kind == b"iTXt" and zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end]
        ):
            raise Refusal("it is damaged")
        chunks.append((kind, at, end))
        at = end
        if kind == b"IEND":
            break
    if not chunks or chunks[0][0] != b"IHDR" or chunks[-1][0] != b"IEND":
        raise Refusal("it is cut off")
    if at != len(data):
        raise Refusal("unknown data follows the picture")
    return Png(data, tuple(chunks))
