"""``qks tags``: labels over the whole library: counted, renamed, merged, left out, and undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import All, Db, Language, Null, Paths, RecordFormat, Yes
from qks_cli.cli.output import Records, confirm, count_of, say, tell_problem
from qks_cli.cli.write import selected
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.workflows.tags import Reach
    from qks_cli.workflows.write import Photos

app = typer.Typer(
    help="List, rename, merge and hide labels; confirm and reject single tags.",
    no_args_is_help=True,
)


def complete_label(incomplete: str) -> list[str]:
    """Labels of the library for the shell, by how they begin."""
    from qks_cli.errors import QksError
    from qks_cli.folding import fold
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.tags import counts

    try:
        with open_library() as library:
            names = [row.label for row in counts(library)]
    except QksError:
        return []
    return [name for name in names if fold(name).startswith(fold(incomplete))]


Label = Annotated[str, typer.Argument(help="A label.", autocompletion=complete_label)]
Other = Annotated[str, typer.Argument(help="The other label.", autocompletion=complete_label)]
NewName = Annotated[str, typer.Argument(help="Its new name.")]
Files = Annotated[
    bool, typer.Option("--files", help="Change it in the files that it was written into, too.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
Add = Annotated[bool, typer.Option("--add", help="Add the label to photos that do not carry it.")]


@app.command("list")
def list_labels(
    db: Db = None, format: RecordFormat = None, language: Language = LanguageCode.en
) -> None:
    """List every label with its number of photos and their mean score, most photos first.

    With --language also its name."""
    fields = ("label", "name", "photos", "mean_score")
    writer = Records(format, [x for x in fields if x != "name" or language != LanguageCode.en])
    from qks_cli.workflows.session import library_language, open_library
    from qks_cli.workflows.tags import counts

    with open_library(db) as library:
        own = library_language(library, language)
        writer.write(
            {"label": x.label}
            | ({} if own is None else {"name": own.shown(x.label)})
            | {"photos": x.photos, "mean_score": round(x.mean_score, 3)}
            for x in counts(library)
        )


@app.command()
def rename(
    old: Label,
    new: NewName,
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    files: Files = False,
) -> None:
    """Show a label under another name, now and after later runs."""
    from qks_cli.workflows import tags

    def change(library: Library) -> None:
        tags.rename(library, old, new)

    _edit(db, old, f"shown as '{new}'", change, yes=yes, dry_run=dry_run, files=files)


@app.command()
def merge(
    one: Label,
    into: Other,
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    files: Files = False,
) -> None:
    """Show one label as another existing one; a photo with both keeps the higher score."""
    from qks_cli.workflows import tags

    def change(library: Library) -> None:
        tags.merge(library, one, into)

    _edit(db, one, f"shown as '{into}'", change, yes=yes, dry_run=dry_run, files=files)


@app.command()
def delete(
    label: Label,
    db: Db = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    files: Files = False,
) -> None:
    """Hide a label everywhere, now and after later runs."""
    from qks_cli.workflows import tags

    def change(library: Library) -> None:
        tags.delete(library, label)

    _edit(db, label, "shown no more", change, yes=yes, dry_run=dry_run, files=files)


@app.command("confirm")
def confirm_tag(
    label: Label,
    paths: Paths = None,
    everything: All = False,
    add: Add = False,
    db: Db = None,
    nul: Null = False,
) -> None:
    """Say that a label is right on photos: it stays, whatever later runs find.

    `qks write --only-confirmed` writes nothing else. Exit code 1 where no photo was meant.
    """
    from qks_cli.workflows import tags

    def change(library: Library, photos: Photos) -> int:
        return tags.confirm(library, photos, label, add=add)

    _judge(db, paths, change, "confirmed", everything=everything, nul=nul)


@app.command("reject")
def reject_tag(
    label: Label, paths: Paths = None, everything: All = False, db: Db = None, nul: Null = False
) -> None:
    """Say that a label is wrong on photos: it goes, and no later run brings it back.

    Files that it was written into change with the next `qks write`. Labels above it in the
    vocabulary stay. Exit code 1 where no photo carried it.
    """
    from qks_cli.workflows import tags

    def change(library: Library, photos: Photos) -> int:
        return tags.reject(library, photos, label)

    _judge(db, paths, change, "rejected", everything=everything, nul=nul)


@app.command("reset")
def reset_tag(
    label: Label, paths: Paths = None, everything: All = False, db: Db = None, nul: Null = False
) -> None:
    """Take back what was confirmed or rejected: photos carry what the model says."""
    from qks_cli.workflows import tags

    def change(library: Library, photos: Photos) -> int:
        return tags.reset(library, photos, label)

    _judge(db, paths, change, "reset", everything=everything, nul=nul)


@app.command()
def undo(db: Db = None) -> None:
    """Take back the last rename, merge or delete. Exit code 1 where there is none."""
    from qks_cli.workflows import tags
    from qks_cli.workflows.session import open_library

    with open_library(db) as library:
        undone = tags.undo(library)
    if undone is None:
        say("nothing to undo")
        raise typer.Exit(1)
    say(f"undone: {undone}")


def _judge(
    db: Path | None,
    paths: list[Path] | None,
    change: Callable[[Library, Photos], int],
    done: str,
    *,
    everything: bool,
    nul: bool,
) -> None:
    from qks_cli.workflows.session import open_library

    with open_library(db) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        count = change(library, photos)
    say(f"{done} on {count:,} of {count_of(len(photos), 'photo')}")
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
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.tags import reach

    with open_library(db) as library:
        reached = reach(library, label)
        say(f"'{label}' on {count_of(reached.photos, 'photo')}: {what}")
        if reached.written:
            also = "" if files else "; --files for those"
            say(f"it was written into {count_of(len(reached.written), 'file')}{also}")
        if dry_run:
            return
        confirm("Change it?", yes=yes, otherwise="nothing was changed; --yes changes it")
        change(library)
        say("done; `qks tags undo` takes it back")
        if files and reached.written:
            _rewrite(library, reached)


def _rewrite(library: Library, reached: Reach) -> None:
    """Bring files up to date with the labels as they are shown now."""
    from qks_cli.workflows.write import rewrite

    counts: Counter[str] = Counter()
    with closing(rewrite(library, reached.written)) as outcomes:
        for outcome in outcomes:
            counts[outcome.status] += 1
            if outcome.reason:
                tell_problem(outcome.path, outcome.reason)
    say(f"{count_of(counts['written'], 'file')} written; `qks undo` takes that back")
    if counts["refused"]:
        raise typer.Exit(1)
