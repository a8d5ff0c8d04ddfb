"""``qks prune``: forget photos whose files are gone. The only command that removes any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli import inputs
from qks_cli.cli.options import Db, Null, RowFormat, Yes
from qks_cli.cli.output import Row, Writer, confirm, count_of, say

Below = Annotated[
    list[Path] | None, typer.Argument(help="Only photos below these; - reads paths from stdin.")
]


def prune(
    paths: Below = None,
    db: Db = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them.")] = False,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Remove photos whose files are gone from the library, with their tags.

    Shows them first, and asks; in a pipeline nothing is removed without --yes. An unmounted drive
    looks like deleted photos: mount it first. Files are never touched.
    """
    writer = Writer(format, nul=nul, reads_stdin=inputs.from_stdin(paths or []))
    from qks_cli.workflows.prune import find_gone, forget
    from qks_cli.workflows.session import open_library

    with open_library(db) as library:
        named = list(inputs.given(paths or [], nul=nul))
        if paths and not named:
            say("no paths on stdin")
            return
        gone = find_gone(library, named)
        writer.write(Row(path, gone.tags[x]) for x, path in gone.photos.items())
        writer.close()
        say(f"{len(gone.photos):,} of {count_of(gone.known, 'photo')} gone")
        if not gone.photos or dry_run:
            return
        if gone.suspicious:
            say("qks: that is most of the photos; is a drive not mounted?")
        confirm(
            "Remove them from the library?",
            yes=yes,
            otherwise="nothing was removed; --yes removes them",
        )
        forget(library, gone)
    say(f"{count_of(len(gone.photos), 'photo')} removed from the library")
