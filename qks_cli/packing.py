"""Query tokens as the library stores them: 7 and 8 bits a number instead of 16.

The tokens of one photo resemble each other, so they are first turned, along the axis of tokens, by
the orthonormal discrete cosine transform (DCT-II): its first row is their mean times √M, the others
are how they differ. The first row is kept in 8 bits, where most of what they say is; the others,
smaller, in 7. Every 32 channels share a scale, half precision, so that a channel that is large in
every photo costs its neighbours alone their precision. For 8 tokens of 256 channels that is 1,952
bytes instead of 4,096, and two photos fit one page of SQLite.

Stored numbers come back the same: unpacking and packing again gives the same bytes. Tags are chosen
from tokens that went through ``as_stored`` first, so that choosing again gives the same tags.

Axes: N photos, M query tokens, E label space (P: filled up to whole blocks), B blocks, S bytes of
a photo, D and M of the transform, G eighths of the 7-bit numbers, k the numbers of a block or of
an eighth.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from qks_cli.types import Float32Array, UInt8Array

BLOCK = 32  # channels that share a scale
FIRST, OTHERS = 127, 63  # the largest number of 8 and of 7 bits
SMALLEST = 2.0**-14  # of all scales: half precision has fewer digits below
PART = 64  # photos in hand: what a processor's cache holds


def size_of(queries: int, width: int) -> int:
    """Bytes of one photo's tokens [M, E], packed."""
    blocks = -(-width // BLOCK)
    return 2 * queries * blocks + BLOCK * blocks + 7 * (queries - 1) * BLOCK * blocks // 8


def pack(tokens_NME: Float32Array) -> UInt8Array:
    """Bytes [N, S] of photos' query tokens: scales [M, B] (float16, little-endian), the first row
    [P] (int8), the others [M - 1, P] (7 bits each). What is not finite becomes 0."""
    count, queries, width = tokens_NME.shape
    packed_NS = np.empty((count, size_of(queries, width)), np.uint8)
    for at in range(0, count, PART):
        packed_NS[at : at + PART] = _packed(tokens_NME[at : at + PART])
    return packed_NS


def unpack(packed_NS: UInt8Array, queries: int, width: int) -> Float32Array:
    """The query tokens [N, M, E] that ``pack`` packed."""
    count = len(packed_NS)
    tokens_NME = np.empty((count, queries, width), np.float32)
    blocks = -(-width // BLOCK)
    padded_PMP = np.empty((min(count, PART), queries, blocks * BLOCK), np.float32)
    back = np.ascontiguousarray(_transform(queries).T)
    at_first = 2 * queries * blocks
    at_others = at_first + blocks * BLOCK
    for at in range(0, count, PART):
        part_PS = packed_NS[at : at + PART]
        turned_PMP = padded_PMP[: len(part_PS)]
        turned_PMP[:, 0] = part_PS[:, at_first:at_others].view(np.int8)
        if queries > 1:
            others_PGk = _eighths(part_PS[:, at_others:])
            turned_PMP[:, 1:] = others_PGk.reshape(len(part_PS), queries - 1, -1)
            turned_PMP[:, 1:] -= 64
        scales = np.ascontiguousarray(part_PS[:, :at_first]).view("<f2")
        turned_PMBk = turned_PMP.reshape(len(part_PS), queries, blocks, BLOCK)
        turned_PMBk *= scales.reshape(len(part_PS), queries, blocks, 1)
        tokens_NME[at : at + PART] = (back @ turned_PMP)[:, :, :width]
    return tokens_NME


def as_stored(tokens_NME: Float32Array) -> Float32Array:
    """Query tokens as they will come back from the library."""
    return unpack(pack(tokens_NME), *tokens_NME.shape[1:])


def _packed(tokens_PME: Float32Array) -> UInt8Array:
    count, queries, width = tokens_PME.shape
    blocks = -(-width // BLOCK)
    padded_PMP = np.zeros((count, queries, blocks * BLOCK), np.float32)
    padded_PMP[:, :, :width] = np.nan_to_num(tokens_PME, posinf=0, neginf=0)
    numbers_PMBk = (_transform(queries) @ padded_PMP).reshape(count, queries, blocks, BLOCK)
    most_M11 = np.full((queries, 1, 1), OTHERS, np.float32)
    most_M11[0] = FIRST
    scales_PMB1 = np.abs(numbers_PMBk).max(-1, keepdims=True) / most_M11
    scales_PMB1 = np.clip(scales_PMB1, SMALLEST, np.finfo(np.float16).max).astype("<f2")
    numbers_PMBk /= scales_PMB1
    np.clip(np.rint(numbers_PMBk), -most_M11, most_M11, out=numbers_PMBk)
    first_PP = numbers_PMBk[:, 0].reshape(count, -1).astype(np.int8)
    others_PGk = (numbers_PMBk[:, 1:] + 64).astype(np.uint8).reshape(count, 8, -1)
    # Seven of eight numbers have a byte each; its top bit is one of the eighth's.
    packed_PGk = others_PGk[:, :7].copy()
    for bit in range(7):
        packed_PGk[:, bit] |= (others_PGk[:, 7] >> bit & 1) << 7
    parts = (
        scales_PMB1.reshape(count, -1).view(np.uint8),
        first_PP.view(np.uint8),
        packed_PGk.reshape(count, -1),
    )
    return np.concatenate(parts, axis=1)


def _eighths(packed_Pk: UInt8Array) -> UInt8Array:
    """Numbers of 7 bits, 0 to 127, [P, G, numbers / 8]."""
    packed_PGk = packed_Pk.reshape(len(packed_Pk), 7, -1)
    numbers_PGk = np.empty((len(packed_Pk), 8, packed_PGk.shape[2]), np.uint8)
    np.bitwise_and(packed_PGk, 127, out=numbers_PGk[:, :7])
    top_PGk = packed_PGk >> 7
    last_Pk = numbers_PGk[:, 7]
    last_Pk[...] = top_PGk[:, 0]
    for bit in range(1, 7):
        last_Pk |= top_PGk[:, bit] << bit
    return numbers_PGk


@cache
def _transform(queries: int) -> Float32Array:
    """The orthonormal DCT-II [D, M]."""
    rows, columns = np.ogrid[:queries, :queries]
    found = np.cos(np.pi * rows * (2 * columns + 1) / (2 * queries)) * np.sqrt(2 / queries)
    found[0] = np.sqrt(1 / queries)
    return np.asarray(found, np.float32)
