"""The SQLite file of a library: opened, brought up to date, asked and written to.

Every statement goes through ``Database``, so that every error of SQLite reaches the user as a
``LibraryError`` that names the file and the way out.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from qks_cli.errors import LibraryError, UsageError
from qks_cli.library import migrations
from qks_cli.library.paths import fold_key

T = TypeVar("T")

CHUNK = 500  # SQL parameters at a time
BUSY_SECONDS = 30
ROOMY_KB = 32 * 1024
PRESENT = "photo_id NOT IN (SELECT id FROM photos WHERE missing_since IS NOT NULL)"
DAMAGED = "run `qks doctor`; `qks restore BACKUP` puts a copy in its place"
_SIGNS_OF_DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, AssertionError)
Row = tuple[Any, ...]


class Database:
    """An open file. Use ``with Database.open(path) as database``."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._derived: dict[Hashable, Any] | None = None
        self._derived_at: tuple[int, int] | None = None
        self.add_function("qks_fold", fold_key, 1)

    @classmethod
    def open(cls, path: Path, *, create: bool = True, any_thread: bool = False) -> Self:
        """Open, and bring an older library up to date. With ``any_thread`` several threads may use
        it, one at a time: the caller sees to that.

        Where it lies on a drive or in a folder that cannot be written, a library that need not be
        made (``create`` False) is opened for reading alone. Raises ``LibraryError``: not there
        (unless ``create``), not a library, newer than this program, locked, or not writable.
        """
        with explained(path), files_explained("open", path):
            there = path.is_file()
            if not (there or create):
                raise LibraryError(
                    f"no library at {path}", hint="run `qks tag FOLDER` first, or give --db"
                )
            if there and not create and not _writable(path):
                connection = connect_for_reading(path, any_thread=any_thread)
            else:
                connection = _connect(path, any_thread=any_thread)
            try:
                database = cls(connection, path)
                database._migrate()
            except BaseException:
                connection.close()
                raise
        return database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.explain(error)
        finally:
            self.close()

    def explain(self, error: BaseException | None) -> None:
        """Raise ``LibraryError`` in the place of an error that a damaged file led to: what is read
        from one can be anything."""
        if isinstance(error, _SIGNS_OF_DAMAGE) and not self.is_sound():
            raise LibraryError(f"the library {self.path} is damaged", hint=DAMAGED) from error

    def close(self) -> None:
        """Close the connection; what was not committed is gone."""
        self._connection.close()

    def is_sound(self) -> bool:
        """Whether SQLite finds nothing wrong with the structure of the file."""
        try:
            return bool(self._connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False

    @property
    def read_only(self) -> bool:
        """Whether it can only be read where it lies."""
        return bool(self.value("PRAGMA query_only"))

    # Asking

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """All rows of a query."""
        with explained(self.path):
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> Row | None:
        """The first row of a query, None where there is none."""
        with explained(self.path):
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def value(self, sql: str, values: Sequence[object] = ()) -> Any:
        """The first column of the first row, None where there is none."""
        found = self.row(sql, values)
        return None if found is None else found[0]

    def parts(self, sql: str, values: Sequence[object] = (), *, size: int) -> Iterator[list[Row]]:
        """The rows of a query, at most ``size`` at a time, read as they are asked for."""
        with explained(self.path):
            cursor = self._connection.execute(sql, values)
            while part := cursor.fetchmany(size):
                yield part

    def rows_in(
        self, sql: str, wanted: Sequence[object], *, before: Sequence[object] = ()
    ) -> Iterator[Row]:
        """Rows of a query with ``IN ({})`` over many values, a few hundred at a time.

        ``before`` are the values of the placeholders before the list."""
        for part in in_chunks(wanted):
            yield from self.rows(sql.format(placeholders(part)), [*before, *part])

    # What was made of it

    @property
    def remembers(self) -> bool:
        """Whether what is derived from the library is kept in memory."""
        return self._derived is not None

    def remember(self) -> None:
        """From now on keep in memory what is derived from the library, until anybody writes to it:
        for whoever asks often, as `qks serve`."""
        self._derived = {}

    def derived(self, key: Hashable, make: Callable[[], T], *, most: int | None = None) -> T:
        """What ``make`` makes of the library as it is now; where it ``remembers``, made once for
        every state of the file, by ``key``. Of keys (kind, …) only the ``most`` that were last
        asked for of one kind are kept."""
        if self._derived is None:
            return make()
        # Another connection's commits, and this one's own changes.
        now = (int(self.value("PRAGMA data_version")), self._connection.total_changes)
        if now != self._derived_at:
            self._derived.clear()
            self._derived_at = now
        found: T = self._derived.pop(key) if key in self._derived else make()
        self._derived[key] = found  # the last of them
        if most is not None:
            assert isinstance(key, tuple)
            kind = [one for one in self._derived if isinstance(one, tuple) and one[0] == key[0]]
            for one in kind[:-most]:
                del self._derived[one]
        return found

    def add_function(self, name: str, function: Callable[..., Any], arguments: int) -> None:
        """Make a pure Python function callable in SQL."""
        self._connection.create_function(name, arguments, function, deterministic=True)

    # Writing

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One transaction: all of it or nothing. Waits for another writer up to 30 s."""
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._rolled_back()
                raise
            self._connection.execute("COMMIT")

    def execute(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; returns the id of the row that an INSERT made, else 0."""
        with explained(self.path):
            return int(self._connection.execute(sql, values).lastrowid or 0)

    def execute_many(self, sql: str, values: Iterable[Sequence[object]]) -> None:
        """Run one statement for each of many values."""
        with explained(self.path):
            self._connection.executemany(sql, values)

    @contextmanager
    def roomy(self) -> Iterator[None]:
        """Within it, more of the file is kept in memory: for whoever writes to all of it, where
        pages of indexes would be written and read again and again."""
        before = self.value("PRAGMA cache_size")
        self.execute(f"PRAGMA cache_size = -{ROOMY_KB}")
        try:
            yield
        finally:
            self.execute(f"PRAGMA cache_size = {int(before)}")

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Within it, another writer is not waited for: ``atomic`` raises at once."""
        patience = self.value("PRAGMA busy_timeout")
        self.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            self.execute(f"PRAGMA busy_timeout = {int(patience)}")

    def copy_to(self, target: sqlite3.Connection) -> None:
        """Copy everything into another file, also while a run writes (SQLite's online backup)."""
        with explained(self.path):
            self._connection.backup(target)

    def _rolled_back(self) -> None:
        """Called after a transaction came to nothing."""

    def _migrate(self) -> None:
        found = self.value("PRAGMA user_version")
        if found > migrations.COUNT:
            raise LibraryError(
                f"{self.path} was written by a newer qks (schema {found}, this one knows "
                f"{migrations.COUNT})",
                hint="update qks; nothing was changed",
            )
        if found == 0 and self.value("SELECT count(*) FROM sqlite_schema"):
            raise LibraryError(
                f"{self.path} is an SQLite file of another program",
                hint="give --db another name; nothing was changed",
            )
        if found < migrations.COUNT:
            if self.read_only:
                raise LibraryError(
                    f"{self.path} is of an older qks, and cannot be brought up to date where it "
                    "cannot be written",
                    hint="copy it elsewhere, and give that copy as --db",
                )
            with self.atomic():
                migrations.apply(self._connection)


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _connect(path: Path, *, any_thread: bool) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Autocommit, so that transactions begin and end only where atomic() says.
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=not any_thread
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_for_reading(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection that writes nothing, not even the files that SQLite keeps beside a library.
    ``any_thread`` as for ``Database.open``."""
    waiting = path.with_name(path.name + "-wal")
    # Whoever left one may still write, or was cut off: SQLite finds out, from both files.
    mode = "mode=ro" if waiting.is_file() and waiting.stat().st_size else "immutable=1"
    uri = f"{path.absolute().as_uri()}?{mode}"
    connection = sqlite3.connect(
        uri,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        uri=True,
        check_same_thread=not any_thread,
    )
    connection.execute("PRAGMA query_only = 1")
    return connection


# What SQLite says, and what can be done about it.
_WAYS_OUT = (
    ("locked", "another qks is writing to it: wait for it to end, or give --db another name"),
    ("full", "the disk is full; everything committed before is kept"),
    ("readonly", "it can only be read where it lies: copy it elsewhere, and give that as --db"),
    ("unable to open", "check that the file and its folder can be written, or give --db"),
    ("disk I/O", "check the drive that it lies on"),
    ("not a database", "it is not a library, or damaged: run `qks doctor`, or give --db"),
)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of SQLite as ``LibraryError`` with what can be done."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        hint = next((way for sign, way in _WAYS_OUT if sign in text), "")
        raise LibraryError(
            f"the library {path}: {text}",
            hint=hint or DAMAGED,
        ) from error
    except UnicodeEncodeError as error:
        raise UsageError("a word that is not UTF-8 cannot be in a library") from error
    except OverflowError as error:
        raise UsageError("a number that is too large for a library") from error


@contextmanager
def files_explained(doing: str, path: Path) -> Iterator[None]:
    """Errors of the file system as ``LibraryError``: "cannot open /l.db: …"."""
    try:
        yield
    except OSError as error:
        raise LibraryError(
            f"cannot {doing} {path}: {error.strerror or error}",
            hint="check that the file and its folder can be read and written",
        ) from error


def in_chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of at most ``CHUNK`` values: what one SQL statement takes."""
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def placeholders(values: Sequence[object]) -> str:
    """``?, ?, …``: placeholders of an SQL list of these values."""
    return ",".join("?" * len(values))


def now() -> str:
    """The time as it is stored: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
