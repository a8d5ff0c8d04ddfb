"""Decode ahead of the model: threads, each with a process that reads for it, fill a ring of
reused buffers, in order.

Fresh memory is slow to touch, so the pixels of every batch lie in one of a few buffers that are
allocated once. Axes: B photos of a batch, S image side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import read_photo
from qks_cli.photos.limits import Limits
from qks_cli.photos.readers import Readers, ReadersClosedError
from qks_cli.photos.reading import Reading
from qks_cli.types import DecodedBatch, Photo, PhotoFailure, UInt8Array

AHEAD = 3  # batches: one with the model, one ready, one in the making
_LOOK = 0.1  # seconds between two looks at ``stop``

_Pending = tuple[list[Photo], list["Future[Reading | PhotoFailure]"], UInt8Array]


def load(
    photos: Iterable[Photo],
    *,
    size: int,
    resize: str,
    batch_size: int,
    workers: int,
    limits: Limits | None = None,
    readers: Readers | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[DecodedBatch, None, None]:
    """Batches of ``batch_size`` photos in order; those that cannot be read are in ``failures``.

    A batch's pixels are valid until the next batch is asked for. Once ``stop`` says so, nothing is
    waited for any more: the batch holds what was read, and is the last. Closing the iterator ends
    all reading at once. ``readers`` have limits of their own; they are closed where reading ends
    early, else left open.
    """
    source = iter(photos)
    ring = [np.zeros((batch_size, size, size, 3), np.uint8) for _ in range(AHEAD)]
    pending: deque[_Pending] = deque()
    given, readers = readers, readers or Readers(limits)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")

    def submit(buffer: UInt8Array) -> None:
        group = list(islice(source, batch_size))
        if group:
            futures = [
                pool.submit(_read, readers, photo, resize, buffer[row])
                for row, photo in enumerate(group)
            ]
            pending.append((group, futures, buffer))

    def end() -> None:
        if pending or given is None:
            readers.close()
        pool.shutdown(wait=True, cancel_futures=True)

    try:
        for buffer in ring:
            submit(buffer)
        while pending:
            group, futures, buffer = pending[0]
            while wait(futures, _LOOK).not_done and not stop():
                pass
            stopped = stop()
            if stopped:
                end()  # nobody writes into the buffer from here on
            yield _gather(group, futures, buffer)
            if stopped:
                return
            pending.popleft()
            submit(buffer)
    finally:
        end()


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


def _read(readers: Readers, photo: Photo, resize: str, out: UInt8Array) -> Reading | PhotoFailure:
    try:
        return readers.read(photo.path, resize, out, moments=True)
    except PhotoError as error:
        return PhotoFailure(photo, error.kind, error.reason)


def _gather(
    group: list[Photo], futures: list[Future[Reading | PhotoFailure]], buffer: UInt8Array
) -> DecodedBatch:
    """Close the gaps that failures left, so that rows and photos stay aligned. What is not read
    yet is left out."""
    batch = DecodedBatch([], buffer[:0])
    for row, (photo, future) in enumerate(zip(group, futures, strict=True)):
        if future.cancelled() or isinstance(future.exception(), ReadersClosedError):
            continue
        result = future.result()
        if isinstance(result, PhotoFailure):
            batch.failures.append(result)
            continue
        place = len(batch.photos)
        if place != row:
            buffer[place] = buffer[row]
        batch.photos.append(photo)
        batch.sizes.append(result.size)
        batch.fingerprints.append(result.fingerprint)
        batch.details.append(result.details)
        batch.frames.append(result.frames)
        if result.warning:
            batch.warnings.append((photo, result.warning))
    batch.pixels_BHW3 = buffer[: len(batch.photos)]
    return batch
