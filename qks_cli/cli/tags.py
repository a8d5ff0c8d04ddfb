"""``qks tags``: labels over the whole library: counted, renamed, merged, left out, and undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import All, Db, Null, Paths, RecordFormat
from qks_cli.cli.output import Records, confirm, say, shown

if TYPE_CHECKING:
    from qks_cli.library.ledger import Write
    from qks_cli.library.store import Library

app = typer.Typer(
    help="List, rename, merge and leave out labels; confirm and reject single tags.",
    no_args_is_help=True,
)


def complete_label(incomplete: str) -> list[str]:
    """Labels of the library for the shell, by how they begin."""
    from qks_cli.errors import QksError
    from qks_cli.library import labels
    from qks_cli.workflows.session import open_library

    try:
        with open_library(None, create=False) as library:
            names = [row.label for row in labels.counts(library)]
    except QksError:
        return []
    return [name for name in names if name.casefold().startswith(incomplete.casefold())]


Label = Annotated[str, typer.Argument(help="A label.", autocompletion=complete_label)]
Other = Annotated[str, typer.Argument(help="The other label.", autocompletion=complete_label)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Files = Annotated[bool, typer.Option("--files", help="In files that it was written into, too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


@app.command("list")
def list_labels(db: Db = None, format: RecordFormat = None) -> None:
    """Every label with the photos that carry it and their mean score, most first."""
    writer = Records(format, ("label", "photos", "mean_score"))
    from qks_cli.library import labels
    from qks_cli.workflows.session import open_library

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
    files: Files = False,
) -> None:
    """Show a label under another name, now and after later runs."""
    from qks_cli.library import labels

    _edit(
        db,
        old,
        f"shown as '{new}'",
        lambda library: labels.rename(library, old, new),
        yes=yes,
        dry_run=dry_run,
        files=files,
    )


@app.command()
def merge(
    one: Label,
    into: Other,
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    files: Files = False,
) -> None:
    """Show one label as another that is there; a photo with both keeps the better score."""
    from qks_cli.library import labels

    _edit(
        db,
        one,
        f"shown as '{into}'",
        lambda library: labels.merge(library, one, into),
        yes=yes,
        dry_run=dry_run,
        files=files,
    )


@app.command()
def delete(
    label: Label,
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    files: Files = False,
) -> None:
    """Leave a label out everywhere, now and after later runs."""
    from qks_cli.library import labels

    _edit(
        db,
        label,
        "shown no more",
        lambda library: labels.delete(library, label),
        yes=yes,
        dry_run=dry_run,
        files=files,
    )


@app.command("confirm")
def confirm_tag(
    label: Label,
    paths: Paths = None,
    everything: All = False,
    add: Annotated[
        bool, typer.Option("--add", help="Give it to those of the photos that do not carry it.")
    ] = False,
    db: Db = None,
    nul: Null = False,
) -> None:
    """Say that a label is right on photos: it stays, whatever later runs find.

    `qks write --only-confirmed` writes nothing else. Exit code 1 where no photo was meant.
    """
    from qks_cli.library import verdicts

    def change(library: Library, ids: list[int]) -> int:
        return verdicts.confirm(library, ids, label, add=add)

    _judge(db, paths, change, "confirmed", everything=everything, nul=nul)


@app.command("reject")
def reject_tag(
    label: Label, paths: Paths = None, everything: All = False, db: Db = None, nul: Null = False
) -> None:
    """Say that a label is wrong on photos: it goes, and no later run brings it back.

    Files that it was written into change with the next `qks write`. Labels above it in the
    vocabulary stay. Exit code 1 where no photo carried it.
    """
    from qks_cli.library import verdicts

    def change(library: Library, ids: list[int]) -> int:
        return verdicts.reject(library, ids, label)

    _judge(db, paths, change, "rejected", everything=everything, nul=nul)


@app.command("reset")
def reset_tag(
    label: Label, paths: Paths = None, everything: All = False, db: Db = None, nul: Null = False
) -> None:
    """Take back what was confirmed or rejected: photos carry what the model says."""
    from qks_cli.library import verdicts

    def change(library: Library, ids: list[int]) -> int:
        return verdicts.reset(library, ids, label)

    _judge(db, paths, change, "reset", everything=everything, nul=nul)


@app.command()
def undo(db: Db = None) -> None:
    """Take back the last rename, merge or delete. Exit code 1 where there is none."""
    from qks_cli.library import labels
    from qks_cli.workflows.session import open_library

    with open_library(db, create=False) as library:
        undone = labels.undo(library)
    if undone is None:
        say("nothing to undo")
        raise typer.Exit(1)
    say(f"undone: {undone}")


def _judge(
    db: Path | None,
    paths: list[Path] | None,
    change: Callable[[Library, list[int]], int],
    done: str,
    *,
    everything: bool,
    nul: bool,
) -> None:
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.writing import selected

    with open_library(db, create=False) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        count = change(library, [photo_id for photo_id, _ in photos])
    say(f"{done} on {count:,} of {len(photos):,} photos")
    if not count:
        raise typer.Exit(1)


def _edit(
    db: Path | None,
    label: str,
    what: str,
    change: Callable[[Library], None],
    *,
    yes: bool,
    dry_run: bool,
    files: bool,
) -> None:
    from qks_cli.library import labels, ledger
    from qks_cli.workflows.session import open_library

    with open_library(db, create=False) as library:
        count = labels.photos_with(library, label)
        say(f"'{label}' on {count:,} photos: {what}")
        written = ledger.with_label(library, label)
        if written:
            say(
                f"it was written into {len(written):,} files"
                + ("" if files else "; --files for those")
            )
        if dry_run:
            return
        confirm("Change it?", yes=yes, otherwise="nothing was changed; --yes changes it")
        change(library)
        say("done; `qks tags undo` takes it back")
        if files and written:
            _rewrite(library, written)


def _rewrite(library: Library, written: Sequence[Write]) -> None:
    """Bring files up to date with the labels as they are shown now."""
    from qks_cli.workflows.writing import Options, Target, write_all

    run = library.runs.begin("write", *library.runs.latest())
    counts: Counter[str] = Counter()
    for target in Target:
        ids = [write.photo_id for write in written if write.kind == target]
        photos = list(library.photos.paths_of(ids).items())
        for outcome in write_all(library, photos, Options(to=target), run_id=run, only=True):
            counts[outcome.status] += 1
            if outcome.reason:
                say(f"qks: {shown(outcome.path)}: {outcome.reason}")
    library.runs.finish(run, tagged=counts["written"], failed=counts["refused"], status="done")
    say(f"{counts['written']:,} files written; `qks undo` takes that back")
    if counts["refused"]:
        raise typer.Exit(1)
