"""``qks report``: a page of photos that is opened by double click, kept, or sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Language, Model
from qks_cli.cli.output import count_of, say
from qks_cli.escape import shown
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.workflows.photo_report import ReportMade

Out = Annotated[Path, typer.Option(help="The folder to make, or an earlier report.")]
Query = Annotated[
    list[str] | None, typer.Argument(help="Words and filters as in qks search. Default: all.")
]
Title = Annotated[str, typer.Option(help="Heading of the page.")]
Sheet = Annotated[bool, typer.Option("--sheet", help="Contact sheets too, as a PDF of A4 pages.")]
WithCameras = Annotated[
    bool, typer.Option("--with-cameras", help="Tell which cameras took the photos.")
]
WithPlaces = Annotated[
    bool,
    typer.Option(
        "--with-places", help="Tell where photos were taken: towns, or coordinates to some 10 km."
    ),
]
WithPaths = Annotated[bool, typer.Option("--with-paths", help="Whole paths instead of file names.")]
Members = Annotated[
    bool, typer.Option("--all", help="Every member of a stack, not one of them (docs/stacks.md).")
]
Size = Annotated[int, typer.Option(min=64, max=2048, help="Longer side of a thumbnail, in pixels.")]
Limit = Annotated[int, typer.Option(min=1, help="Photos at most.")]


def report(
    out: Out,
    query: Query = None,
    title: Title = "",
    sheet: Sheet = False,
    with_cameras: WithCameras = False,
    with_places: WithPlaces = False,
    with_paths: WithPaths = False,
    size: Size = 320,
    limit: Limit = 10_000,
    members: Members = False,
    db: Db = None,
    model: Model = "mini",
    language: Language = LanguageCode.en,
) -> None:
    """Make a web page of photos with their tags, and contact sheets.

    It shows thumbnails, tags, years and groups of photos that look alike. The folder holds all that
    the page needs; nothing is loaded from the network. Cameras, places and paths are shown only
    where asked for. Queries are answered by tags and filters, not by
    meaning. With --language tags are shown by their names in that language, and queries may use
    its words.

    Exit code 1: no photo was found, and nothing was written.
    """
    from qks_cli.cli.progress import Progress
    from qks_cli.workflows.photo_report import ReportOptions, found, make_report
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    text = " ".join(query or ())
    with open_library(db) as library:
        ids = found(
            library,
            text,
            model=model,
            language=language,
            every_member=members,
            report=Report(note=say),
        )
        if not ids:
            say("qks: no photo found, and nothing written")
            raise typer.Exit(1)
        options = ReportOptions(
            title or text or "Photos",
            side=size,
            limit=limit,
            sheets=sheet,
            paths=with_paths,
            cameras=with_cameras,
            places=with_places,
            language=language,
        )
        with Progress(shown=True) as progress:
            progress.expect(min(limit, len(ids)))
            made = make_report(
                library,
                ids,
                out,
                options,
                advance=progress.advance,
                report=Report(progress.problem, progress.say),
            )
    _tell(made, limit)


def _tell(made: ReportMade, limit: int) -> None:
    say(f"qks: {count_of(made.photos, 'photo')} in {shown(made.page)}")
    if made.left_out:
        photos = count_of(made.left_out, "photo")
        say(f"qks: {photos} left out: --limit {limit + made.left_out} takes them all")
