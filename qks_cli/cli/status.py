"""``qks status``: what ``qks tag`` would do, without doing it."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

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
from qks_cli.cli.output import Row, Writer, say, shown
from qks_cli.errors import UsageError

GROUP = 2048  # photos looked up together


def status(
    paths: Annotated[
        list[Path], typer.Argument(help="Photos and folders; - reads paths from stdin.")
    ],
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = 20,
    format: RowFormat = None,
    nul: Null = False,
    exclude: Exclude = None,
    hidden: Hidden = False,
) -> None:
    """Show which photos are new, changed, moved, gone or tagged with other words.

    One row for every photo that a run would do something about; counts on stderr. Nothing is
    stored; of files that may have been moved the edges are read, of others nothing.
    """
    writer = Writer(format, nul=nul, reads_stdin=Path("-") in paths)
    from qks_cli.cli.labels import read_vocabulary
    from qks_cli.model.bundle import read_bundle
    from qks_cli.model.calibration import Calibration
    from qks_cli.model.tagger import selection_name
    from qks_cli.photos.walk import walk
    from qks_cli.workflows.changes import Wanted, find_changes, folders, look
    from qks_cli.workflows.session import given_paths, open_library

    paths = given_paths(paths, nul=nul)
    bundle = read_bundle(model)
    vocabulary = read_vocabulary(labels, bundle, quiet=False)
    cutoff = Calibration.read(bundle).cutoff if min_score is None else min_score
    wanted = Wanted(bundle.hash, vocabulary.digest, selection_name(cutoff, top))
    counts: Counter[str] = Counter()

    def problem(path: Path, reason: str) -> None:
        counts["unreadable"] += 1
        say(f"qks: {shown(path)}: {reason}")

    with open_library(db, create=False) as library:
        photos = walk(paths, exclude=exclude or (), hidden=hidden, on_problem=problem)
        moved_from = set()
        while group := list(islice(photos, GROUP)):
            for change in find_changes(library, group, wanted):
                state = "moved" if change.moved_from else change.state
                counts[state] += 1
                extra: dict[str, object] = {"status": state}
                if change.moved_from:
                    moved_from.add(change.moved_from)
                    extra["moved_from"] = str(change.moved_from)
                if state != "unchanged":
                    writer.write([Row(change.photo.path, (), extra, f"{state} ")])
        for root in folders(paths):
            for _, path in look(library, root).gone:
                if path not in moved_from:
                    counts["gone"] += 1
                    writer.write([Row(path, (), {"status": "gone"}, "gone ")])
    writer.close()
    if counts["unreadable"] and counts.total() == counts["unreadable"]:
        raise UsageError("none of these paths could be read")
    parts = [f"{count:,} {state}" for state, count in sorted(counts.items())]
    say(", ".join(parts) or "no photos found")
