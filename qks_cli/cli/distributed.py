"""``qks ray``: archives that are too large for one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli import settings
from qks_cli.cli.options import Db
from qks_cli.cli.output import count_of, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown

app = typer.Typer(
    help="Bring archives of many machines into the library.",
    no_args_is_help=True,
)

OneDataSet = Annotated[str, typer.Argument(help="A data set: a folder or URL.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
Folders = Annotated[
    list[str] | None,
    typer.Option(
        "--folder",
        metavar="URL=FOLDER",
        help="Where photos below a URL lie on this machine; repeatable.",
    ),
]


@app.callback()
def group() -> None:
    """Bring archives of many machines into the library."""


@app.command("export")
def export(
    data: OneDataSet,
    db: Db = None,
    partition: Annotated[
        list[int] | None, typer.Option(help="Take this partition alone; repeatable.")
    ] = None,
    folder: Folders = None,
    quiet: Quiet = False,
) -> None:
    """Merge a data set, or a part of it, into the library of every other command.

    A photo that the library knows in a newer state stays as it is. Photos under URLs are left out
    unless --folder says where they lie. This needs no cluster.
    """
    folders = dict(_folder(text) for text in folder or [])
    from qks_cli.cli.progress import Progress
    from qks_cli.cli.signals import StopSignal
    from qks_cli.workflows.parquet import merge, open_data_set
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    open_data_set(data)  # before a library is made
    stop = StopSignal()
    with open_library(db, create=True) as library, Progress(shown=not quiet) as progress, stop:
        counts = merge(
            library,
            data,
            partitions=partition,
            folders=folders,
            advance=progress.advance,
            report=Report(progress.problem, progress.say),
            stop=stop,
        )
    if not quiet:
        parts = [f"{count_of(counts['tagged'], 'photo')} merged"]
        parts += [f"{counts['failed']:,} failed"] * bool(counts["failed"])
        parts += [f"{counts['newer']:,} newer in the library"] * bool(counts["newer"])
        say(f"{', '.join(parts)}; library {shown(str(db or settings.index_path()))}")
        if counts["elsewhere"]:
            say(
                f"{count_of(counts['elsewhere'], 'photo')} left out: not on this machine; "
                "--folder URL=FOLDER says where they lie"
            )
    if stop():
        raise typer.Exit(130)


def _folder(text: str) -> tuple[str, Path]:
    start, found, folder = text.rpartition("=")
    if not (found and start and folder):
        raise UsageError(f"--folder {shown(text)}: give a URL, = and a folder")
    return start, Path(folder)
