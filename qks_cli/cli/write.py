"""``qks write``, ``untag``, ``undo``, ``verify``, ``import``: keywords in photos and sidecars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli import inputs
from qks_cli.cli.options import All, Db, Language, Null, Paths, RowFormat
from qks_cli.cli.output import Records, count_of, say, tell_problem
from qks_cli.escape import shown
from qks_cli.keywords.choices import Backend, Compat, Mtime, Style, Target
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.workflows.photo_writer import Outcome
    from qks_cli.workflows.write import Outcomes

FIELDS = ("path", "status", "file", "labels", "reason")

To = Annotated[Target, typer.Option(help="Where keywords go.")]
SidecarStyle = Annotated[
    Style, typer.Option(help="Names of new ones: photo.jpg.xmp (ext) or photo.xmp (adobe).")
]
OnlyConfirmed = Annotated[
    bool, typer.Option("--only-confirmed", help="Only tags that `qks tags confirm` confirmed.")
]
Backup = Annotated[
    Path | None, typer.Option(help="Folder for copies of what is changed, made first.")
]
MtimeOption = Annotated[
    Mtime, typer.Option(help="What becomes of the time of a photo that is written to.")
]
BackendOption = Annotated[
    Backend, typer.Option(help="What writes into photos; exiftool: TIFF and DNG too.")
]
CompatOption = Annotated[Compat | None, typer.Option(help="Also the list that Immich reads.")]
Synonyms = Annotated[bool, typer.Option("--synonyms", help="The labels' synonyms as keywords too.")]
Places = Annotated[
    bool,
    typer.Option("--places", help="Also town, region and country where a photo was taken."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")]
RunId = Annotated[
    int | None, typer.Argument(help="The number of a run that wrote. Default: the latest.")
]


LeastScore = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Write tags from this score on. Default: all that the library has.",
        envvar="QKS_MIN_SCORE",
    ),
]


def write(
    paths: Paths = None,
    everything: All = False,
    to: To = Target.sidecar,
    sidecar_style: SidecarStyle = Style.ext,
    min_score: LeastScore = None,
    only_confirmed: OnlyConfirmed = False,
    backup: Backup = None,
    mtime: MtimeOption = Mtime.bump,
    backend: BackendOption = Backend.own,
    compat: CompatOption = None,
    synonyms: Synonyms = False,
    places: Places = False,
    language: Language = LanguageCode.en,
    dry_run: DryRun = False,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Write tags as keywords into XMP sidecars, or into the photos (--to embed).

    Your own keywords stay; `qks untag` and `qks undo` take out those that qks wrote, and nothing
    else. A photo that cannot be written to safely gets a sidecar, and a line that says why. JPEG,
    PNG and WebP are embedded into; other formats get sidecars, and so do the raw file and the
    video of a named photo (docs/stacks.md). With --language keywords are the labels' names in
    that language, and their parents' names; --synonyms then adds their other names.
    """
    writer = Records(format, FIELDS, run=True)
    from qks_cli.api import open_library
    from qks_cli.workflows.photo_writer import Options

    options = Options(
        to,
        sidecar_style,
        mtime,
        backend,
        _folder(backup),
        compat is Compat.immich,
        synonyms,
        dry_run,
        places,
        language,
    )
    with open_library(db) as library:
        outcomes = library.write(
            list(inputs.given(paths or [], nul=nul)),
            options,
            everything=everything,
            min_score=min_score or 0.0,
            only_confirmed=only_confirmed,
        )
        _tell(writer, outcomes)


