"""The ledger of what was written where, the journal of what is being written, and the keywords that
the user had already."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.library.database import Library, in_chunks, key_path, marks, now, path_key


@dataclass(frozen=True, slots=True)
class Write:
    """One file as it was written: what stood there (``xmp``, ``other``; a whole sidecar is in
    ``xmp``), hashes of the whole file before and after, and our labels after it."""

    photo_id: int
    kind: str
    file: Path
    existed: bool
    xmp: bytes | None
    other: bytes | None
    sha_before: bytes | None
    sha_after: bytes
    labels: tuple[str, ...]
    run_id: int = 0
    id: int = 0


class LibraryJournal:
    """The journal of keywords/files.py, and the ledger: a write is entered with its journal row, so
    that a crash loses neither.

    ``pending`` is what the next ``begin`` is about. Entries of new files stay open until their
    folders are on the disk (``close``).
    """

    def __init__(self, library: Library, run_id: int) -> None:
        self.library = library
        self.run_id = run_id
        self.pending: Write | None = None
        self._open: dict[int, int | None] = {}
        self._current: int | None = None

    def begin(self, path: Path, temporary: Path, seen: object | None) -> int:
        """See ``metadata.files.Journal``."""
        status: os.stat_result | None = getattr(seen, "status", None)
        values: tuple[object, ...] = (None, None, None, None)
        if status is not None:
            digest = getattr(seen, "sha256", None)
            values = (status.st_size, status.st_mtime_ns, status.st_ino, digest)
        with self.library.atomic():
            write_id = None if self.pending is None else self._enter(self.pending)
            entry = self._note(path, temporary, values, write_id)
        self._open[entry] = write_id
        self._current = entry
        self.pending = None
        return entry

    def done(self, entry: int) -> None:
        """See ``metadata.files.Journal``."""
        del self._open[entry]
        self._current = None
        with self.library.atomic():
            self.library.connection.execute("DELETE FROM journal WHERE id = ?", (entry,))

    def begin_all(self, new: Iterable[tuple[Write, Path]]) -> list[int]:
        """Enter new files with their temporary names, all or none; they end with ``close``."""
        entered: dict[int, int | None] = {}
        with self.library.atomic():
            for write, temporary in new:
                number = self._enter(write)
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
                self.library.connection.execute("DELETE FROM journal WHERE id = ?", (entry,))
                self.library.connection.execute("DELETE FROM writes WHERE id = ?", (write_id,))

    def close(self) -> None:
        """End all entries of this run."""
        with self.library.atomic():
            self.library.connection.executemany(
                "DELETE FROM journal WHERE id = ?", [(entry,) for entry in self._open]
            )
        self._open.clear()

    def _note(
        self, path: Path, temporary: Path, seen: tuple[object, ...], write_id: int | None
    ) -> int:
        cursor = self.library.connection.execute(
            "INSERT INTO journal (file, temporary, size, mtime_ns, inode, sha256, write_id, "
            "begun_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (path_key(path), path_key(temporary), *seen, write_id, now()),
        )
        return int(cursor.lastrowid or 0)

    def _enter(self, write: Write) -> int:
        cursor = self.library.connection.execute(
            "INSERT INTO writes (photo_id, run_id, kind, file, existed, xmp, other, "
            "sha_before, sha_after, labels, written_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                write.photo_id,
                self.run_id,
                write.kind,
                path_key(write.file),
                write.existed,
                write.xmp,
                write.other,
                write.sha_before,
                write.sha_after,
                json.dumps(write.labels),
                now(),
            ),
        )
        return int(cursor.lastrowid or 0)


def recover(
    library: Library,
    digest: Callable[[Path], bytes | None],
    sweep: Callable[[list[Path]], object],
) -> None:
    """After a crash: ``sweep`` removes temporary files that are left over, writes that did not
    happen leave the ledger, and only then is the journal emptied. ``digest`` tells a file's
    SHA-256."""
    rows = library.connection.execute(
        "SELECT journal.id, journal.file, temporary, write_id, sha_after FROM journal "
        "LEFT JOIN writes ON writes.id = write_id"
    ).fetchall()
    sweep([key_path(temporary) for _, _, temporary, _, _ in rows])
    with library.atomic():
        for entry, file, _, write_id, wanted in rows:
            if write_id is not None and digest(key_path(file)) != wanted:
                library.connection.execute("DELETE FROM writes WHERE id = ?", (write_id,))
            library.connection.execute("DELETE FROM journal WHERE id = ?", (entry,))


def writes_of(
    library: Library, photo_ids: Sequence[int] | None = None, run_id: int | None = None
) -> dict[Path, list[Write]]:
    """Files with all their writes, oldest first: of some photos, of one run, or all."""
    where, values = "1", []
    if run_id is not None:
        where, values = "file IN (SELECT file FROM writes WHERE run_id = ?)", [run_id]
    found: dict[Path, list[Write]] = {}
    parts = [None] if photo_ids is None else list(in_chunks(list(photo_ids)))
    for part in parts:
        chosen = where if part is None else f"{where} AND photo_id IN ({marks(part)})"
        rows = library.connection.execute(
            "SELECT photo_id, kind, file, existed, xmp, other, sha_before, sha_after, labels, "
            f"run_id, id FROM writes WHERE {chosen} ORDER BY id",
            [*values, *(part or [])],
        )
        for (
            photo_id,
            kind,
            file,
            existed,
            xmp,
            other,
            before,
            after,
            labels,
            run,
            number,
        ) in rows:
            path = key_path(file)
            found.setdefault(path, []).append(
                Write(
                    photo_id,
                    kind,
                    path,
                    bool(existed),
                    xmp,
                    other,
                    before,
                    after,
                    tuple(json.loads(labels)),
                    run,
                    number,
                )
            )
    return found


def with_label(library: Library, label: str) -> list[Write]:
    """The last write of every file that holds a label of ours."""
    rows = library.connection.execute(
        "SELECT DISTINCT photo_id FROM writes "
        "WHERE EXISTS (SELECT 1 FROM json_each(labels) WHERE value = ?)",
        (label,),
    )
    chains = writes_of(library, [photo_id for (photo_id,) in rows]).values()
    return [chain[-1] for chain in chains if label in chain[-1].labels]


def forget(library: Library, writes: Iterable[Write]) -> None:
    """Take writes that were undone out of the ledger."""
    with library.atomic():
        library.connection.executemany(
            "DELETE FROM writes WHERE id = ?", [(one.id,) for one in writes]
        )


def last_run(library: Library) -> int | None:
    """The latest run that wrote and was not undone."""
    row = library.connection.execute("SELECT max(run_id) FROM writes").fetchone()
    return None if row[0] is None else int(row[0])


def keep_keywords(library: Library, found: Iterable[tuple[int, str, Sequence[str]]]) -> None:
    """Replace the user's keywords of photos: id, source (file or sidecar), keywords."""
    with library.atomic():
        for photo_id, source, words in found:
            library.connection.execute(
                "DELETE FROM keywords WHERE photo_id = ? AND source = ?", (photo_id, source)
            )
            library.connection.executemany(
                "INSERT OR IGNORE INTO keywords VALUES (?, ?, ?)",
                [(photo_id, word, source) for word in words],
            )


def touched(library: Library, photo_id: int, status: os.stat_result, digest: bytes | None) -> None:
    """Note the size, time and fingerprint of a photo that we wrote to: its pixels are the same."""
    with library.atomic():
        library.connection.execute(
            "UPDATE photos SET size = ?, mtime_ns = ?, fingerprint = ?, full_hash = NULL "
            "WHERE id = ?",
            (status.st_size, status.st_mtime_ns, digest, photo_id),
        )
