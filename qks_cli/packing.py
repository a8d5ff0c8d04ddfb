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

from collections.abc import Iterator
from functools import cache

import numpy as np

from qks_cli.types import Float32Array, UInt8Array

BLOCK = 32  # channels that share a scale
FIRST, OTHERS = 127, 63  # the largest number of 8 and of 7 bits
SMALLEST = 2.0**-14  # of all scales: half precision has fewer digits below
PART = 64  # photos in hand: what a processor's cache holds
FITTED = 256  # photos in hand that are compared as they are packed: nothing is written of them


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
    back = np.ascontiguousarray(_transform(queries).T)
    for part, turned_PMP, scales_PMB in _parts(packed_NS, queries, blocks, PART):
        turned_PMP[:, 1:] -= 64
        turned_PMBk = turned_PMP.reshape(*scales_PMB.shape, BLOCK)
        turned_PMBk *= scales_PMB[..., None]
        tokens_NME[part] = (back @ turned_PMP)[:, :, :width]
    return tokens_NME


def packed_similarity(
    packed_NS: UInt8Array, vectors_KE: Float32Array, queries: int, width: int
) -> Float32Array:
    """The ``similarity.max_similarity`` [N, K] of packed query tokens to a few vectors, without
    unpacking them: in a third of the time that both steps take.

    A vector's products with the stored numbers are summed block by block, scaled, and only then
    transformed back: M numbers a photo and not M times E."""
    count, few, blocks = len(packed_NS), len(vectors_KE), -(-width // BLOCK)
    best_NK = np.empty((count, few), np.float32)
    padded_KP = np.zeros((few, blocks * BLOCK), np.float32)
    padded_KP[:, :width] = vectors_KE
    parted_KBk = padded_KP.reshape(few, blocks, BLOCK)
    by_block_BkBK = np.zeros((blocks, BLOCK, blocks, few), np.float32)
    for block in range(blocks):
        by_block_BkBK[block, :, block] = parted_KBk[:, block].T
    by_block = by_block_BkBK.reshape(blocks * BLOCK, blocks * few)
    offset_BK = 64 * parted_KBk.sum(-1).T
    back = np.ascontiguousarray(_transform(queries).T)
    for part, turned_PMP, scales_PMB in _parts(packed_NS, queries, blocks, FITTED):
        products = turned_PMP.reshape(-1, blocks * BLOCK) @ by_block
        sums_PMBK = products.reshape(*scales_PMB.shape, few)
        sums_PMBK[:, 1:] -= offset_BK
        sums_PMBK *= scales_PMB[..., None]
        best_NK[part] = (back @ sums_PMBK.sum(2)).max(1)
    return best_NK


def as_stored(tokens_NME: Float32Array) -> Float32Array:
    """Query tokens as they will come back from the library."""
    return unpack(pack(tokens_NME), *tokens_NME.shape[1:])


def _parts(
    packed_NS: UInt8Array, queries: int, blocks: int, size: int
) -> Iterator[tuple[slice, Float32Array, Float32Array]]:
    """``size`` photos at a time: which, and as ``_spread``. The array of the numbers serves again
    for the next ones."""
    room_PMP = np.empty((min(len(packed_NS), size), queries, blocks * BLOCK), np.float32)
    for at in range(0, len(packed_NS), size):
        part_PS = packed_NS[at : at + size]
        turned_PMP = room_PMP[: len(part_PS)]
        yield slice(at, at + size), turned_PMP, _spread(part_PS, turned_PMP)


def _spread(packed_PS: UInt8Array, out_PMP: Float32Array) -> Float32Array:
    """Write the stored numbers of photos into ``out_PMP``, those of 7 bits 64 too large; returns
    their scales [P, M, B]."""
    count, queries, padded = out_PMP.shape
    blocks = padded // BLOCK
    at_first = 2 * queries * blocks
    at_others = at_first + padded
    out_PMP[:, 0] = packed_PS[:, at_first:at_others].view(np.int8)
    if queries > 1:
        others_PGk = _eighths(packed_PS[:, at_others:])
        out_PMP[:, 1:] = others_PGk.reshape(count, queries - 1, -1)
    scales = np.ascontiguousarray(packed_PS[:, :at_first]).view("<f2")
    return scales.astype(np.float32).reshape(count, queries, blocks)


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
    # Four bytes at a time: processors shift no single bytes. An eighth holds whole fours.
    packed_PGk = packed_Pk.view(np.uint32).reshape(len(packed_Pk), 7, -1)
    numbers_PGk = np.empty((len(packed_Pk), 8, packed_PGk.shape[2]), np.uint32)
    np.bitwise_and(packed_PGk, 0x7F7F7F7F, out=numbers_PGk[:, :7])
    last_Pk, one_Pk = numbers_PGk[:, 7], np.empty_like(packed_PGk[:, 0])
    np.bitwise_and(packed_PGk[:, 6] >> 1, 0x40404040, out=last_Pk)
    for bit in range(6):
        np.right_shift(packed_PGk[:, bit], 7 - bit, out=one_Pk)
        one_Pk &= 0x01010101 << bit
        last_Pk |= one_Pk
    return numbers_PGk.view(np.uint8)


@cache
def _transform(queries: int) -> Float32Array:
    """The orthonormal DCT-II [D, M]."""
    rows, columns = np.ogrid[:queries, :queries]
    found = np.cos(np.pi * rows * (2 * columns + 1) / (2 * queries)) * np.sqrt(2 / queries)
    found[0] = np.sqrt(1 / queries)
    return np.asarray(found, np.float32)
