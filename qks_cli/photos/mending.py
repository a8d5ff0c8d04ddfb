"""Files that are whole where it counts: PNGs with side data that Pillow refuses, JPEGs that lack
nothing but their end marker."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

END_OF_JPEG = b"\xff\xd9"
# Bits that no decoder takes for the padding with which it fills what is missing.
_FILL = bytes(range(1, 255)) * 8
_SIGNATURE = 8  # bytes
_PICTURE_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_USEFUL_CHUNKS = {b"tRNS", b"gAMA", b"sRGB", b"eXIf"}
_TEXT_CHUNKS = {b"tEXt", b"iTXt"}
_LONGEST_TEXT = 1 << 20


def without_side_chunks(data: bytes) -> bytes:
    """A PNG with the chunks that make its picture, and its transparency, Exif and plain text where
    their checksums are sound; profiles, compressed text and all else are left out."""
    kept = [data[:_SIGNATURE]]
    at = _SIGNATURE
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, end = data[at + 4 : at + 8], at + 12 + length
        if (
            kind in _PICTURE_CHUNKS
            or (kind in _USEFUL_CHUNKS and _sound(data, at, length))
            or (kind in _TEXT_CHUNKS and _plain_text(data, at, length))
        ):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _plain_text(data: bytes, at: int, length: int) -> bool:
    body = data[at + 8 : at + 8 + length]
    if length > _LONGEST_TEXT:
        return False
    if data[at + 4 : at + 8] == b"iTXt" and body.partition(b"\0")[2][:1] != b"\0":
        return False  # compressed
    return _sound(data, at, length)


def _sound(data: bytes, at: int, length: int) -> bool:
    """Whether a chunk's checksum is right."""
    checksum = data[at + 8 + length : at + 12 + length]
    return checksum == struct.pack(">I", zlib.crc32(data[at + 4 : at + 8 + length]))


def whole_jpeg(data: bytes, load: Callable[[bytes], Image.Image]) -> Image.Image | None:
    """The picture of a JPEG that lacks its end marker alone; None where pixels are missing too.

    ``load`` decodes bytes. A decoder fills missing blocks from whatever follows the data: two
    different endings give one picture only where no block is missing.
    """
    data = data.removesuffix(b"\xff")
    plain = load(data + END_OF_JPEG)
    filled = load(data + _FILL + END_OF_JPEG)
    return plain if np.array_equal(np.asarray(plain), np.asarray(filled)) else None
