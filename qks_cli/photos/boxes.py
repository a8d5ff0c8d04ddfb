"""The boxes of JPEG 2000, JPEG XL and HEIC files (ISO/IEC 15444-1, annex I; 18181-2; 14496-12)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

MOST = 4096  # boxes of a file
MOST_HEAD = 64  # bytes of a box of which the beginning is enough
_EXIF = b"JpgTiffExif->JP2"
_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


def boxes_of(data: bytes, *, heads_of: Collection[bytes] = ()) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies of the boxes of a container, in their order; of those in ``heads_of`` the
    beginning alone."""
    at = 0
    for _ in range(MOST):
        size, name, start = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        end = at + size if size else len(data)
        if end < start or start > len(data):
            return
        last = start + MOST_HEAD if name in heads_of else end
        yield name, data[start : min(end, last)]
        at = end


def notes_of_jpeg_2000(data: bytes) -> tuple[bytes, bytes]:
    """The Exif block and the XMP packet of a JPEG 2000 file, which stand in boxes of programs' own
    (ISO/IEC 16684-1 names XMP's); empty where there is none."""
    exif = xmp = b""
    for name, body in boxes_of(data, heads_of=[b"jp2c"]):
        if name == b"uuid" and body.startswith(_EXIF):
            exif = exif or body[len(_EXIF) :]
        elif name == b"uuid" and body.startswith(_XMP):
            xmp = xmp or body[len(_XMP) :]
    return exif, xmp


def says_how_to_turn(data: bytes) -> bool:
    """Whether a HEIC file has a property that turns or mirrors an image of it."""
    meta = next((body for name, body in boxes_of(data, heads_of=[b"mdat"]) if name == b"meta"), b"")
    return b"irot" in meta or b"imir" in meta
