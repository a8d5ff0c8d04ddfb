"""Heads that were learned from verdicts, in versions that can be taken back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from qks_cli.library.database import Database, now


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head as ``model.learned.Head`` makes it, of the model with this hash. ``from_keywords``:
    the user's own keywords were examples as well as verdicts."""

    label: str
    alone: bool
    from_keywords: bool
    model_hash: str
    head: bytes


def heads(library: Database) -> tuple[StoredHead, ...]:
    """Those of the version that holds, of every model that has one, by label."""
    rows = library.rows(
        "SELECT label, alone, from_keywords, models.hash, head FROM learned_heads "
        "JOIN models ON models.id = model_id "
        "WHERE version_id = (SELECT max(id) FROM learned_versions) ORDER BY label, model_id"
    )
    return tuple(StoredHead(x[0], bool(x[1]), bool(x[2]), x[3], x[4]) for x in rows)


def keep(library: Database, found: Sequence[StoredHead], vocabulary_id: int | None) -> None:
    """A new version: these heads in the place of those of the same labels, the others as before."""
    labels = sorted({one.label for one in found})
    others = [one for one in heads(library) if one.label not in labels]
    with library.atomic():
        version = library.execute(
            "INSERT INTO learned_versions (vocabulary_id, labels, made_at) VALUES (?, ?, ?)",
            (vocabulary_id, json.dumps(labels, ensure_ascii=False), now()),
        )
        _put(library, version, [*others, *found])


def renew(library: Database, found: Sequence[StoredHead]) -> None:
    """Add heads of another model to the version that holds; the evidence is the same."""
    with library.atomic():
        version = library.value("SELECT max(id) FROM learned_versions")
        _put(library, int(version), found)


def undo(library: Database) -> list[str] | None:
    """Take the last version back; the labels that it learned, None where there is none."""
    with library.atomic():
        row = library.row("SELECT id, labels FROM learned_versions ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        library.execute("DELETE FROM learned_heads WHERE version_id = ?", (row[0],))
        library.execute("DELETE FROM learned_versions WHERE id = ?", (row[0],))
    return [str(label) for label in json.loads(row[1])]


def verdicts(library: Database) -> dict[str, dict[int, bool]]:
    """Whether labels, as they are shown, are right (True) or wrong on photos, of all verdicts.

    A raw file or video that shares a photo's tags is no evidence of its own: what was said of it is
    said of the photo, unless something was said of that."""
    found: dict[str, dict[int, bool]] = {}
    rows = library.rows(
        "SELECT label, coalesce(lead_id, photo_id), max(confirmed) FROM verdicts "
        "JOIN shown_labels ON shown_labels.id = verdicts.label_id "
        "LEFT JOIN stack_members USING (photo_id) "
        "GROUP BY shown_labels.label_id, photo_id ORDER BY label, lead_id IS NULL, photo_id"
    )
    for label, photo_id, confirmed in rows:
        found.setdefault(label, {})[photo_id] = bool(confirmed)
    return {label: dict(sorted(said.items())) for label, said in found.items()}


def keyword_photos(library: Database) -> dict[str, set[int]]:
    """Photos of each of the user's own keywords, folded; those of a raw file or video that shares a
    photo's tags are the photo's."""
    found: dict[str, set[int]] = {}
    rows = library.rows(
        "SELECT DISTINCT folded, coalesce(lead_id, photo_id) FROM keywords "
        "LEFT JOIN stack_members USING (photo_id)"
    )
    for folded, photo_id in rows:
        found.setdefault(folded, set()).add(photo_id)
    return found


def _put(library: Database, version: int, found: Sequence[StoredHead]) -> None:
    library.execute_many(
        "INSERT OR REPLACE INTO learned_heads SELECT ?, ?, id, ?, ?, ? FROM models WHERE hash = ?",
        [(version, x.label, x.alone, x.from_keywords, x.head, x.model_hash) for x in found],
    )
