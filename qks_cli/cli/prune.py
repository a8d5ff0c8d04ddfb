"""``qks prune``: forget photos whose files are gone. The only command that removes any."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Null, RowFormat
from qks_cli.cli.output import Row, Writer, confirm, say


def prune(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Only photos below these; - reads paths from stdin.")
    ] = None,
    db: Db = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show them.")] = False,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Remove photos from the library whose files are gone, with their tags.

    Shows them first, and asks; in a pipeline nothing is removed without --yes. An unmounted drive
    looks like deleted photos: mount it before. Files are never touched.
    """
    writer = Writer(format, nul=nul, reads_stdin=Path("-") in (paths or ()))
    from qks_cli.library import presence
    from qks_cli.photos.walk import absolute
    from qks_cli.workflows.changes import look
    from qks_cli.workflows.session import given_paths, open_library

    with open_library(db, create=False) as library:
        # Not only folders that are there: a removed one is what this is for.
        named = given_paths(paths, nul=nul) if paths else []
        roots = [absolute(path) for path in named] if paths else [None]
        found = [look(library, root) for root in roots]
        gone = {photo_id: path for one in found for photo_id, path in one.gone}
        tags = library.tags.of(list(gone))
        writer.write(Row(path, tags[photo_id]) for photo_id, path in gone.items())
        writer.close()
        known = sum(one.known for one in found)
        say(f"{len(gone):,} of {known:,} photos are gone")
        if not gone or dry_run:
            return
        if any(one.suspicious for one in found):
            say("qks: that is most of them: is a drive not mounted?")
        confirm(
            "Remove them from the library?",
            yes=yes,
            otherwise="nothing was removed; --yes removes them",
        )
        presence.forget(library, gone)
    say(f"{len(gone):,} removed from the library")
