"""What the user says of single tags: confirmed, rejected, or neither any more.

The library's triggers (migrations/m006_verdicts.py) keep later runs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qks_cli.errors import UsageError
from qks_cli.library.database import Database, now, placeholders
from qks_cli.library.labels import known_ids, nearest, shown_ids
from qks_cli.library.migrations.m006_verdicts import BY_HAND


def confirm(library: Database, photo_ids: Sequence[int], name: str, *, add: bool) -> int:
    """Say that a label is right on photos; on those that do not carry it only where ``add``.

    Returns the number of photos. Raises ``UsageError`` for what cannot be a label, or for a label
    that nothing carries unless ``add``."""
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise UsageError(f"'{name}' cannot be the name of a label")
    ids = shown_ids(library, name)
    if not ids and not add:
        hint = nearest(library, name, "--add gives it to photos")
        raise UsageError(f"no label '{name}' in this library", hint=hint)
    with library.atomic():
        execute = library.execute
        if not ids:
            execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            execute("UPDATE labels SET hidden = 0, shown_as = NULL WHERE name = ?", (name,))
            ids = shown_ids(library, name)
        pairs = [row[:2] for row in _judged(library, "tags", photo_ids, ids)]
        carried = {photo_id for photo_id, _ in pairs}
        main = _main(library, name, ids)
        bare = [photo_id for photo_id in photo_ids if photo_id not in carried] if add else []
        said = [*pairs, *((photo_id, main) for photo_id in bare)]
        _say(library, said, _of_model(library, photo_ids, ids), confirmed=True)
        library.execute_many(f"INSERT OR IGNORE INTO tags VALUES (?, ?, {BY_HAND})", said)
        library.execute_many(
            "UPDATE tags SET (score, token, implied) = "
            f"({BY_HAND}) WHERE photo_id = ? AND label_id = ?",
            said,
        )
    return len(carried) + len(bare)


def reject(
    library: Database, photo_ids: Sequence[int], name: str, *, in_vocabulary: bool = False
) -> int:
    """Say that a label is wrong on photos: it goes, and later runs do not bring it back.

    Returns on how many it stood. Raises ``UsageError`` where there is no such label, unless it is
    ``in_vocabulary``: then no photo has carried it yet."""
    ids = shown_ids(library, name) if in_vocabulary else known_ids(library, name)
    with library.atomic():
        if not ids:
            library.execute("INSERT OR IGNORE INTO labels (name) VALUES (?)", (name,))
            ids = known_ids(library, name)
        carried = [row[:2] for row in _judged(library, "tags", photo_ids, ids)]
        model = _of_model(
            library, photo_ids, ids
        )  # before the tags go, and what is known with them
        library.execute_many("DELETE FROM tags WHERE photo_id = ? AND label_id = ?", carried)
        wanted = [(photo_id, label_id) for photo_id in photo_ids for label_id in ids]
        _say(library, wanted, model, confirmed=False)
    return len({photo_id for photo_id, _ in carried})


def reset(library: Database, photo_ids: Sequence[int], name: str) -> int:
    """Take verdicts on a label back: photos carry it where the model says so.

    Returns on how many photos there was one."""
    ids = known_ids(library, name)
    with library.atomic():
        found = _judged(library, "verdicts", photo_ids, ids)
        many = library.execute_many
        pairs = [row[:2] for row in found]
        many("DELETE FROM verdicts WHERE photo_id = ? AND label_id = ?", pairs)
        many("DELETE FROM tags WHERE photo_id = ? AND label_id = ?", pairs)
        kept = [row for row in found if row[2] is not None]
        many("INSERT INTO tags VALUES (?, ?, ?, ?, ?)", kept)
    return len({row[0] for row in found})


def confirmed(library: Database, photo_ids: Sequence[int]) -> dict[int, set[str]]:
    """The labels, as they are shown, that the user confirmed on each photo."""
    found: dict[int, set[str]] = {photo_id: set() for photo_id in photo_ids}
    rows = library.rows_in(
        "SELECT photo_id, label FROM verdicts "
        "JOIN shown_labels ON shown_labels.id = verdicts.label_id "
        "WHERE confirmed AND photo_id IN ({})",
        photo_ids,
    )
    for photo_id, label in rows:
        found[photo_id].add(label)
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the user confirmed a label on a photo or rejected it, and what the model says: a
    score from 0 to 1, None where it does not say it."""

    confirmed: bool
    score: float | None


