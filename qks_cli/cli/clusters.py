"""``qks clusters``: what an unknown archive holds, in groups with typical photos and words."""

from __future__ import annotations

from typing import Annotated

import typer

from qks_cli.cli.options import Db, Labels, Model, RecordFormat
from qks_cli.cli.output import Records


def clusters(
    count: Annotated[int, typer.Option(min=2, help="How many groups to make.")] = 24,
    labels: Labels = None,
    db: Db = None,
    model: Model = "mini",
    format: RecordFormat = None,
) -> None:
    """Group photos by meaning, with typical photos and words of each group.

    The words come from --labels, else from those that the library was last tagged with.
    """
    writer = Records(format, ("cluster", "photos", "words", "typical"))
    from qks_cli.api import open_library

    with open_library(db) as library:
        found = library.clusters(count, labels=labels, model=model)
    writer.write(
        {
            "cluster": number,
            "photos": one.photos,
            "words": list(one.words),
            "typical": [str(path) for path in one.typical],
        }
        for number, one in enumerate(found, 1)
    )