def untag(
    paths: Paths = None,
    everything: All = False,
    backup: Backup = None,
    mtime: MtimeOption = Mtime.bump,
    dry_run: DryRun = False,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Take the keywords that qks wrote out of photos and sidecars, and nothing else.

    Where nothing else has changed since, a file gets back the bytes that it had; a sidecar that qks
    made is removed.
    """
    writer = Records(format, FIELDS, run=True)
    from qks_cli.api import open_library
    from qks_cli.workflows.photo_writer import Options

    options = Options(mtime=mtime, backup=_folder(backup), dry_run=dry_run)
    with open_library(db) as library:
        named = list(inputs.given(paths or [], nul=nul))
        _tell(writer, library.untag(named, options, everything=everything))


def undo(
    run: RunId = None,
    backup: Backup = None,
    mtime: MtimeOption = Mtime.bump,
    dry_run: DryRun = False,
    db: Db = None,
    format: RowFormat = None,
) -> None:
    """Take back what one run wrote: photos and sidecars get the bytes that they had.

    A file that has changed since stays as it is, and is named. Exit code 1 where there is nothing
    to undo.
    """
    writer = Records(format, FIELDS, run=True)
    from qks_cli.api import open_library
    from qks_cli.workflows.photo_writer import Options

    options = Options(mtime=mtime, backup=_folder(backup), dry_run=dry_run)
    with open_library(db) as library:
        if not _tell(writer, library.undo(run, options)):
            raise typer.Exit(1)


def verify(
    paths: Paths = None,
    everything: All = False,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Check that the keywords that qks wrote are still there.

    Exit code 1 where a file is not ok.

    status: ok, changed (another program edited the file; the keywords are there), lost (some of the
    keywords are gone), gone (the file is), shared (another photo was written into the same sidecar,
    as versions before 0.2 did: `qks write` gives each its own).
    """
    writer = Records(format, FIELDS, run=True)
    from qks_cli.api import open_library

    with open_library(db) as library:
        named = list(inputs.given(paths or [], nul=nul))
        found = list(library.verify(named, everything=everything))
    counts = Counter(outcome.status for outcome in found)
    writer.write(_record(outcome) for outcome in found)
    if writer.silent:
        for outcome in found:
            if outcome.status != "ok":
                tell_problem(outcome.path, f"{outcome.status}: {outcome.reason or outcome.file}")
    say(", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "no file")
    if counts.total() != counts["ok"]:
        raise typer.Exit(1)


def import_keywords(
    paths: Paths = None,
    everything: All = False,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Read your own keywords from photos and sidecars into the library.

    `qks search` finds photos by them, and qks never removes them from a file. A rating that only a
    sidecar has is read too. Photos have to be in the library (`qks tag`).
    """
    writer = Records(format, ("path", "keywords"))
    from qks_cli.workflows.importing import import_all
    from qks_cli.workflows.session import open_library

    unread = 0

    def records() -> Iterator[dict[str, object]]:
        nonlocal unread
        for found in import_all(library, photos):
            for file, reason in found.problems:
                unread += 1
                tell_problem(file, f"cannot be read: {reason}")
            if len(found.sidecars) > 1:
                both = " and ".join(shown(file.name) for file in found.sidecars)
                tell_problem(found.path, f"has two sidecars, both are read: {both}")
            if found.keywords:
                yield {"path": str(found.path), "keywords": list(found.keywords)}

    with open_library(db) as library:
        photos = selected(library, paths, everything=everything, nul=nul)
        total = writer.stream(records())
    more = f"; {count_of(unread, 'file')} not read" if unread else ""
    say(f"{total:,} of {count_of(len(photos), 'photo')} with keywords of your own{more}")


def selected(
    library: Library, paths: list[Path] | None, *, everything: bool, nul: bool
) -> list[tuple[int, Path]]:
    """The photos that the user named, or all. Raises as ``session.selected``."""
    from qks_cli.workflows.session import selected as choose

    return choose(library, list(inputs.given(paths or [], nul=nul)), everything=everything)


def _folder(given: Path | None) -> Path | None:
    return None if given is None else given.expanduser().resolve()


def _record(outcome: Outcome) -> dict[str, object]:
    return {
        "path": str(outcome.path),
        "status": outcome.status,
        "file": str(outcome.file),
        "labels": list(outcome.labels),
        "reason": outcome.reason,
    }


def _tell(writer: Records, outcomes: Outcomes) -> int:
    """Print and count outcomes; how many there were. Exits with 1 where one was refused.

    ``outcomes`` ends here whatever happens: it writes to the library, which is open still."""
    counts: Counter[str] = Counter()

    def records() -> Iterator[dict[str, object]]:
        for outcome in outcomes:
            counts[outcome.status] += 1
            if outcome.reason and outcome.status != "removed":
                kind = "refused" if outcome.status == "refused" else "sidecar instead"
                tell_problem(outcome.path, f"{kind}: {outcome.reason}")
            yield _record(outcome)

    with closing(outcomes):
        writer.stream(records())
    say(", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "nothing to do")
    if counts["refused"]:
        raise typer.Exit(1)
    return counts.total()
