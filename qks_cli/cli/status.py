"""``qks status``: what ``qks tag`` would do, without doing it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from qks_cli.cli import inputs
from qks_cli.cli.options import (
    Db,
    Exclude,
    Hidden,
    Labels,
    MinScore,
    Model,
    Null,
    RowFormat,
    Top,
)
from qks_cli.cli.output import Row, Writer, say, tell_problem
from qks_cli.cli.tag import PhotosAndFolders
from qks_cli.cli.walking import Walking
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.workflows.status import Status


def status(
    paths: PhotosAndFolders,
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = None,
    format: RowFormat = None,
    nul: Null = False,
    exclude: Exclude = None,
    hidden: Hidden = False,
) -> None:
    """Show which photos are new, changed, moved, gone or tagged with other words.

    There is a row for every photo that `qks tag` would read or change; counts go to stderr. Nothing
    is stored. Only files that may have been moved are opened, to compare their fingerprints.
    """
    writer = Writer(format, nul=nul, reads_stdin=inputs.from_stdin(paths))
    from qks_cli.workflows.changes import folders
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.status import status as look_at
    from qks_cli.workflows.status import wanted_of

    paths = list(inputs.given(paths, nul=nul))
    report = Report(tell_problem, say)
    walking = Walking(paths, exclude or [], hidden, nul)
    counts: Counter[str] = Counter()
    with open_library(db) as library:
        wanted = wanted_of(
            model, labels, kept=library.runs.kept(), min_score=min_score, top=top, report=report
        )
        photos = walking.photos(walking.noticing(counts, report))
        for one in look_at(library, photos, wanted, below=folders(paths)):
            counts[one.state] += 1
            if one.state != "unchanged":
                writer.write([_row(one)])
    writer.close()
    unreadable = counts.pop("problems", 0)
    if unreadable and not counts and not walking.skipped:
        raise UsageError("none of these paths could be read")
    parts = [f"{count:,} {state}" for state, count in sorted(counts.items())]
    parts += [f"{unreadable:,} unreadable"] if unreadable else []
    say(", ".join(parts) or "no photos found")
    if walking.skipped:
        say(walking.skipped.line())


def _row(one: Status) -> Row:
    extra: dict[str, object] = {"status": one.state}
    if one.moved_from is not None:
        extra["moved_from"] = str(one.moved_from)
    return Row(one.path, (), extra, f"{one.state} ")
