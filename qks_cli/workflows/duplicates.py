"""Photos that are there more than once: copies of a file, of a picture, and near copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from qks_cli.library import stacks
from qks_cli.library.store import Library
from qks_cli.photos.digests import file_digest, pixel_digest
from qks_cli.search.lookalikes import (
    Member,
    connected,
    files,
    members,
    near_pairs,
    same_fingerprint,
)
from qks_cli.workflows.session import tagged_model


class Kind(StrEnum):
    """What the photos of a group share: all bytes, all pixels, or nearly all that is seen."""

    bytes = "bytes"
    pixels = "pixels"
    near = "near"


@dataclass(frozen=True, slots=True)
class Group:
    """Photos that are copies of each other, by path."""

    kind: Kind
    photos: tuple[Member, ...]


def duplicates(library: Library, *, near: float | None = None, model: str = "mini") -> list[Group]:
    """Groups of copies. With ``near`` every photo is compared with every other, and those whose
    cosine similarity is at least that much belong together.

    Raises ``ModelError`` where ``near`` is asked for and the model tagged nothing here."""
    groups = list(_same_bytes(library))
    if near is not None:
        _, model_id = tagged_model(library, model)
        group_of = {x.id: number for number, one in enumerate(groups) for x in one.photos}
        groups += _near(library, model_id, near, group_of)
    return groups


def _same_bytes(library: Library) -> Iterator[Group]:
    for candidates in same_fingerprint(library):
        by_bytes: dict[bytes, list[Member]] = {}
        for one in files(candidates):
            digest = file_digest(one.path)
            if digest is not None:
                by_bytes.setdefault(digest, []).append(one)
        for same in by_bytes.values():
            if len(same) > 1:
                yield Group(Kind.bytes, tuple(same))


def _near(
    library: Library, model_id: int, similarity: float, group_of: dict[int, int]
) -> Iterator[Group]:
    """Groups by pixels and similarity; ``group_of`` tells which photos are copies of one file."""
    # A raw file and a video have the query tokens of their photo, and are no copies of it.
    lead = stacks.leads(library)
    pairs = [
        (one, other)
        for one, other, _ in near_pairs(library, model_id, similarity)
        if lead.get(one, one) != lead.get(other, other)
    ]
    by_id = members(library, sorted({photo_id for pair in pairs for photo_id in pair}))
    for ids in connected(pairs):
        photos = sorted(files(by_id[x] for x in ids), key=lambda x: str(x.path))
        if len(photos) < 2:
            continue
        if len({group_of.get(x.id, -x.id) for x in photos}) == 1:
            continue  # all of them are copies of one file
        same_size = len({(x.width, x.height) for x in photos}) == 1
        digests = {pixel_digest(x.path) for x in photos} if same_size else set()
        same = len(digests) == 1 and None not in digests
        yield Group(Kind.pixels if same else Kind.near, tuple(photos))
