"""``qks similar``: photos that look like one photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Writer


def similar(
    photo: Annotated[Path, typer.Argument(help="A photo, in the library or not.")],
    db: Db = None,
    model: Model = "mini",
    limit: Annotated[int, typer.Option(min=1, help="Photos at most.")] = 20,
    min_score: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least likeness.")] = 0.0,
    format: RowFormat = None,
    nul: Null = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Judge every photo in full, however many there are.")
    ] = False,
) -> None:
    """Find photos that look like one, best first. The photo itself is left out.

    Exit code 0 where photos were found, 1 where none was.
    """
    writer = Writer(format, nul=nul)
    from qks_cli.cli.search import hit_row, tokens_of_photo
    from qks_cli.photos.walk import absolute
    from qks_cli.search.ranking import most_similar
    from qks_cli.workflows.session import open_library, tagged_model

    with open_library(db, create=False) as library:
        bundle, model_id = tagged_model(library, model)
        tokens_ME = tokens_of_photo(library, bundle, model_id, photo)
        hits = most_similar(
            library, model_id, tokens_ME, limit=limit + 1, min_score=min_score, exact=exact
        )
    own = absolute(photo)
    others = [hit for hit in hits if hit.path != own][:limit]
    writer.write(hit_row(hit) for hit in others)
    writer.close()
    if not others:
        raise typer.Exit(1)
