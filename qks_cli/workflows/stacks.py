"""Stacks of photos: found where photos came or changed, corrected by the user, and the tags that
their members share.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.library import stacks
from qks_cli.library.paths import below
from qks_cli.library.stacks import Stack, StackRow
from qks_cli.library.store import Library
from qks_cli.photos.stacking import Candidate, home_of
from qks_cli.photos.stacking import stacks as find
from qks_cli.types import Float32Array, StackMember, StackRole
from qks_cli.workflows.moments import shared_tags

if TYPE_CHECKING:
    from qks_cli.model.tagger import Tagger

FEW = 64  # folders that are read one by one; of more, the whole library is read once
GROUP = 2048  # members that are given tags together


@dataclass(frozen=True, slots=True)
class Listed:
    """A stack with the paths of its members, the main photo first."""

    stack: Stack
    paths: tuple[Path, ...]


def group(library: Library) -> bool:
    """Look for stacks where photos came, changed, moved or went since it was last done; whether
    there were any such photos. Nothing else is looked at, and no photo is read."""
    if library.read_only or not stacks.is_waiting(library):
        return False
    waiting = stacks.waiting(library)
    homes = {home_of(_parted(key)[0]) for _, key in waiting}
    rows = {row.id: row for row in _rows(library, homes)}
    alone, joined = stacks.choices(library)
    candidates = [_candidate(row) for row in rows.values() if row.id not in alone]
    found = _joined(find(candidates), [[x for x in one if x in rows] for one in joined])
    stacks.replace(library, {*rows, *(photo_id for photo_id, _ in waiting)}, found)
    return True


def share(library: Library, tagger: Tagger, model_id: int, vocabulary_id: int) -> int:
    """Give raw files and videos that do not have them yet the query tokens and tags of the photos
    that they were made with; how many were given them."""
    given = 0
    pairs = stacks.to_share(library, model_id)
    for at in range(0, len(pairs), GROUP):
        part = pairs[at : at + GROUP]
        tokens = _tokens(library, [lead_id for _, lead_id in part], model_id)
        own = _tokens(library, [photo_id for photo_id, _ in part], model_id)
        judged = stacks.judged(library, [lead_id for _, lead_id in part])
        part = [pair for pair in part if pair[1] in tokens]
        new = [
            (member, lead)
            for member, lead in part
            if lead in judged or member not in own or not np.array_equal(own[member], tokens[lead])
        ]
        tags = []
        if new:
            leads = [lead for _, lead in new]
            tokens_NME = np.stack([tokens[lead] for lead in leads]).astype(np.float32)
            tags = shared_tags(library, tagger, leads, tokens_NME)
        with library.atomic():
            members = [member for member, _ in new]
            library.tokens.put(members, model_id, [tokens[lead] for _, lead in new])
            stacks.copy_verdicts(library, new)
            choice = (model_id, vocabulary_id, tagger.selection)
            library.tags.put(list(zip(members, tags, strict=True)), *choice)
            stacks.note_shared(library, [member for member, _ in part])
        given += len(new)
    return given


def every(library: Library) -> list[Listed]:
    """All stacks, in the order of their main photos' paths."""
    group(library)
    return _listed(library, stacks.every(library))


def of_paths(library: Library, paths: Sequence[Path]) -> list[Listed]:
    """The stacks that photos at or below these paths are of, in the order of their main photos."""
    from qks_cli.workflows.session import selected

    group(library)
    found = stacks.of(library, [photo_id for photo_id, _ in selected(library, paths)])
    unique = {stack.id: stack for stack in found.values()}
    listed = _listed(library, list(unique.values()))
    return sorted(listed, key=lambda one: str(one.paths[0]))


