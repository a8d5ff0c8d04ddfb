"""One writer into photos at a time for a library."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qks_cli.errors import LibraryError
from qks_cli.library.database import Database


def lock_file(library: Database) -> Path:
    """The empty file that is locked. Not the library itself: closing any handle of that file would
    end the locks that SQLite holds on it in this process (https://sqlite.org/howtocorrupt.html,
    2.2)."""
    path = library.path.resolve()
    return path.with_name(f"{path.name}.lock")


@contextmanager
def writing_lock(library: Database) -> Iterator[None]:
    """Held while photos or sidecars are written to.

    Raises ``LibraryError`` where another process holds it, or where it cannot be made."""
    path = lock_file(library)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LibraryError(f"cannot make {path}: {error.strerror}", hint="give --db") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LibraryError(
                "another qks is writing into photos of this library", hint="wait for it to end"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(handle)
