"""Runs that put keywords into photos and sidecars, and take them out again.

Each yields what happened to one file after it happened; whoever stops listening ends the run, and
what was written until then is in the ledger. A dry run leaves no trace in the library.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qks_cli.keywords.choices import Target
from qks_cli.library import stacks
from qks_cli.library.ledger import Write
from qks_cli.library.runs import Run
from qks_cli.library.store import Library
from qks_cli.workflows.photo_writer import Options, Outcome
from qks_cli.workflows.untagging import undo_run, untag_all
from qks_cli.workflows.writing import write_all

Photos = Sequence[tuple[int, Path]]
"""Photos of the library: ids and paths (``session.selected``)."""

Outcomes = Generator[Outcome, None, None]


def write(
    library: Library,
    photos: Photos,
    options: Options,
    *,
    min_score: float = 0.0,
    only_confirmed: bool = False,
) -> Outcomes:
    """Make the stored tags the keywords of photos, and of the raw files and videos that share
    those: tags from ``min_score`` (0 to 1) on, or only those that the user confirmed."""
    with _recorded(library, "write", options) as run:
        yield from _counted(
            run,
            write_all(
                library,
                with_companions(library, photos),
                options,
                run_id=run.id,
                min_score=min_score,
                confirmed=only_confirmed,
            ),
        )


def rewrite(library: Library, written: Sequence[Write]) -> Outcomes:
    """Bring files up to date with the labels as they are shown now; ``written`` are their last
    writes."""
    with _recorded(library, "write", Options()) as run:
        for target in Target:
            ids = [one.photo_id for one in written if one.kind == target]
            photos = list(library.photos.paths_of(ids).items())
            options = Options(to=target)
            yield from _counted(run, write_all(library, photos, options, run_id=run.id, only=True))


def untag(library: Library, photos: Photos, options: Options) -> Outcomes:
    """Take all our keywords out of photos and their sidecars, and of the raw files and videos that
    share them, and nothing else."""
    with _recorded(library, "untag", options) as run:
        every = with_companions(library, photos)
        yield from _counted(run, untag_all(library, every, options, run_id=run.id))


def undo(library: Library, options: Options, *, run_id: int | None = None) -> Outcomes:
    """Take back what one run wrote, by default the latest: files get the bytes that they had.

    Raises ``UsageError`` where a later run wrote to one of its files again."""
    with _recorded(library, "undo", options) as run:
        yield from _counted(run, undo_run(library, run_id, options, run_id=run.id))


def with_companions(library: Library, photos: Photos) -> Photos:
    """Photos, each followed by those that share its tags: what is said of one holds for all."""
    paths = dict(photos)
    ids = stacks.with_sharing(library, list(paths))
    more = library.photos.paths_of([photo_id for photo_id in ids if photo_id not in paths])
    return [(photo_id, paths.get(photo_id) or more[photo_id]) for photo_id in ids]


@contextmanager
def _recorded(library: Library, command: str, options: Options) -> Iterator[Run]:
    """A run in the library; where nothing is to be changed, one that nobody records."""
    if options.dry_run:
        yield Run(0)
        return
    with library.runs.recorded(command, *library.runs.latest()) as run:
        yield run


def _counted(run: Run, outcomes: Outcomes) -> Outcomes:
    try:
        for outcome in outcomes:
            run.tagged += outcome.status == "written"
            run.failed += outcome.status == "refused"
            yield outcome
    finally:
        outcomes.close()  # it holds the library's lock
