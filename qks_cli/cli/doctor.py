"""``qks doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

import typer

from qks_cli.cli.options import Db, Model
from qks_cli.escape import shown_lines


def doctor(db: Db = None, model: Model = "mini") -> None:
    """Check the library, the model, engines and helpers. Exit code 1 where something is wrong."""
    from qks_cli.workflows.doctor import examine

    wrong = 0
    for one in examine(db, model):
        wrong += not one.fine
        typer.echo(f"{'ok ' if one.fine else 'BAD'}  {shown_lines(one.found)}")
        if one.advice:
            typer.echo(f"     {shown_lines(one.advice)}")
    if wrong:
        raise typer.Exit(1)
