"""Read text in photos of a library, and keep it there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import local
from typing import Any

import numpy as np

from qks_cli import settings
from qks_cli.errors import PhotoError
from qks_cli.library import texts
from qks_cli.library.store import Library
from qks_cli.library.texts import ReadText
from qks_cli.ocr.engine import NAME, SIDE, RapidReader, TextReader, check_installed
from qks_cli.photos.decode import fitting
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import one_line
from qks_cli.photos.readers import Readers, ReadersClosedError
from qks_cli.types import UInt8Array
from qks_cli.workflows.report import Stop, never

COMMIT_SECONDS = 1.0
_AHEAD = 2  # photos in the hands of each thread: one that is read, one that waits
_LONGEST = 200  # characters of what a library says of a photo
_CHANGED = "changed since it was tagged: run `qks tag` on it first"


@dataclass(frozen=True, slots=True)
class TextResult:
    """``status``: ``read``, ``unchanged`` (read before) or ``failed``, with its ``reason``.
    ``text`` is a line each, '' where the photo shows none."""

    path: Path
    status: str
    text: str = ""
    reason: str | None = None


Photos = Sequence[tuple[int, Path]]
_Read = Callable[[Path], tuple[str, bytes | None]]


def read_texts(
    library: Library,
    photos: Photos,
    *,
    workers: int = 0,
    limits: Limits | None = None,
    stop: Stop = never,
    make_reader: Callable[[], TextReader] = RapidReader,
    name: str = NAME,
) -> Generator[TextResult, None, None]:
    """Read the text in these photos (ids and paths), and keep it: one result a photo, in their
    order, each after it was stored. Photos that were read before and have not changed since are
    not read again.

    ``workers`` threads (0: one a core) read, each with a reader of its own, which ``make_reader``
    makes and whose name is ``name``. Once ``stop`` says so, what is in hand is finished and stored.
    Raises ``MissingPackageError`` without the extra ``text``."""
    if make_reader is RapidReader:
        check_installed()
    ids = [photo_id for photo_id, _ in photos]
    before = texts.known(library, name, ids)
    known = texts.fingerprints(library, ids)
    waiting = [one for one in photos if one[0] not in before]
    with closing(_read(waiting, workers, limits, stop, make_reader)) as read:
        yield from _stored(library, photos, before, known, read, name)


def _stored(
    library: Library,
    photos: Photos,
    before: dict[int, str],
    known: dict[int, bytes | None],
    read: Iterator[tuple[int, str, bytes | None, str | None]],
    name: str,
) -> Generator[TextResult, None, None]:
    """Results in the order of ``photos``; what is read is stored every second."""
    results: list[TextResult] = []
    found: list[ReadText] = []
    saved = time.monotonic()
    paths = dict(photos)
    for photo_id, path in photos:
        if photo_id in before:
            results.append(TextResult(path, "unchanged", before[photo_id]))
        else:
            one = next(read, None)
            if one is None:  # stopped
                break
            read_id, text, digest, reason = one
            if reason is None and known[read_id] not in (None, digest):
                reason = _CHANGED
            if reason is None:
                found.append(ReadText(read_id, text, known[read_id]))
                results.append(TextResult(paths[read_id], "read", text))
            else:
                results.append(TextResult(paths[read_id], "failed", reason=reason))
        if not found or time.monotonic() - saved > COMMIT_SECONDS:
            texts.save(library, name, found)
            yield from results
            results, found, saved = [], [], time.monotonic()
    texts.save(library, name, found)
    yield from results


def _read(
    photos: Photos,
    workers: int,
    limits: Limits | None,
    stop: Stop,
    make_reader: Callable[[], TextReader],
) -> Generator[tuple[int, str, bytes | None, str | None], None, None]:
    """Id, text, fingerprint of the file, and why it could not be read (None where it could)."""
    workers = workers or settings.processors()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="text")
    pending: deque[tuple[int, Future[Any]]] = deque()
    source = iter(photos)
    with Readers(limits) as readers:
        one = _Reading(readers, make_reader)
        try:
            while True:
                while len(pending) < _AHEAD * workers and not stop():
                    photo = next(source, None)
                    if photo is None:
                        break
                    pending.append((photo[0], pool.submit(one, photo[1])))
                if not pending:
                    return
                photo_id, future = pending.popleft()
                if stop() and future.cancel():
                    return
                yield (photo_id, *future.result())
        finally:
            readers.close()
            pool.shutdown(wait=True, cancel_futures=True)


class _Reading:
    """Reads one photo after the other on any of several threads."""

    def __init__(self, readers: Readers, make_reader: Callable[[], TextReader]) -> None:
        self.readers = readers
        self.make_reader = make_reader
        self.own = local()  # a reader and a buffer for each thread

    def __call__(self, path: Path) -> tuple[str, bytes | None, str | None]:
        if not hasattr(self.own, "reader"):
            self.own.reader = self.make_reader()
            self.own.out_SS3 = np.empty((SIDE, SIDE, 3), np.uint8)
        out_SS3: UInt8Array = self.own.out_SS3
        try:
            reading = self.readers.read(path, "fit", out_SS3)
            width, height = fitting(reading.size, SIDE)
            lines = self.own.reader.lines(out_SS3[:height, :width])
        except PhotoError as error:
            return "", None, error.reason
        except ReadersClosedError:
            return "", None, "not read: the run was ended"
        except Exception as error:  # ONNX Runtime and OpenCV raise what they like
            said = one_line(str(error))[:_LONGEST]
            return "", None, f"its text cannot be read ({said})"
        return "\n".join(lines), reading.fingerprint, None
