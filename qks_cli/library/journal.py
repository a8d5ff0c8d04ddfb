"""The journal of what is being written, so that a crash leaves files and ledger in step."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from qks_cli.library.database import Database, now
from qks_cli.library.ledger import Write, enter
from qks_cli.library.paths import key_path, path_key


class LibraryJournal:
    """The journal of keywords/files.py, and the ledger: a write is entered with its journal row, so
    that a crash loses neither.

    ``pending`` is what the next ``begin`` is about. Entries of new files stay open until their
    folders are on the disk (``close``).
    """

    def __init__(self, library: Database, run_id: int) -> None:
        self.library = library
        self.run_id = run_id
        self.pending: Write | None = None
        self._open: dict[int, int | None] = {}
        self._current: int | None = None

    def begin(self, path: Path, temporary: Path, seen: object | None) -> int:
        """See ``keywords.files.Journal``."""
        status: os.stat_result | None = getattr(seen, "status", None)
        values: tuple[object, ...] = (None, None, None, None)
        if status is not None:
            digest = getattr(seen, "sha256", None)
            values = (status.st_size, status.st_mtime_ns, status.st_ino, digest)
        with self.library.atomic():
            write_id = (
                None if self.pending is None else enter(self.library, self.pending, self.run_id)
            )
            entry = self._note(path, temporary, values, write_id)
        self._open[entry] = write_id
        self._current = entry
        self.pending = None
        return entry

    def done(self, entry: int) -> None:
        """See ``keywords.files.Journal``."""
        del self._open[entry]
        self._current = None
        with self.library.atomic():
            self.library.execute("DELETE FROM journal WHERE id = ?", (entry,))

    def begin_all(self, new: Iterable[tuple[Write, Path]]) -> list[int]:
        """Enter new files with their temporary names, all or none; they end with ``close``."""
        entered: dict[int, int | None] = {}
        with self.library.atomic():
            for write, temporary in new:
                number = enter(self.library, write, self.run_id)
                entered[self._note(write.file, temporary, (None,) * 4, number)] = number
        self._open |= entered
        return list(entered)

    def drop(self, entry: int) -> None:
        """The file of this entry could not be made."""
        self._current = entry
        self.abandon()

    def abandon(self) -> None:
        """The latest entry, if it has not ended, came to nothing: the file is as it was."""
        self.pending = None
        if self._current is not None:
            entry, self._current = self._current, None
            write_id = self._open.pop(entry)
            with self.library.atomic():
                self.library.execute("DELETE FROM journal WHERE id = ?", (entry,))
                self.library.execute("DELETE FROM writes WHERE id = ?", (write_id,))

    def close(self) -> None:
        """End all entries of this run."""
        with self.library.atomic():
            self.library.execute_many(
                "DELETE FROM journal WHERE id = ?", [(entry,) for entry in self._open]
            )
        self._open.clear()

    def _note(
        self, path: Path, temporary: Path, seen: tuple[object, ...], write_id: int | None
    ) -> int:
        return self.library.execute(
            "INSERT INTO journal (file, temporary, size, mtime_ns, inode, sha256, write_id, "
            "begun_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (path_key(path), path_key(temporary), *seen, write_id, now()),
        )


def recover(
    library: Database,
    digest: Callable[[Path], bytes | None],
    sweep: Callable[[list[Path]], object],
) -> None:
    """After a crash: ``sweep`` removes temporary files that are left over, writes that did not
    happen leave the ledger, and only then is the journal emptied. ``digest`` tells a file's
    SHA-256."""
    rows = library.rows(
        "SELECT journal.id, journal.file, temporary, write_id, sha_after FROM journal "
        "LEFT JOIN writes ON writes.id = write_id"
    )
    sweep([key_path(temporary) for _, _, temporary, _, _ in rows])
    with library.atomic():
        for entry, file, _, write_id, wanted in rows:
            if write_id is not None and digest(key_path(file)) != wanted:
                library.execute("DELETE FROM writes WHERE id = ?", (write_id,))
            library.execute("DELETE FROM journal WHERE id = ?", (entry,))
