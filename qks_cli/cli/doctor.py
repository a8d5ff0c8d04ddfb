"""``qks doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Model
from qks_cli.cli.output import count_of, say
from qks_cli.cli.progress import Progress
from qks_cli.cli.signals import StopSignal
from qks_cli.escape import shown

Repair = Annotated[
    bool,
    typer.Option(
        "--repair", help="Bring an older library into today's form first, and make it smaller."
    ),
]


def doctor(db: Db = None, model: Model = "mini", repair: Repair = False) -> None:
    """Check the library, the model, the engines and other programs that qks uses.

    Exit code 1 where something is wrong.

    --repair takes some seconds for every 10,000 photos. One that was interrupted goes on where it
    stopped. No photo is read, and no tag changes.
    """
    from qks_cli.workflows.doctor import examine

    if repair:
        _repair(db)
    wrong = 0
    for one in examine(db, model):
        wrong += not one.fine
        typer.echo(f"{'ok ' if one.fine else 'BAD'}  {shown(one.found)}")
        if one.advice:
            typer.echo(f"     {shown(one.advice)}")
    if wrong:
        raise typer.Exit(1)


def _repair(db: Path | None) -> None:
    from qks_cli.workflows.repair import repair
    from qks_cli.workflows.session import open_library

    stop = StopSignal()
    with open_library(db) as library, Progress(shown=True) as progress, stop:
        done = repair(library, advance=progress.at, stop=stop)
    if done.full:
        say(f"qks: {done.full}")
    if done.packed or done.freed:
        freed = f"{done.freed / 1e6:,.0f} MB freed"
        say(f"{count_of(done.packed, 'photo')} packed, {freed}")
    if stop.asked:
        say("stopped; what was done is kept, and --repair goes on from there")
        raise typer.Exit(130)
