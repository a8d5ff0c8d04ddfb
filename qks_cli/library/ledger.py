"""The ledger of what was written where, so that exactly that can be undone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.library.database import Database, Row, in_chunks, now, placeholders
from qks_cli.library.paths import key_path, path_key


@dataclass(frozen=True, slots=True)
class Write:
    """One file as it was written: what stood there (``xmp``, ``other``; a whole sidecar is in
    ``xmp``), hashes of the whole file before and after, and our labels after it. ``words`` stand
    for the labels in the file where it is of another ``language`` than English; none in English."""

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
    language: str = "en"
    words: tuple[str, ...] = ()

    @property
    def keywords(self) -> tuple[str, ...]:
        """What stands in the file."""
        return self.words or self.labels


def enter(library: Database, write: Write, run_id: int) -> int:
    """Enter a write, within a transaction of the caller's; returns its id."""
    return library.execute(
        "INSERT INTO writes (photo_id, run_id, kind, file, existed, xmp, other, "
        "sha_before, sha_after, labels, words, language, written_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            write.photo_id,
            run_id,
            write.kind,
            path_key(write.file),
            write.existed,
            write.xmp,
            write.other,
            write.sha_before,
            write.sha_after,
            json.dumps(write.labels),
            json.dumps(write.words) if write.words else None,
            write.language,
            now(),
        ),
    )


def writes_of(
    library: Database, photo_ids: Sequence[int] | None = None, run_id: int | None = None
) -> dict[Path, list[Write]]:
    """Files with all their writes, oldest first: of some photos, of one run, or all."""
    where, values = "1", []
    if run_id is not None:
        where, values = "file IN (SELECT file FROM writes WHERE run_id = ?)", [run_id]
    found: dict[Path, list[Write]] = {}
    parts = [None] if photo_ids is None else list(in_chunks(photo_ids))
    for part in parts:
        chosen = where if part is None else f"{where} AND photo_id IN ({placeholders(part)})"
        for row in library.rows(
            f"SELECT {_COLUMNS} FROM writes WHERE {chosen} ORDER BY id", [*values, *(part or [])]
        ):
            write = _write(row)
            found.setdefault(write.file, []).append(write)
    return found


_COLUMNS = (
    "photo_id, kind, file, existed, xmp, other, sha_before, sha_after, labels, "
    "run_id, id, language, words"
)


def _write(row: Row) -> Write:
    photo_id, kind, file, existed, xmp, other, before, after, labels, *rest = row
    run, number, language, words = rest
    return Write(
        photo_id=photo_id,
        kind=kind,
        file=key_path(file),
        existed=bool(existed),
        xmp=xmp,
        other=other,
        sha_before=before,
        sha_after=after,
        labels=tuple(json.loads(labels)),
        run_id=run,
        id=number,
        language=language,
        words=tuple(json.loads(words or "[]")),
    )


def chain_of(library: Database, file: Path) -> list[Write]:
    """All writes into one file, whichever photos they are of, oldest first."""
    rows = library.rows(
        f"SELECT {_COLUMNS} FROM writes WHERE file = ? ORDER BY id", (path_key(file),)
    )
    return [_write(row) for row in rows]


def owner_of(library: Database, file: Path) -> int | None:
    """The photo whose keywords were written into this file last; None where nothing was."""
    found: int | None = library.value(
        "SELECT photo_id FROM writes WHERE file = ? ORDER BY id DESC LIMIT 1", (path_key(file),)
    )
    return found


def with_label(library: Database, label: str) -> list[Write]:
    """The last write of every file that holds a label of ours."""
    rows = library.rows(
        "SELECT DISTINCT photo_id FROM writes "
        "WHERE EXISTS (SELECT 1 FROM json_each(labels) WHERE value = ?)",
        (label,),
    )
    chains = writes_of(library, [photo_id for (photo_id,) in rows]).values()
    return [chain[-1] for chain in chains if label in chain[-1].labels]


def forget(library: Database, writes: Iterable[Write]) -> None:
    """Take writes that were undone out of the ledger."""
    with library.atomic():
        take_out(library, writes)


def take_out(library: Database, writes: Iterable[Write]) -> None:
    """``forget``, within a transaction of the caller's."""
    library.execute_many("DELETE FROM writes WHERE id = ?", [(one.id,) for one in writes])


def last_run(library: Database) -> int | None:
    """The latest run that wrote and was not undone."""
    run: int | None = library.value("SELECT max(run_id) FROM writes")
    return run
