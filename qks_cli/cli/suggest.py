"""``qks suggest``: which photos to judge next."""

from __future__ import annotations

from typing import Annotated

import typer

from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Row, Writer, say


def suggest(
    label: Annotated[
        list[str] | None,
        typer.Argument(help="Labels. Default: those that you confirmed or rejected on some photo."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Photos at most.")] = 20,
    format: RowFormat = None,
    nul: Null = False,
    db: Db = None,
    model: Model = "mini",
) -> None:
    """List the photos whose verdicts would teach `qks learn` most.

    Their scores are near the label's cut-off, and they are unlike each other and unlike the photos
    that were judged before. Look at them, then confirm or reject the label; the output of `--format
    paths` can be piped into `qks tags confirm LABEL -`. Exit code 1 where there is none.
    """
    writer = Writer(format, nul=nul)
    from qks_cli.types import Tag
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.suggest import suggest as choose

    with open_library(db) as library:
        found = choose(library, label or (), limit=limit, model=model)
    writer.write(
        Row(
            one.path,
            (Tag(one.label, one.score, 0),),
            {
                "label": one.label,
                "score": round(one.score, 4),
                "cutoff": round(one.cutoff, 4),
            },
        )
        for one in found
    )
    writer.close()
    if not found:
        say("nothing to suggest: every photo was judged, or the library is empty")
        raise typer.Exit(1)
