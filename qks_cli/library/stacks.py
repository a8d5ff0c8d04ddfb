"""Stacks of photos: which members each has, in their order, and what the user said of them.

A photo is of one stack at most, and a stack has two members or more; triggers see to that when
photos are forgotten (migrations/m015_stacks.py). The first member is the main photo.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from qks_cli.library.database import Database
from qks_cli.types import StackMember, StackRole

KINDS = tuple(role.value for role in StackRole if role is not StackRole.photo)


@dataclass(frozen=True, slots=True)
class StackRow:
    """A photo as the rule sees it; ``key`` is its stored path."""

    id: int
    key: str | bytes
    size: int
    taken_at: str | None
    camera: str | None
    exposed: int  # 1 where a camera noted that date, and an exposure time
    rating: int | None


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as it stands; ``members`` are ids, the main photo first. ``kinds`` are the roles of
    its members but the photo's own, in the order of ``KINDS``."""

    id: int
    members: tuple[int, ...]
    roles: tuple[StackRole, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it holds beside its photo: burst, edited, raw, live, joined."""
        return tuple(kind for kind in KINDS if kind in self.roles)


# What has to be looked at


def waiting(library: Database) -> list[tuple[int, str | bytes]]:
    """Ids and stored paths of photos that are new, changed, moved, gone or back since stacks were
    last looked for, and of the other members of the stacks that they are of."""
    dirty = "SELECT id FROM photos WHERE stacked = 0"
    return library.rows(
        f"SELECT id, path FROM photos WHERE id IN ({dirty}) OR id IN (SELECT photo_id FROM "
        "stack_members WHERE stack_id IN (SELECT stack_id FROM stack_members WHERE photo_id IN "
        f"({dirty})))"
    )


def is_waiting(library: Database) -> bool:
    """Whether there is any such photo."""
    return library.row("SELECT 1 FROM photos WHERE stacked = 0 LIMIT 1") is not None


def present(
    library: Database, where: str = "1", values: Sequence[object] = ()
) -> Iterable[StackRow]:
    """Photos that are there and could be read, of those that a condition holds for."""
    rows = library.parts(
        "SELECT id, path, size, taken_at, camera, exposure IS NOT NULL AND taken_from = 'exif', "
        f"rating FROM photos WHERE status = 'ok' AND missing_since IS NULL AND {where}",
        values,
        size=4096,
    )
    return (StackRow(*row) for part in rows for row in part)


# What was found


def replace(
    library: Database,
    looked_at: Collection[int],
    found: Sequence[Sequence[StackMember]],
) -> None:
    """Store the stacks among photos, all of whose stacks were looked for anew, main photos first.

    Members that share the tags of the same photo as before still do, unless one of them has
    changed."""
    with library.atomic():
        shared = _still_shared(library, list(looked_at))
        library.execute_many(
            "DELETE FROM stack_members WHERE photo_id = ?", [(x,) for x in looked_at]
        )
        library.execute_many(
            "INSERT INTO stack_members VALUES (?, ?, ?, ?, ?, ?)",
            [
                (x.id, min(y.id for y in members), place, x.role, x.lead, (x.id, x.lead) in shared)
                for members in found
                for place, x in enumerate(members)
            ],
        )
        library.execute_many(
            "UPDATE photos SET stacked = 1 WHERE id = ? AND stacked = 0", [(x,) for x in looked_at]
        )


def _still_shared(library: Database, ids: Sequence[int]) -> set[tuple[int, int | None]]:
    rows = library.rows_in(
        "SELECT photo_id, lead_id FROM stack_members JOIN photos ON photos.id = photo_id "
        "JOIN photos AS leads ON leads.id = lead_id "
        "WHERE shared AND photos.stacked AND leads.stacked AND photo_id IN ({})",
        ids,
    )
    return {(photo_id, lead_id) for photo_id, lead_id in rows}


# Shared tags


def to_share(library: Database, model_id: int) -> list[tuple[int, int]]:
    """Members that do not share the tags of their photo yet, and that photo, where it was tagged
    with this model."""
    rows = library.rows(
        "SELECT photo_id, lead_id FROM stack_members JOIN photos ON photos.id = lead_id "
        "WHERE NOT shared AND photos.model_id = ? ORDER BY photo_id",
        (model_id,),
    )
    return [(photo_id, lead_id) for photo_id, lead_id in rows]


def copy_verdicts(library: Database, pairs: Sequence[tuple[int, int]]) -> None:
    """Within a transaction of the caller's: say of members what the user said of their photos, but
    where something was said of the member itself."""
    library.execute_many(
        "INSERT OR IGNORE INTO verdicts (photo_id, label_id, confirmed, made_at) "
        "SELECT ?, label_id, confirmed, made_at FROM verdicts WHERE photo_id = ?",
        pairs,
    )


def judged(library: Database, photo_ids: Sequence[int]) -> set[int]:
    """Of these photos, those of whose tags the user said something."""
    sql = "SELECT DISTINCT photo_id FROM verdicts WHERE photo_id IN ({})"
    return {photo_id for (photo_id,) in library.rows_in(sql, photo_ids)}


def note_shared(library: Database, members: Iterable[int]) -> None:
    """Within a transaction of the caller's: these members share their photo's tags."""
    library.execute_many(
        "UPDATE stack_members SET shared = 1 WHERE photo_id = ?", [(x,) for x in members]
    )


def sharing(library: Database, photo_ids: Sequence[int]) -> dict[int, list[int]]:
    """The photos that share their tags with each of these: the raw file and the video of a photo,
    the photo of a raw file. Photos that share with none are left out."""
    leads = {x: x for x in photo_ids}
    sql = "SELECT photo_id, lead_id FROM stack_members WHERE lead_id NOT NULL AND photo_id IN ({})"
    leads |= {photo_id: lead_id for photo_id, lead_id in library.rows_in(sql, photo_ids)}
    sql = "SELECT lead_id, photo_id FROM stack_members WHERE lead_id IN ({}) ORDER BY place"
    members: dict[int, list[int]] = {}
    for lead_id, photo_id in library.rows_in(sql, sorted(set(leads.values()))):
        members.setdefault(lead_id, [lead_id]).append(photo_id)
    return {
        photo_id: [x for x in members[lead_id] if x != photo_id]
        for photo_id, lead_id in leads.items()
        if lead_id in members
    }


def with_sharing(library: Database, photo_ids: Sequence[int]) -> list[int]:
    """These photos, each followed by those that share its tags; every one once."""
    others = sharing(library, photo_ids)
    return list(dict.fromkeys(x for one in photo_ids for x in (one, *others.get(one, ()))))


def leads(library: Database) -> dict[int, int]:
    """The photo whose tags every raw file and video shares that shares one's."""
    return dict(library.rows("SELECT photo_id, lead_id FROM stack_members WHERE lead_id NOT NULL"))


def companions(library: Database, photo_ids: Sequence[int]) -> set[int]:
    """Of these photos, the raw files and videos that share the tags of another."""
    sql = "SELECT photo_id FROM stack_members WHERE lead_id NOT NULL AND photo_id IN ({})"
    return {photo_id for (photo_id,) in library.rows_in(sql, photo_ids)}


# Asked for


def of(library: Database, photo_ids: Sequence[int]) -> dict[int, Stack]:
    """The stacks of photos, by photo; those that stand alone are left out."""
    sql = "SELECT DISTINCT stack_id FROM stack_members WHERE photo_id IN ({})"
    numbers = sorted({number for (number,) in library.rows_in(sql, photo_ids)})
    stacks = _stacks(library, numbers)
    wanted = set(photo_ids)
    return {x: stack for stack in stacks for x in stack.members if x in wanted}


def every(library: Database) -> list[Stack]:
    """All stacks, in the order of their main photos' paths."""
    rows = library.rows(
        "SELECT stack_id, path FROM stack_members JOIN photos ON photos.id = photo_id "
        "ORDER BY stack_id, place"
    )
    mains: dict[int, str] = {}
    for number, key in rows:
        mains.setdefault(number, str(key))
    return _stacks(library, sorted(mains, key=lambda x: (mains[x], x)))


def places(library: Database) -> list[tuple[int, int, int]]:
    """Photo, stack and place in it of every member."""
    return library.rows("SELECT photo_id, stack_id, place FROM stack_members")


def one_each(library: Database, photo_ids: Collection[int]) -> set[int]:
    """Of these photos, one a stack: the first in its order."""
    first: dict[int, tuple[int, int]] = {}
    wanted, others = set(photo_ids), set()
    for photo_id, number, place in places(library):
        if photo_id in wanted:
            others.add(photo_id)
            first[number] = min(first.get(number, (place, photo_id)), (place, photo_id))
    return wanted - others | {photo_id for _, photo_id in first.values()}


def not_main(library: Database) -> set[int]:
    """The members of stacks that are not its main photo."""
    rows = library.rows(
        "SELECT photo_id FROM stack_members WHERE place > (SELECT min(place) FROM stack_members "
        "AS others WHERE others.stack_id = stack_members.stack_id)"
    )
    return {photo_id for (photo_id,) in rows}


def _stacks(library: Database, numbers: Sequence[int]) -> list[Stack]:
    members: dict[int, list[tuple[int, str]]] = {number: [] for number in numbers}
    sql = "SELECT stack_id, photo_id, role FROM stack_members WHERE stack_id IN ({}) ORDER BY place"
    for number, photo_id, role in library.rows_in(sql, numbers):
        members[number].append((photo_id, role))
    return [
        Stack(number, tuple(x for x, _ in own), tuple(StackRole(role) for _, role in own))
        for number, own in members.items()
    ]


# Said by the user


def choices(library: Database) -> tuple[set[int], list[list[int]]]:
    """Photos that stand alone because the user said so, and photos that are one stack."""
    alone: set[int] = set()
    joined: dict[int, list[int]] = {}
    rows = library.rows("SELECT photo_id, joined FROM stack_choices ORDER BY joined, place")
    for photo_id, number in rows:
        if number is None:
            alone.add(photo_id)
        else:
            joined.setdefault(number, []).append(photo_id)
    return alone, list(joined.values())


def apart(library: Database, photo_ids: Sequence[int]) -> set[int]:
    """Of these photos, those that stand alone because the user said so."""
    sql = "SELECT photo_id FROM stack_choices WHERE joined IS NULL AND photo_id IN ({})"
    return {photo_id for (photo_id,) in library.rows_in(sql, photo_ids)}


def choose(library: Database, photo_ids: Sequence[int], *, together: bool | None) -> None:
    """Say that photos are one stack (``together``), with all that they were joined to before; that
    each stands alone (False), or neither any more (None). They have to be looked at again."""
    rows = [(x,) for x in photo_ids]
    with library.atomic():
        number = None
        if together:
            number = library.value("SELECT coalesce(max(joined), 0) + 1 FROM stack_choices")
            library.execute_many(
                "UPDATE stack_choices SET joined = ? WHERE joined = "
                "(SELECT joined FROM stack_choices WHERE photo_id = ?)",
                [(number, x) for x in photo_ids],
            )
        library.execute_many("DELETE FROM stack_choices WHERE photo_id = ?", rows)
        if together is not None:
            library.execute_many(
                "INSERT INTO stack_choices VALUES (?, ?, ?)",
                [(x, number, place) for place, x in enumerate(photo_ids)],
            )
        library.execute_many("UPDATE photos SET stacked = 0 WHERE id = ?", rows)


def read_again(library: Database, photo_ids: Sequence[int]) -> None:
    """Have photos read by the next run: the tags that they have are another photo's."""
    with library.atomic():
        library.execute_many(
            "UPDATE photos SET model_id = NULL WHERE id = ?", [(x,) for x in photo_ids]
        )


def kinds_of(stacks: Iterable[Stack]) -> Mapping[str, int]:
    """How many stacks hold each kind, in the order of ``KINDS``."""
    counted = dict.fromkeys(KINDS, 0)
    for stack in stacks:
        for kind in stack.kinds:
            counted[kind] += 1
    return {kind: count for kind, count in counted.items() if count}
