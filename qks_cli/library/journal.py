"""The journal of what is being written, so that files and ledger agree after a crash."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from qks_cli.library.database import now
from qks_cli.library.ledger import Write, enter, take_out
from qks_cli.library.paths import key_path, path_key
from qks_cli.library.store import Library


class SeenFile(Protocol):
    """A file as it was read before it is changed."""

    @property
    def status(self) -> os.stat_result:
        """Its size, time and inode."""
        ...

    @property
    def sha256(self) -> bytes:
        """Of all its bytes."""
        ...


class LibraryJournal:
    """The journal, and the ledger: a write is entered with its journal row, so that a crash loses
    neither.

    Entries of new files stay open until their folders are on the disk (``close``).
    """

    def __init__(self, library: Library, run_id: int) -> None:
        self.library = library
        self.run_id = run_id
        self._open: dict[int, int | None] = {}

    def begin(self, path: Path, temporary: Path, seen: SeenFile, write: Write | None) -> int:
        """Enter the change of one file that is there."""
        status = seen.status
        values = (status.st_size, status.st_mtime_ns, status.st_ino, seen.sha256)
        with self.library.atomic():
            write_id = None if write is None else enter(self.library, write, self.run_id)
            entry = self._note(path, temporary, values, write_id)
        self._open[entry] = write_id
        return entry

    def end(self, entry: int) -> None:
        """Take an entry out of the journal, within a transaction of the caller's."""
        del self._open[entry]
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
        """What this entry is about did not happen: the file is as it was."""
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


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one file that is there: in the journal while it happens, then in the ledger.
    It implements the protocol ``Journal`` of ``keywords.files``.

    ``write`` is what is written, ``undoes`` are writes that are taken back. ``photo_id`` is the
    photo whose own bytes change: its pixels stay, so its size, time and ``fingerprint`` are noted
    again. All of that is stored with the end of the journal's entry, in one transaction."""

    journal: LibraryJournal
    write: Write | None = None
    undoes: Sequence[Write] = ()
    photo_id: int | None = None
    fingerprint: Callable[[Path], bytes | None] = lambda path: None

    def begin(self, path: Path, temporary: Path, seen: SeenFile) -> int:
        """Before a temporary file is made, or a file removed; returns the journal's entry."""
        return self.journal.begin(path, temporary, seen, self.write)

    def done(self, entry: int, path: Path, status: os.stat_result | None) -> None:
        """The file has this status now (None: it is gone), and its folder is on the disk."""
        library = self.journal.library
        changed = self.photo_id is not None and status is not None
        digest = self.fingerprint(path) if changed else None
        with library.atomic():
            self.journal.end(entry)
            take_out(library, self.undoes)
            if self.photo_id is not None and status is not None:
                library.photos.touch(self.photo_id, status, digest)

    def failed(self, entry: int) -> None:
        """The file is as it was."""
        self.journal.drop(entry)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An entry of the journal that a crash left: the file, its temporary, its SHA-256 before, and
    the id of the write that it was about (None: something was taken back)."""

    id: int
    file: Path
    temporary: Path
    sha256: bytes | None
    write_id: int | None


def unsettled(library: Library) -> list[Unsettled]:
    """What the journal holds, oldest first: left by a crash, or of a run that is writing now."""
    return [
        Unsettled(entry, key_path(file), key_path(temporary), digest, write_id)
        for entry, file, temporary, digest, write_id in library.rows(
            "SELECT id, file, temporary, sha256, write_id FROM journal ORDER BY id"
        )
    ]


def settle(
    library: Library,
    entry: Unsettled,
    *,
    undone: Iterable[Write] = (),
    touched: tuple[int, os.stat_result, bytes | None] | None = None,
) -> None:
    """End an entry that a crash left, and forget the writes that turned out ``undone``;
    ``touched`` is a photo with the status and fingerprint that its file has now."""
    with library.atomic():
        library.execute("DELETE FROM journal WHERE id = ?", (entry.id,))
        take_out(library, undone)
        if touched is not None:
            library.photos.touch(*touched)
