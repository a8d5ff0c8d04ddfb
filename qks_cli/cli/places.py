"""``qks places``: where photos were taken, in words."""

from __future__ import annotations

from typing import Annotated

import typer

from qks_cli.cli.options import Db, RecordFormat
from qks_cli.cli.output import Records, say
from qks_cli.wording import count_of


def places(
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 40,
    db: Db = None,
    format: RecordFormat = None,
) -> None:
    """Name the places where photos were taken, and count their photos.

    Works offline, from the coordinates of photos. A photo's place is the nearest town of more than
    1,000 people in the same country, if one is within 100 km. place:vienna and country:at find
    photos by these names, `qks write --places` writes them as keywords. Nothing else does.

    Exit code 1 where no photo has coordinates.
    """
    writer = Records(format, ("place", "county", "region", "country", "code", "photos"))
    from qks_cli.library.places import counts
    from qks_cli.workflows.places import name_places
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    with open_library(db) as library:
        named = name_places(library, Report(note=say))
        found = counts(library)
    writer.write(
        {
            "place": place.name,
            "county": place.county,
            "region": place.region,
            "country": place.country,
            "code": place.code,
            "photos": photos,
        }
        for place, photos in found[:limit]
    )
    photos = sum(count for _, count in found)
    say(f"{count_of(photos, 'photo')} at {count_of(len(found), 'place')}; {named:,} newly named")
    if not found:
        raise typer.Exit(1)