def join(library: Library, paths: Sequence[Path]) -> Listed:
    """Make photos one stack, with whatever is stacked with them; the first one is the main photo.

    They keep their own tags. Raises ``UsageError`` for fewer than two, or for one that the library
    does not have."""
    ids = _ids(library, paths)
    if len(ids) < 2:
        raise UsageError("a stack takes two photos or more")
    stacks.choose(library, ids, together=True)
    group(library)
    return _listed(library, [stacks.of(library, ids)[ids[0]]])[0]


def split(library: Library, paths: Sequence[Path]) -> int:
    """Have photos stand alone, from now on; returns how many. Raw files that had the tags of a
    photo are read by the next run. Raises as ``join``."""
    ids = _ids(library, paths)
    found = stacks.of(library, ids)
    shared = [x for x in ids if x in found and _role(found[x], x) is StackRole.raw]
    stacks.choose(library, ids, together=False)
    stacks.read_again(library, shared)
    group(library)
    return len(ids)


def reset(library: Library, paths: Sequence[Path]) -> int:
    """Leave photos to the rule again; returns how many. Raises as ``join``."""
    ids = _ids(library, paths)
    stacks.choose(library, ids, together=None)
    group(library)
    return len(ids)


def _rows(library: Library, homes: set[str]) -> list[StackRow]:
    """The photos of these folders, not of those below them but for folders of exports."""
    if len(homes) > FEW:
        return [x for x in stacks.present(library) if home_of(_parted(x.key)[0]) in homes]
    found = {}
    for home in homes:
        where, values = below(Path(home or "/"))
        for row in stacks.present(library, where, values):
            if home_of(_parted(row.key)[0]) == home:
                found[row.id] = row
    return list(found.values())


def _parted(key: str | bytes) -> tuple[str, str]:
    """Folder and name of a stored path."""
    folder, _, name = os.fsdecode(key).rpartition("/")
    return folder, name


def _candidate(row: StackRow) -> Candidate:
    folder, name = _parted(row.key)
    return Candidate(
        row.id, folder, name, row.size, row.taken_at, row.camera, bool(row.exposed), row.rating
    )


def _joined(
    found: list[list[StackMember]], joined: Sequence[Sequence[int]]
) -> list[list[StackMember]]:
    """Stacks with those made one that the user joined."""
    for ids in joined:
        if len(ids) > 1:
            stack_of = {x.id: one for one in found for x in one}
            whole: dict[int, StackMember] = {}
            for photo_id in ids:
                for member in stack_of.get(photo_id, [StackMember(photo_id, StackRole.photo)]):
                    whole.setdefault(member.id, member)
            for photo_id in ids[1:]:
                if whole[photo_id].role is StackRole.photo:
                    whole[photo_id] = StackMember(photo_id, StackRole.joined)
            rest = [one for one in found if not any(x.id in whole for x in one)]
            found = [*rest, [whole.pop(ids[0]), *whole.values()]]
    return found


def _tokens(library: Library, photo_ids: Sequence[int], model_id: int) -> dict[int, Float32Array]:
    have, tokens_NME = library.tokens.of(list(dict.fromkeys(photo_ids)), model_id)
    return {} if tokens_NME is None else dict(zip(have, tokens_NME, strict=True))


def _listed(library: Library, found: Sequence[Stack]) -> list[Listed]:
    paths = library.photos.paths_of([x for stack in found for x in stack.members])
    return [Listed(stack, tuple(paths[x] for x in stack.members)) for stack in found]


def _ids(library: Library, paths: Sequence[Path]) -> list[int]:
    """Ids of photos, in the order given, with the library's stacks up to date."""
    from qks_cli.photos.walk import absolute

    group(library)
    whole = [absolute(path.expanduser()) for path in paths]
    known = library.photos.known(whole)
    for path in whole:
        if path not in known:
            raise UsageError(f"{path} is not in the library", hint="run `qks tag` on it first")
    return list(dict.fromkeys(known[path].id for path in whole))


def _role(stack: Stack, photo_id: int) -> StackRole:
    return stack.roles[stack.members.index(photo_id)]
