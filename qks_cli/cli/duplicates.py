"""``qks duplicates``: copies of one file, of one picture, and near copies, in groups."""

from __future__ import annotations

from typing import Annotated

import typer

from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Records, count_of, say

Near = Annotated[
    float | None,
    typer.Option(
        min=0.5, max=1.0, help="Lowest similarity of near copies to list too; 0.95 is a good start."
    ),
]


def duplicates(
    near: Near = None,
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
    from qks_cli.api import open_library

    with open_library(db) as library:
        groups = library.duplicates(near=near, model=model)
    records = [
        {
            "group": number,
            "kind": group.kind.value,
            "path": str(one.path),
            "width": one.width,
            "height": one.height,
        }
        for number, group in enumerate(groups, 1)
        for one in group.photos
    ]
    writer.write(records)
    say(f"{count_of(len(groups), 'group')} of {count_of(len(records), 'photo')}")
    if not groups:
        raise typer.Exit(1)
