"""``qks duplicates``: copies of one file, of one picture, and near copies, in groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Records, say

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.search.lookalikes import Member


def duplicates(
    near: Annotated[
        float | None,
        typer.Option(
            min=0.5, max=1.0, help="Near copies too: least likeness, 0.95 is a good start."
        ),
    ] = None,
    db: Db = None,
    model: Model = "mini",
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """List photos that are there more than once, in groups. Nothing is removed.

    kind: bytes (the same file), pixels (the same picture in another file), near (almost the same
    picture; only with --near, which compares every photo with every other). Exit code 1 where there
    are none.
    """
    writer = Records(format, ("group", "kind", "path", "width", "height"), nul=nul)
    from qks_cli.workflows.session import open_library, tagged_model

    with open_library(db, create=False) as library:
        groups = list(_same_bytes(library))
        if near is not None:
            _, model_id = tagged_model(library, model)
            copies = {x.id: number for number, (_, group) in enumerate(groups) for x in group}
            groups += _near(library, model_id, near, copies)
    records: list[dict[str, Any]] = [
        {
            "group": number,
            "kind": kind,
            "path": str(one.path),
            "width": one.width,
            "height": one.height,
        }
        for number, (kind, group) in enumerate(groups, 1)
        for one in group
    ]
    writer.write(records)
    say(f"{len(groups):,} groups of {len(records):,} photos")
    if not groups:
        raise typer.Exit(1)


def _same_bytes(library: Library) -> Iterator[tuple[str, list[Member]]]:
    from qks_cli.photos.same import file_digest
    from qks_cli.search.lookalikes import same_fingerprint

    for candidates in same_fingerprint(library):
        by_bytes: dict[bytes, list[Member]] = {}
        for one in candidates:
            digest = file_digest(one.path)
            if digest is not None:
                by_bytes.setdefault(digest, []).append(one)
        yield from (("bytes", group) for group in by_bytes.values() if len(group) > 1)


def _near(
    library: Library, model_id: int, likeness: float, copies: dict[int, int]
) -> list[tuple[str, list[Member]]]:
    """Groups by pixels and likeness; ``copies`` tells which photos are copies of one file."""
    from qks_cli.photos.same import pixel_digest
    from qks_cli.search.lookalikes import connected, members, near_pairs

    pairs = [(one, other) for one, other, _ in near_pairs(library, model_id, likeness)]
    by_id = members(library, sorted({photo_id for pair in pairs for photo_id in pair}))
    found = []
    for ids in connected(pairs):
        group = [by_id[photo_id] for photo_id in ids]
        if len({copies.get(photo_id, -photo_id) for photo_id in ids}) == 1:
            continue  # all of them are copies of one file
        same_size = len({(x.width, x.height) for x in group}) == 1
        digests = {pixel_digest(x.path) for x in group} if same_size else set()
        kind = "pixels" if len(digests) == 1 and None not in digests else "near"
        found.append((kind, sorted(group, key=lambda x: str(x.path))))
    return found
