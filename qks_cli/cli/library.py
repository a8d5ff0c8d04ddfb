"""``qks library``: the library as a whole, for other programs."""

from __future__ import annotations

from typing import Annotated

import typer

from qks_cli.cli.options import Db
from qks_cli.cli.output import count_of, say
from qks_cli.escape import shown

app = typer.Typer(help="Export the library for other programs.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Export the library for other programs."""


@app.command("export")
def export(
    parquet: Annotated[str, typer.Option(help="A new folder, or a URL that fsspec writes to.")],
    db: Db = None,
    partition_size: Annotated[int, typer.Option(min=1, help="Photos of a partition.")] = 20_000,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Write the library as a Parquet data set: photos, details, tags, query tokens.

    Photos whose tags are of other words than the latest are left out, missing ones too. `qks ray
    export` goes the other way.
    """
    from qks_cli.cli.progress import Progress
    from qks_cli.workflows.parquet import export_library
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    with open_library(db) as library, Progress(shown=not quiet) as progress:
        photos = export_library(
            library,
            parquet,
            partition_size=partition_size,
            advance=progress.advance,
            report=Report(note=progress.say),
        )
    if not quiet:
        say(f"{count_of(photos, 'photo')} in {shown(parquet)}")
