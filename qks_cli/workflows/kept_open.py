"""A library that stays open for whoever asks often, and remembers what searches read of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qks_cli import settings
from qks_cli.closing import Closing
from qks_cli.library.store import Library
from qks_cli.workflows.session import open_library


class KeptOpen(Closing):
    """The library in the file ``db`` (None: the user's own), opened when first asked for, and anew
    where another file took its place, as `qks restore` does. For any thread, one at a time."""

    def __init__(self, db: Path | None = None) -> None:
        self._db = db
        self._lock = threading.RLock()
        self._library: Library | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def using(self) -> Iterator[Library]:
        """The library, for this thread alone meanwhile. Raises as ``open_library``."""
        with self._lock:
            file = self._found()
            if self._library is None or file != self._file:
                self.close()
                self._library = open_library(self._db, any_thread=True)
                self._library.remember()
                self._file = self._found()
            library = self._library
            try:
                yield library
            except Exception as error:
                library.explain(error)
                raise

    def close(self) -> None:
        """Close the library; the next to ask opens it again."""
        with self._lock:
            library, self._library = self._library, None
            if library is not None:
                library.close()

    def _found(self) -> tuple[int, int] | None:
        try:
            status = (self._db or settings.index_path()).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino
