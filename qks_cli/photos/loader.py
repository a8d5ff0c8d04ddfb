"""Decode ahead of the model: threads fill a ring of reused buffers, in order.

Fresh memory is slow to touch, so the pixels of every batch lie in one of a few buffers that are
allocated once. Axes: B photos of a batch, S image side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import MAX_MEGAPIXELS, decode, read_photo
from qks_cli.photos.details import read_details
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.types import DecodedBatch, Details, Photo, PhotoFailure, UInt8Array

AHEAD = 3  # batches: one with the model, one ready, one in the making

_Read = tuple[tuple[int, int], bytes | None, Details] | PhotoFailure


def load(
    photos: Iterable[Photo],
    *,
    size: int,
    resize: str,
    batch_size: int,
    workers: int,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Generator[DecodedBatch, None, None]:
    """Batches of ``batch_size`` photos in order; those that cannot be read are in ``failures``.

    A batch's pixels are valid until the next batch is asked for. Closing the iterator stops the
    threads after the photos that they hold.
    """
    source = iter(photos)
    ring = [np.zeros((batch_size, size, size, 3), np.uint8) for _ in range(AHEAD)]
    pending: deque[tuple[list[Photo], list[Future[_Read]], UInt8Array]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def submit(buffer: UInt8Array) -> None:
        group = list(islice(source, batch_size))
        if group:
            futures = [
                pool.submit(_read, photo, resize, buffer[row], max_megapixels)
                for row, photo in enumerate(group)
            ]
            pending.append((group, futures, buffer))

    try:
        for buffer in ring:
            submit(buffer)
        while pending:
            group, futures, buffer = pending.popleft()
            yield _gather(group, [future.result() for future in futures], buffer)
            submit(buffer)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def pixel_batches(
    files: Sequence[Any], *, size: int, resize: str, batch_size: int = 32, workers: int = 2
) -> Iterator[tuple[slice, UInt8Array, npt.NDArray[np.bool_]]]:
    """Every file in its place, unreadable ones black: rows, pixels uint8 [B, S, S, 3] in a buffer
    that the next batch takes again, and which could be read [B]."""
    buffer = np.zeros((batch_size, size, size, 3), np.uint8)
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        for at in range(0, len(files), batch_size):
            part = files[at : at + batch_size]
            pixels = buffer[: len(part)]
            read = list(pool.map(lambda f, out: read_photo(f, resize, out), part, pixels))
            yield slice(at, at + len(part)), pixels, np.array(read, bool)


def _read(photo: Photo, resize: str, out: UInt8Array, max_megapixels: float) -> _Read:
    try:
        size = decode(photo.path, resize, out, max_megapixels=max_megapixels)
    except PhotoError as error:
        return PhotoFailure(photo, error.kind, error.reason)
    details = read_details(photo.path)
    try:
        return size, fingerprint(photo.path), details
    except OSError:
        return size, None, details  # gone since it was decoded


def _gather(group: list[Photo], read: list[_Read], buffer: UInt8Array) -> DecodedBatch:
    """Close the gaps that failures left, so that rows and photos stay aligned."""
    batch = DecodedBatch([], buffer[:0])
    for row, (photo, result) in enumerate(zip(group, read, strict=True)):
        if isinstance(result, PhotoFailure):
            batch.failures.append(result)
            continue
        place = len(batch.photos)
        if place != row:
            buffer[place] = buffer[row]
        batch.photos.append(photo)
        size, digest, details = result
        batch.sizes.append(size)
        batch.fingerprints.append(digest)
        batch.details.append(details)
    batch.pixels_BHW3 = buffer[: len(batch.photos)]
    return batch
