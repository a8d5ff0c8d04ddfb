"""The tags of photos, under the names that labels are shown as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from qks_cli.folding import fold
from qks_cli.library import moments
from qks_cli.library.database import PRESENT, Database, in_chunks, now, placeholders
from qks_cli.types import Int64Array, Tag

SAME = 1e-5  # the last bits of a score depend on how many labels are scored together

_Said: TypeAlias = tuple[float, int, bool]
"""Score, query token, and whether another tag implies it."""


@dataclass(frozen=True, slots=True)
class Edits:
    """Tags that change on photos of which nothing was confirmed or rejected. On ``photo_ids`` some
    do: ``puts`` are photo, label, score and query token; ``drops`` photo and label. ``whole`` are
    all tags of other photos; of these, too, only what differs is written."""

    photo_ids: Sequence[int]
    puts: Sequence[tuple[int, str, float, int]] = ()
    drops: Sequence[tuple[int, str]] = ()
    whole: Sequence[tuple[int, Sequence[Tag]]] = ()


class Tags:
    """Rows of ``tags`` and ``labels``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = {}

    def of(self, photo_ids: Sequence[int]) -> dict[int, list[Tag]]:
        """The stored tags, best first; every id has an entry."""
        found: dict[int, list[Tag]] = {photo_id: [] for photo_id in photo_ids}
        rows = self._database.rows_in(
            # Of labels that are shown as one, the best score stands (SQLite takes the other
            # columns from the row of the maximum).
            "SELECT photo_id, label, max(score), token, implied FROM tags "
            "JOIN shown_labels ON shown_labels.id = tags.label_id "
            "WHERE photo_id IN ({}) GROUP BY photo_id, shown_labels.label_id "
            "ORDER BY 3 DESC, label",
            photo_ids,
        )
        seen = moments.seconds_of(self._database, photo_ids)
        for photo_id, name, score, token, implied in rows:
            seconds = seen[photo_id].get(name, ()) if photo_id in seen else ()
            found[photo_id].append(Tag(name, score, token, bool(implied), seconds))
        return found

    def carried(self, label: str) -> list[tuple[int, float]]:
        """Ids and scores of the photos that carry this label, under whatever name it is shown, and
        are there. An id may come twice."""
        return self._database.rows(
            "SELECT photo_id, score FROM tags WHERE label_id IN (SELECT id FROM shown_labels WHERE "
            "label_id = (SELECT coalesce(shown_as, id) FROM labels WHERE name = ?)) "
            f"AND {PRESENT} "
            # A keyword of the user's own is certain.
            f"UNION ALL SELECT photo_id, 1.0 FROM keywords WHERE folded = ? AND {PRESENT}",
            (label, fold(label)),
        )

    def carrying(self, photo_ids: Sequence[int], label: str) -> set[int]:
        """Those of these photos with a tag that was stored under this name."""
        sql = (
            "SELECT photo_id FROM tags WHERE label_id = (SELECT id FROM labels WHERE name = ?) "
            "AND photo_id BETWEEN ? AND ?"
        )
        ends = min(photo_ids, default=0), max(photo_ids, default=0)
        return {photo_id for (photo_id,) in self._database.rows(sql, (label, *ends))}

    def numbers(self, photo_ids: Sequence[int]) -> Int64Array:
        """How many tags each photo has that no other tag implies."""
        ends = min(photo_ids, default=0), max(photo_ids, default=0)
        found: dict[int, int] = dict(
            self._database.rows(
                "SELECT photo_id, count(*) FROM tags WHERE photo_id BETWEEN ? AND ? "
                "AND NOT implied GROUP BY photo_id",
                ends,
            )
        )
        return np.array([found.get(photo_id, 0) for photo_id in photo_ids], np.int64)

    def names(self) -> list[str]:
        """Every label that a tag was stored with or is shown as, and the user's keywords."""
        rows = self._database.rows(
            "SELECT DISTINCT keyword FROM keywords UNION ALL SELECT name FROM labels"
        )
        return [str(name) for (name,) in rows]

    def shown_name(self, label: str) -> str | None:
        """What a stored label is shown as; None where it is not shown."""
        name: str | None = self._database.value(
            "SELECT label FROM shown_labels WHERE id = (SELECT id FROM labels WHERE name = ?)",
            (label,),
        )
        return name

    # Within a transaction of the caller's

    def put(
        self,
        tags: Sequence[tuple[int, Sequence[Tag]]],
        model_id: int,
        vocabulary_id: int,
        selection: str,
    ) -> None:
        """Replace the tags of photos, by id."""
        # A few hundred photos a statement: a third of the time of one statement each.
        parts = [(part, placeholders(part)) for part in in_chunks([x for x, _ in tags])]
        for part, marks in parts:
            self._database.execute(f"DELETE FROM tags WHERE photo_id IN ({marks})", part)
        self._database.execute_many(
            "INSERT INTO tags VALUES (?, ?, ?, ?, ?)",
            [
                (photo_id, self._label_id(tag.label), tag.score, tag.token, tag.implied)
                for photo_id, own in tags
                for tag in own
            ],
        )
        ids = [photo_id for photo_id, _ in tags]
        self._tagged(ids, model_id, vocabulary_id, selection)

    def edit(self, edits: Edits, model_id: int, vocabulary_id: int, selection: str) -> None:
        """Change some tags of photos, by id; the others stay."""
        drops = [(photo_id, self._label_id(label)) for photo_id, label in edits.drops]
        puts: list[tuple[int, int, _Said]] = [
            (x, self._label_id(label), (score, token, False))
            for x, label, score, token in edits.puts
        ]
        self._add_different(edits.whole, puts, drops)
        self._database.execute_many("DELETE FROM tags WHERE photo_id = ? AND label_id = ?", drops)
        self._database.execute_many(
            "INSERT OR REPLACE INTO tags VALUES (?, ?, ?, ?, ?)",
            [(photo_id, label_id, *said) for photo_id, label_id, said in puts],
        )
        ids = [*edits.photo_ids, *(photo_id for photo_id, _ in edits.whole)]
        self._tagged(ids, model_id, vocabulary_id, selection)

    def _add_different(
        self,
        whole: Sequence[tuple[int, Sequence[Tag]]],
        puts: list[tuple[int, int, _Said]],
        drops: list[tuple[int, int]],
    ) -> None:
        """What makes the stored tags of these photos what they are to be: to read them takes a
        fraction of the time of writing them again."""
        stored: dict[int, dict[int, _Said]] = {photo_id: {} for photo_id, _ in whole}
        sql = "SELECT photo_id, label_id, score, token, implied FROM tags WHERE photo_id IN ({})"
        for photo_id, label_id, *said in self._database.rows_in(sql, list(stored)):
            stored[photo_id][label_id] = (said[0], said[1], bool(said[2]))
        for photo_id, tags in whole:
            before = stored[photo_id]
            for tag in tags:
                label_id, now_said = self._label_id(tag.label), (tag.score, tag.token, tag.implied)
                said_before = before.pop(label_id, None)
                if said_before is None or _differ(said_before, now_said):
                    puts.append((photo_id, label_id, now_said))
            drops += [(photo_id, label_id) for label_id in before]

    def _tagged(
        self, photo_ids: Sequence[int], model_id: int, vocabulary_id: int, selection: str
    ) -> None:
        how = (model_id, vocabulary_id, selection, now())
        for part in in_chunks(photo_ids):
            self._database.execute(
                "UPDATE photos SET model_id = ?, vocabulary_id = ?, selection = ?, tagged_at = ? "
                f"WHERE id IN ({placeholders(part)})",
                [*how, *part],
            )

    def forget_ids(self) -> None:
        """After a transaction came to nothing: labels that it made are not there."""
        self._ids.clear()

    def _label_id(self, name: str) -> int:
        if name not in self._ids:
            self._database.execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            row = self._database.value("SELECT id FROM labels WHERE name = ?", (name,))
            self._ids[name] = int(row)
        return self._ids[name]


def _differ(one: _Said, other: _Said) -> bool:
    return one[1:] != other[1:] or abs(one[0] - other[0]) >= SAME
