"""What it takes to get a file back from the one that was made of it.

Another program that writes into a photo moves its data about. The older file is compressed with the
newer one as dictionary (zstd), part by part, so that what merely moved a little costs next to
nothing and memory stays bounded whatever the size.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

PART = 1 << 24  # bytes of the older file at a time
REACH = 1 << 20  # how far data may have moved to be found again


def difference(old: bytes, new: bytes) -> bytes:
    """What ``undone`` needs to make ``old`` of ``new``."""
    import zstandard

    size = PART + 2 * REACH
    log = min(len(new) + 64, size).bit_length()
    parameters = zstandard.ZstdCompressionParameters(
        window_log=max(17, min(len(old) + len(new), 2 * size).bit_length()),
        hash_log=max(17, log),
        chain_log=max(17, log),
        strategy=zstandard.STRATEGY_GREEDY,
        write_content_size=True,
    )
    frames = []
    for at in range(0, len(old), PART):
        packer = zstandard.ZstdCompressor(
            dict_data=_dictionary(new, at), compression_params=parameters
        )
        frame = packer.compress(old[at : at + PART])
        frames.append(struct.pack(">I", len(frame)) + frame)
    return b"".join(frames)


def undone(new: bytes, stored: bytes) -> bytes:
    """The older file. Raises ``ValueError`` where ``stored`` is not of ``new``; what comes back
    otherwise still has to be held against the older file's hash."""
    import zstandard

    parts = []
    for number, frame in enumerate(_frames(stored)):
        opener = zstandard.ZstdDecompressor(dict_data=_dictionary(new, number * PART))
        try:
            parts.append(opener.decompress(frame, max_output_size=PART))
        except zstandard.ZstdError as error:
            raise ValueError(f"not the difference to this file: {error}") from error
    return b"".join(parts)


def _frames(stored: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(stored):
        if at + 4 > len(stored):
            raise ValueError("a difference that was cut off")
        (length,) = struct.unpack_from(">I", stored, at)
        yield stored[at + 4 : at + 4 + length]
        at += 4 + length


def _dictionary(new: bytes, at: int) -> Any:
    import zstandard

    part = new[max(0, at - REACH) : at + PART + REACH]
    return zstandard.ZstdCompressionDict(
        part.ljust(8, b"\0"), dict_type=zstandard.DICT_TYPE_RAWCONTENT
    )
