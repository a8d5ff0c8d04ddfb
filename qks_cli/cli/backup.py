"""``qks backup`` and ``qks restore``: a checked copy of the library, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db
from qks_cli.cli.output import say, shown


def backup(
    file: Annotated[Path, typer.Argument(help="The copy to write.")],
    db: Db = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing copy.")] = False,
) -> None:
    """Write a whole, checked copy of the library, also while another run works on it."""
    from qks_cli.library import backups
    from qks_cli.workflows.session import open_library

    with open_library(db, create=False) as library:
        backups.back_up(library, file, force=force)
        say(f"{library.photos.count():,} photos in {shown(file)}; `qks restore` brings them back")


def restore(
    file: Annotated[Path, typer.Argument(help="A copy that qks backup wrote.")],
    db: Db = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a backup in the library's place; the library that was there is kept beside it."""
    from qks_cli import settings
    from qks_cli.errors import UsageError
    from qks_cli.library import backups

    path = db or settings.index_path()
    if path.exists() and not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{path} exists", hint="--yes puts the backup in its place")
        typer.confirm(f"Replace {path}? It is kept beside it.", abort=True, err=True)
    kept = backups.restore(file, path)
    say(f"restored {shown(path)}" + (f"; the one before is {shown(kept)}" if kept else ""))
