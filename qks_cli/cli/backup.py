"""``qks backup`` and ``qks restore``: a checked copy of the library, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db
from qks_cli.cli.output import count_of, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown


def backup(
    file: Annotated[Path, typer.Argument(help="The copy to write.")],
    db: Db = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing copy.")] = False,
) -> None:
    """Write a complete, checked copy of the library, also while another run uses it."""
    from qks_cli.api import open_library

    with open_library(db) as library:
        photos = library.back_up(file, replace=force)
    say(f"{count_of(photos, 'photo')} in {shown(file)}; `qks restore` brings them back")


def restore(
    file: Annotated[Path, typer.Argument(help="A copy that qks backup wrote.")],
    db: Db = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Replace the library by a backup; the replaced library is kept beside it."""
    from qks_cli.workflows.backup import place
    from qks_cli.workflows.backup import restore as put_back

    path = place(db)
    if path.exists() and not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{path} exists", hint="--yes puts the backup in its place")
        typer.confirm(f"Replace {shown(path)}? It is kept beside it.", abort=True, err=True)
    kept = put_back(file, db)
    say(f"restored {shown(path)}" + (f"; the one before is {shown(kept)}" if kept else ""))
