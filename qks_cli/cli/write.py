"""``qks write``, ``untag``, ``undo``, ``verify``, ``import``: keywords in photos and sidecars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import All, Db, MinScore, Null, Paths, RecordFormat
from qks_cli.cli.output import Format, Records, say, shown
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.workflows.writing import Options, Outcome

GROUP = 200  # rows printed together
FIELDS = ("path", "status", "file", "labels", "reason")

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
Backup = Annotated[
    Path | None, typer.Option(help="Folder for copies of what is changed, made first.")
]
MtimeOption = Annotated[
    str, typer.Option(help="bump or keep the time of a photo that is written to.")
]


def write(
    paths: Paths = None,
    everything: All = False,
    to: Annotated[str, typer.Option(help="sidecar or embed.")] = "sidecar",
    sidecar_style: Annotated[
        str, typer.Option(help="ext (photo.jpg.xmp) or adobe (photo.xmp), for new ones.")
    ] = "ext",
    min_score: MinScore = None,
    only_confirmed: Annotated[
        bool, typer.Option("--only-confirmed", help="Only tags that `qks tags confirm` confirmed.")
    ] = False,
    backup: Backup = None,
    mtime: MtimeOption = "bump",
    backend: Annotated[str, typer.Option(help="own, or exiftool for TIFF and DNG too.")] = "own",
    compat: Annotated[str, typer.Option(help="immich: also the list that Immich reads.")] = "",
    synonyms: Annotated[
        bool, typer.Option("--synonyms", help="The labels' synonyms as keywords too.")
    ] = False,
    dry_run: DryRun = False,
    db: Db = None,
    format: RecordFormat = None,
    nul: Null = False,
) -> None:
    """Write tags as keywords into XMP sidecars, or into the photos (--to embed).

    Keywords of your own stay; `qks untag` and `qks undo` take ours out again and nothing else. A
    photo that cannot be written to safely gets a sidecar, and a line that says why. JPEG, PNG and
    WebP are embedded into; other formats get sidecars.
    """
    writer = Records(format, FIELDS)
    options = options_of(
        to, sidecar_style, mtime, backend, backup, compat, synonyms=synonyms, dry_run=dry_run
    )
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.writing import selected, write_all

    with open_library(db, create=False) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        run = library.runs.begin("write", *library.runs.latest())

        found = write_all(
            library,
            photos,
            options,
            run_id=run,
            min_score=min_score or 0.0,
            confirmed=only_confirmed,
        )
        _tell(library, run, writer, found)


def untag(
    paths: Paths = None,
    everything: All = False,
    backup: Backup = None,
    mtime: MtimeOption = "bump",
    dry_run: DryRun = False,
    db: Db = None,
    format: RecordFormat = None,
    nul: Null = False,
) -> None:
    """Take all our keywords out of photos and sidecars, and nothing else.

    Where nothing else changed since, a file gets the bytes that it had; a sidecar that we made is
    removed.
    """
    writer = Records(format, FIELDS)
    options = options_of("sidecar", "ext", mtime, "own", backup, "", dry_run=dry_run)
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.untagging import untag_all
    from qks_cli.workflows.writing import selected

    with open_library(db, create=False) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        run = library.runs.begin("untag", *library.runs.latest())
        _tell(library, run, writer, untag_all(library, photos, options, run_id=run))


def undo(
    run: Annotated[
        int | None, typer.Argument(help="A run that wrote. Default: the latest.")
    ] = None,
    backup: Backup = None,
    mtime: MtimeOption = "bump",
    dry_run: DryRun = False,
    db: Db = None,
    format: RecordFormat = None,
) -> None:
    """Take back what one run wrote into photos and sidecars: they get the bytes that they had.

    A file that was changed since stays as it is, and is named. Exit code 1 where there is nothing
    to undo.
    """
    writer = Records(format, FIELDS)
    options = options_of("sidecar", "ext", mtime, "own", backup, "", dry_run=dry_run)
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.untagging import undo_run

    with open_library(db, create=False) as library:
        now = library.runs.begin("undo", *library.runs.latest())
        if not _tell(library, now, writer, undo_run(library, run, options, run_id=now)):
            raise typer.Exit(1)


def verify(
    paths: Paths = None,
    everything: All = False,
    db: Db = None,
    format: RecordFormat = None,
    nul: Null = False,
) -> None:
    """Read again what we wrote, and report what drifted. Exit code 1 where anything did.

    status: ok, changed (another program edited the file; our keywords are there), lost (some of our
    keywords are gone), gone (the file is), shared (another photo was written into the same sidecar,
    as versions before 0.2 did: `qks write` gives each its own).
    """
    writer = Records(format, FIELDS)
    from qks_cli.workflows.checking import verify_all
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.writing import selected

    with open_library(db, create=False) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        found = list(verify_all(library, photos))
    counts = Counter(outcome.status for outcome in found)
    writer.write(_record(outcome) for outcome in found)
    say(", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "no file")
    if counts.total() != counts["ok"]:
        raise typer.Exit(1)


def import_keywords(
    paths: Paths = None,
    everything: All = False,
    db: Db = None,
    format: RecordFormat = None,
    nul: Null = False,
) -> None:
    """Read the keywords that you have in photos and sidecars into the library, as your own.

    `qks search` finds photos by them; nothing of ours ever removes them. A rating that only a
    sidecar has is read too. Photos have to be in the library (`qks tag`).
    """
    writer = Records(format, ("path", "keywords"))
    from qks_cli.workflows.importing import import_all
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.writing import selected

    total = unread = 0
    rows: list[dict[str, object]] = []
    with open_library(db, create=False) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        for found in import_all(library, photos):
            for file, reason in found.problems:
                unread += 1
                say(f"qks: {shown(file)}: cannot be read: {reason}")
            if found.keywords:
                total += 1
                rows.append({"path": str(found.path), "keywords": list(found.keywords)})
            if len(rows) == GROUP:
                writer.write(rows)
                rows.clear()
        writer.write(rows)
    say(
        f"{total:,} of {len(photos):,} photos have keywords of your own"
        + (f"; {unread:,} {'file' if unread == 1 else 'files'} not read" if unread else "")
    )


def options_of(
    to: str,
    style: str,
    mtime: str,
    backend: str,
    backup: Path | None,
    compat: str,
    *,
    synonyms: bool = False,
    dry_run: bool,
) -> Options:
    """The options of a writing run. Raises ``UsageError`` for a value that there is not."""
    from qks_cli.workflows.writing import Backend, Compat, Mtime, Options, Style, Target

    try:
        return Options(
            Target(to),
            Style(style),
            Mtime(mtime),
            Backend(backend),
            None if backup is None else backup.expanduser().resolve(),
            bool(compat) and Compat(compat) is Compat.immich,
            synonyms,
            dry_run,
        )
    except ValueError as error:
        raise UsageError(str(error), hint="`qks write --help` lists the values") from error


def _record(outcome: Outcome) -> dict[str, object]:
    return {
        "path": str(outcome.path),
        "status": outcome.status,
        "file": str(outcome.file),
        "labels": list(outcome.labels),
        "reason": outcome.reason,
    }


def _tell(
    library: Library, run: int, writer: Records, outcomes: Generator[Outcome, None, None]
) -> int:
    """Print and count outcomes; how many there were. Exits with 1 where one was refused.

    ``outcomes`` ends here whatever happens: it writes to the library, which is open still."""
    counts: Counter[str] = Counter()
    waiting: list[dict[str, object]] = []  # rows of a table, whose columns all of them make
    status = "interrupted"
    try:
        with closing(outcomes):
            for outcome in outcomes:
                counts[outcome.status] += 1
                if outcome.reason and outcome.status != "removed":
                    kind = "refused" if outcome.status == "refused" else "sidecar instead"
                    say(f"qks: {shown(outcome.path)}: {kind}: {outcome.reason}")
                waiting.append(_record(outcome))
                if writer.format is not Format.table:
                    writer.write(waiting)
                    waiting.clear()
        status = "done"
    finally:
        writer.write(waiting)
        library.runs.finish(run, tagged=counts["written"], failed=counts["refused"], status=status)
    say(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "nothing to do")
    if counts["refused"]:
        raise typer.Exit(1)
    return counts.total()
