"""``qks tags``: labels over the whole library: counted, renamed, merged, left out, and undone."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from qks_cli.commands.options import Db, RecordFormat
from qks_cli.commands.output import Records, say

app = typer.Typer(
    help="List, rename, merge and leave out labels over the whole library.", no_args_is_help=True
)


def complete_label(incomplete: str) -> list[str]:
    """Labels of the library for the shell, by how they begin."""
    from qks_cli.commands.runs import open_library
    from qks_cli.errors import QksError
    from qks_cli.index import labels

    try:
        with open_library(None, create=False) as library:
            names = [row.label for row in labels.counts(library)]
    except QksError:
        return []
    return [name for name in names if name.casefold().startswith(incomplete.casefold())]


Label = Annotated[str, typer.Argument(help="A label.", autocompletion=complete_label)]
Other = Annotated[str, typer.Argument(help="The other label.", autocompletion=complete_label)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


@app.command("list")
def list_labels(db: Db = None, format: RecordFormat = None) -> None:
    """Every label with the photos that carry it and their mean score, most first."""
    writer = Records(format, ("label", "photos", "mean_score"))
    from qks_cli.commands.runs import open_library
    from qks_cli.index import labels

    with open_library(db, create=False) as library:
        writer.write(
            {"label": x.label, "photos": x.photos, "mean_score": round(x.mean_score, 3)}
            for x in labels.counts(library)
        )


@app.command()
def rename(
    old: Label,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Show a label under another name, now and after later runs."""
    _edit(
        db,
        old,
        f"shown as '{new}'",
        lambda library, labels: labels.rename(library, old, new),
        yes=yes,
        dry_run=dry_run,
    )


@app.command()
def merge(
    one: Label, into: Other, db: Db = None, yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Show one label as another that is there; a photo with both keeps the better score."""
    _edit(
        db,
        one,
        f"shown as '{into}'",
        lambda library, labels: labels.merge(library, one, into),
        yes=yes,
        dry_run=dry_run,
    )


@app.command()
def delete(label: Label, db: Db = None, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Leave a label out everywhere, now and after later runs."""
    _edit(
        db,
        label,
        "shown no more",
        lambda library, labels: labels.delete(library, label),
        yes=yes,
        dry_run=dry_run,
    )


@app.command()
def undo(db: Db = None) -> None:
    """Take back the last rename, merge or delete. Exit code 1 where there is none."""
    from qks_cli.commands.runs import open_library
    from qks_cli.index import labels

    with open_library(db, create=False) as library:
        undone = labels.undo(library)
    if undone is None:
        say("nothing to undo")
        raise typer.Exit(1)
    say(f"undone: {undone}")


def _edit(db: Any, label: str, what: str, change: Any, *, yes: bool, dry_run: bool) -> None:
    from qks_cli.commands.runs import open_library
    from qks_cli.index import labels

    with open_library(db, create=False) as library:
        count = labels.photos_with(library, label)
        say(f"'{label}' on {count:,} photos: {what}")
        if dry_run:
            return
        if not yes:
            if not sys.stdin.isatty():
                say("nothing was changed; --yes changes it")
                raise typer.Exit(1)
            typer.confirm("Change it?", abort=True, err=True)
        change(library, labels)
    say("done; `qks tags undo` takes it back")