def of(library: Database, photo_ids: Sequence[int]) -> dict[int, dict[str, Verdict]]:
    """The verdicts on photos, by the labels as they are shown; every id has an entry. Of labels
    that are shown as one, a confirmed one counts."""
    found: dict[int, dict[str, Verdict]] = {photo_id: {} for photo_id in photo_ids}
    rows = library.rows_in(
        "SELECT photo_id, label, max(confirmed), max(score) FROM verdicts "
        "JOIN shown_labels ON shown_labels.id = verdicts.label_id "
        "WHERE photo_id IN ({}) GROUP BY photo_id, shown_labels.label_id",
        photo_ids,
    )
    for photo_id, label, is_confirmed, score in rows:
        found[photo_id][label] = Verdict(bool(is_confirmed), score)
    return found


def on_label(library: Database, name: str) -> dict[int, bool]:
    """Photos of which a label was confirmed (True) or rejected, as it is shown; none where there is
    no such label."""
    ids = shown_ids(library, name)
    sql = "SELECT photo_id, max(confirmed) FROM verdicts WHERE label_id IN ({}) GROUP BY photo_id"
    rows = library.rows(sql.format(placeholders(ids)), ids)
    return {photo_id: bool(is_confirmed) for photo_id, is_confirmed in rows}


def photos(library: Database) -> set[int]:
    """Photos of which anything was confirmed or rejected."""
    return {photo_id for (photo_id,) in library.rows("SELECT DISTINCT photo_id FROM verdicts")}


@dataclass(frozen=True, slots=True)
class Judgements:
    """Photos on which the user confirmed or rejected a label; ``missed`` are confirmed ones that
    the model does not give it, ``wrong`` rejected ones that it does."""

    label: str
    confirmed: int
    rejected: int
    missed: int
    wrong: int


def judgements(library: Database) -> list[Judgements]:
    """What was said of every label of which something was. What was said of a photo and of the raw
    file or video that shares its tags counts once."""
    rows = library.rows(
        "SELECT label, sum(confirmed), sum(NOT confirmed), sum(confirmed AND score IS NULL), "
        "sum(NOT confirmed AND score IS NOT NULL) FROM verdicts "
        "JOIN shown_labels ON shown_labels.id = verdicts.label_id "
        "WHERE NOT EXISTS (SELECT 1 FROM stack_members JOIN verdicts AS leads "
        "ON leads.photo_id = lead_id AND leads.label_id = verdicts.label_id "
        "WHERE stack_members.photo_id = verdicts.photo_id) "
        "GROUP BY shown_labels.label_id ORDER BY label"
    )
    return [Judgements(*row) for row in rows]


Pair = tuple[int, int]
Row = tuple[int, int, float | None, int | None, int | None]


def _of_model(
    library: Database, photo_ids: Sequence[int], label_ids: Sequence[int]
) -> dict[Pair, Row]:
    """What the model says, by photo and label: as an earlier verdict noted it, else the tag."""
    rows = _judged(library, "tags", photo_ids, label_ids)
    rows += _judged(library, "verdicts", photo_ids, label_ids)
    return {row[:2]: row for row in rows}


def _say(
    library: Database, pairs: Sequence[Pair], model: Mapping[Pair, Row], *, confirmed: bool
) -> None:
    """Enter verdicts, each with what the model says."""
    rows = [model.get(pair, (*pair, None, None, None)) for pair in pairs]
    library.execute_many(
        "INSERT INTO verdicts (photo_id, label_id, confirmed, score, token, implied, made_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET confirmed = excluded.confirmed, "
        "score = excluded.score, token = excluded.token, implied = excluded.implied, "
        "made_at = excluded.made_at",
        [(photo, label, confirmed, *rest, now()) for photo, label, *rest in rows],
    )


def _judged(
    library: Database, table: str, photo_ids: Sequence[int], label_ids: Sequence[int]
) -> list[Row]:
    """Rows of ``tags`` or ``verdicts`` of these photos and labels."""
    rows = library.rows_in(
        f"SELECT photo_id, label_id, score, token, implied FROM {table} "
        f"WHERE label_id IN ({placeholders(label_ids)}) AND photo_id IN ({{}})",
        photo_ids,
        before=label_ids,
    )
    return list(rows)


def _main(library: Database, name: str, ids: Sequence[int]) -> int:
    main = library.value("SELECT id FROM labels WHERE name = ?", (name,))
    return int(main) if main in ids else ids[0]
