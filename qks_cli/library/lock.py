"""One writer into photos at a time for a library, and which runs are still alive."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qks_cli.errors import LibraryError
from qks_cli.library.database import Database


def lock_file(library: Database) -> Path:
    """The empty file that is locked. Not the library itself: closing any handle of that file would
    end the locks that SQLite holds on it in this process (https://sqlite.org/howtocorrupt.html,
    2.2)."""
    return _beside(library, ".lock")


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


@contextmanager
def alive(library: Database) -> Iterator[None]:
    """Held while a run goes on; the system lets go of it however its process ends."""
    handle = _opened(library)
    try:
        if handle is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        if handle is not None:
            os.close(handle)


@contextmanager
def nobody_runs(library: Database) -> Iterator[bool]:
    """Whether no process is in ``alive``; where that is so, none can begin within the block."""
    handle = _opened(library)
    try:
        if handle is None:
            yield False
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # somebody runs, or a file system without locks: nobody can tell
            yield False
            return
        yield True
    finally:
        if handle is not None:
            os.close(handle)


def _opened(library: Database) -> int | None:
    if library.read_only:  # nothing is left beside it
        return None
    try:
        return os.open(_beside(library, ".runs"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _beside(library: Database, suffix: str) -> Path:
    path = library.path.resolve()
    return path.with_name(path.name + suffix)
