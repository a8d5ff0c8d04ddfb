"""Labels after the fact: counted, renamed, merged, left out. What was found stays stored.

A rename changes how a label is shown, not the tags themselves: so it costs nothing however many
photos carry it, later runs keep to it, and undoing it brings back exactly what was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from qks_cli.errors import UsageError
from qks_cli.folding import fold
from qks_cli.library.database import Database, now, placeholders
from qks_cli.wording import did_you_mean


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many photos carry a label, how many of them are there (not missing), and their mean
    score, 0 to 1."""

    label: str
    photos: int
    present: int
    mean_score: float


def counts(library: Database) -> list[LabelCount]:
    """Every shown label that photos carry, most first."""
    rows = library.rows("SELECT label, photos, present, mean_score FROM label_counts")
    return [LabelCount(*row) for row in rows]


def tag_counts(library: Database) -> dict[str, int]:
    """About how many photos carry each shown label: much faster than ``counts``, but missing photos
    count, and one that carries two labels shown as one counts twice."""
    rows = library.rows(
        "SELECT label, sum(number) FROM (SELECT label_id AS stored, count(*) AS number FROM tags "
        "GROUP BY label_id) JOIN shown_labels ON shown_labels.id = stored GROUP BY label"
    )
    return dict(rows)


def photos_with(library: Database, name: str) -> int:
    """How many photos carry a shown label."""
    ids = known_ids(library, name)
    sql = f"SELECT count(DISTINCT photo_id) FROM tags WHERE label_id IN ({placeholders(ids)})"
    return int(library.value(sql, ids))


def rename(library: Database, old: str, new: str) -> None:
    """Show a label under another name. Raises ``UsageError`` where ``new`` is shown already."""
    if not new.strip() or new != new.strip() or not new.isprintable():
        raise UsageError(f"'{new}' cannot be the name of a label")
    if old != new and _exists(library, new):
        raise UsageError(
            f"the label '{new}' is there already", hint=f"qks tags merge '{old}' '{new}'"
        )
    _show(library, known_ids(library, old), new, f"rename {old!r} {new!r}")


def merge(library: Database, one: str, into: str) -> None:
    """Show ``one`` as ``into``, which has to be there."""
    known_ids(library, into)
    if one == into:
        raise UsageError("both names are the same label")
    _show(library, known_ids(library, one), into, f"merge {one!r} {into!r}")


def delete(library: Database, name: str) -> None:
    """Show a label no more, on any photo, now or later."""
    ids = known_ids(library, name)
    with library.atomic():
        _note(library, ids, f"delete {name!r}")
        library.execute(f"UPDATE labels SET hidden = 1 WHERE id IN ({placeholders(ids)})", ids)


def undo(library: Database) -> str | None:
    """Take back the last edit, and say which it was; None where there is none."""
    with library.atomic():
        row = library.row("SELECT id, command, before FROM label_edits ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        library.execute_many(
            "UPDATE labels SET shown_as = ?, hidden = ? WHERE id = ?",
            [(shown_as, hidden, label_id) for label_id, shown_as, hidden in json.loads(row[2])],
        )
        library.execute("DELETE FROM label_edits WHERE id = ?", (row[0],))
    return str(row[1])


def _show(library: Database, ids: Sequence[int], name: str, command: str) -> None:
    with library.atomic():
        library.execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
        target = int(library.value("SELECT id FROM labels WHERE name = ?", (name,)))
        _note(library, [*ids, target], command)
        library.execute_many(
            "UPDATE labels SET shown_as = ?, hidden = 0 WHERE id = ?",
            [(None if label_id == target else target, label_id) for label_id in [*ids, target]],
        )


def _note(library: Database, ids: Sequence[int], command: str) -> None:
    rows = list(library.rows_in("SELECT id, shown_as, hidden FROM labels WHERE id IN ({})", ids))
    library.execute(
        "INSERT INTO label_edits (made_at, command, before) VALUES (?, ?, ?)",
        (now(), command, json.dumps(rows)),
    )


def _exists(library: Database, name: str) -> bool:
    """Whether any photo carries a label of this name."""
    row = library.row(
        "SELECT 1 FROM tags JOIN shown_labels ON shown_labels.id = tags.label_id "
        "WHERE label = ? LIMIT 1",
        (name,),
    )
    return row is not None


def carrying(library: Database, stored: Sequence[str]) -> set[int]:
    """Photos with a tag of any of these labels, by the names that they were stored with."""
    sql = (
        "SELECT DISTINCT photo_id FROM tags JOIN labels ON labels.id = label_id WHERE name IN ({})"
    )
    return {photo_id for (photo_id,) in library.rows_in(sql, stored)}


def shown_names(library: Database) -> dict[str, str | None]:
    """What every stored label is shown as; None for those that are not shown."""
    return dict(
        library.rows(
            "SELECT name, label FROM labels LEFT JOIN shown_labels ON shown_labels.id = labels.id"
        )
    )


def shown_ids(library: Database, name: str) -> list[int]:
    """Stored labels that are shown under this name, else under one that differs from it only in
    case or composition; none where there is no such label."""
    for column, wanted in (("label", name), ("qks_fold(label)", fold(name))):
        rows = library.rows(f"SELECT id FROM shown_labels WHERE {column} = ?", (wanted,))
        if rows:
            return [int(label_id) for (label_id,) in rows]
    return []


def nearest(library: Database, name: str, otherwise: str = "`qks tags list` shows them") -> str:
    """A hint for who names a label that is not there: the one that was perhaps meant."""
    rows = library.rows("SELECT DISTINCT label FROM shown_labels")
    return did_you_mean(name, [label for (label,) in rows], also=otherwise, else_say=otherwise)


def known_ids(library: Database, name: str) -> list[int]:
    """``shown_ids``. Raises ``UsageError`` where there is none."""
    ids = shown_ids(library, name)
    if not ids:
        raise UsageError(f"no label '{name}' in this library", hint=nearest(library, name))
    return ids
