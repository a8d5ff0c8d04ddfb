"""``qks diff``: which photos gain or lose which tags between two vocabularies or libraries."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, MinScore, Model, Null, RowFormat, Top
from qks_cli.cli.output import Row, Writer, count_of, say

if TYPE_CHECKING:
    from qks_cli.workflows.diff import Difference

MOST = 8  # labels that a terminal is told of


def diff(
    old: Annotated[
        str,
        typer.Argument(help="A version (`qks labels versions`), labels file, library or 'now'."),
    ],
    new: Annotated[str, typer.Argument(help="Another one.")] = "now",
    db: Db = None,
    model: Model = "mini",
    min_score: MinScore = None,
    top: Top = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Show which photos gained or lost tags, without reading a photo or changing anything.

    A version number or a labels file: what its words would say of the library's photos now. A
    library file (a backup, or one tagged with another model): the tags stored there. 'now': the
    tags stored in this library. Exit code 1 where nothing differs.
    """
    writer = Writer(format, nul=nul, run=True)
    from qks_cli.api import open_library

    with open_library(db) as library:
        found = library.diff(old, new, model=model, min_score=min_score, top=top)
    writer.write(_row(one) for one in found.changed)
    writer.close()
    if writer.silent:
        for word in ("gained", "lost"):
            labels = Counter(label for one in found.changed for label in getattr(one, word))
            if labels:
                parts = [f"{label} {count:,}" for label, count in labels.most_common(MOST)]
                say(f"{word}: {', '.join(parts)}{', …' if len(labels) > MOST else ''}")
    alone = f"; {count_of(found.alone, 'photo')} on one side only" if found.alone else ""
    say(f"{len(found.changed):,} of {count_of(found.common, 'photo')} differ{alone}")
    if not found.changed:
        raise typer.Exit(1)


def _row(one: Difference) -> Row:
    note = " ".join([*(f"+{label}" for label in one.gained), *(f"-{label}" for label in one.lost)])
    return Row(one.path, (), {"gained": list(one.gained), "lost": list(one.lost)}, f"{note}  ")
