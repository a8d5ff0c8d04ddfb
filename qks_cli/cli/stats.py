"""``qks stats``: what a library holds, counted."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from qks_cli.cli.options import Db, RecordFormat
from qks_cli.cli.output import Records


class By(StrEnum):
    """What to count photos by."""

    label = "label"
    folder = "folder"
    year = "year"
    month = "month"
    camera = "camera"
    lens = "lens"
    rating = "rating"
    status = "status"
    place = "place"
    country = "country"


def stats(
    by: Annotated[By, typer.Option(help="What to count photos by.")] = By.label,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 40,
    every: Annotated[
        bool, typer.Option("--all", help="Count every file of a stack, not each stack once.")
    ] = False,
    db: Db = None,
    format: RecordFormat = None,
) -> None:
    """Count photos by label, folder, year and more.

    Files that belong together (a raw file and its JPEG, the shots of a burst) count once.
    """
    writer = Records(format, (by.value, "photos"), bar="photos")
    from qks_cli.api import open_library

    with open_library(db) as library:
        rows = library.stats(by.value, limit=limit, every_file=every)
    writer.write({by.value: name, "photos": photos} for name, photos in rows)
