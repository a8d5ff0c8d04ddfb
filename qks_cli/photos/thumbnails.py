"""Small upright WebP pictures of photos, made once and kept in the user's cache.

A name is a hash of the photo's path, size and time, so that no photo's name reaches the file
system a second time, and a photo that changed gets a new picture. Axes: S side of a square.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image

from qks_cli.errors import PhotoError, QksError
from qks_cli.photos.decode import fitting
from qks_cli.photos.limits import Limits
from qks_cli.photos.readers import Readers
from qks_cli.types import UInt8Array

SIDE = 320  # pixels
QUALITY = 75  # libwebp's, 0 to 100
_EFFORT = 1  # libwebp's method, 0 to 6: a third of its default's time, and files a sixth larger


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A WebP file and its size in pixels."""

    file: Path
    width: int
    height: int


class Thumbnails:
    """The thumbnails in a folder, their longer side ``side`` pixels at most."""

    def __init__(self, folder: Path, *, side: int = SIDE, limits: Limits | None = None) -> None:
        self.folder = folder / str(side)
        self.side = side
        self.limits = limits
        self._own = threading.local()  # a buffer for each thread, touched once

    def make(
        self, photos: Sequence[Path], *, workers: int
    ) -> Iterator[tuple[Path, Thumbnail | PhotoError]]:
        """Every photo's thumbnail, in order, made where there is none; an error where the photo
        cannot be read.

        Photos are decoded in ``workers`` processes of their own, within limits
        (``photos/readers.py``). Raises ``QksError`` where the folder cannot be written."""
        pool = ThreadPoolExecutor(workers, thread_name_prefix="thumbnails")
        with Readers(self.limits) as readers:

            def one(photo: Path) -> Thumbnail | PhotoError:
                try:
                    return self.one(photo, readers)
                except PhotoError as error:
                    return error

            try:
                yield from zip(photos, pool.map(one, photos), strict=True)
            finally:
                readers.close()
                pool.shutdown(cancel_futures=True)

    def one(self, photo: Path, readers: Readers) -> Thumbnail:
        """One photo's thumbnail, made by ``readers`` where there is none; for any thread.

        Raises ``PhotoError`` where the photo cannot be read, and ``QksError`` as ``make``."""
        file = self._file(photo)
        with suppress(OSError, ValueError), Image.open(file, formats=("WEBP",)) as made:
            return Thumbnail(file, made.width, made.height)
        out_SS3 = self._buffer()
        reading = readers.read(photo, "squash", out_SS3)
        size = fitting(reading.size, self.side)
        # Squashed first, stretched back here: each side is only ever made smaller.
        picture = Image.fromarray(out_SS3).resize(size, Image.Resampling.BICUBIC)
        part = file.with_name(f"{file.stem}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(part, "WEBP", quality=QUALITY, method=_EFFORT)
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise QksError(
                f"cannot write {file.parent}: {error.strerror or error}",
                hint="QKS_CACHE names another folder for what can be made again",
            ) from error
        return Thumbnail(file, *size)

    def _buffer(self) -> UInt8Array:
        if not hasattr(self._own, "out_SS3"):
            self._own.out_SS3 = np.empty((self.side, self.side, 3), np.uint8)
        return cast(UInt8Array, self._own.out_SS3)

    def _file(self, photo: Path) -> Path:
        try:
            status = photo.stat()
        except FileNotFoundError as error:
            raise PhotoError(photo, "missing", "the file is gone") from error
        except OSError as error:
            raise PhotoError(photo, "unreadable", error.strerror or str(error)) from error
        told = f"{status.st_size}:{status.st_mtime_ns}:".encode() + os.fsencode(photo)
        name = hashlib.sha256(told).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.webp"
