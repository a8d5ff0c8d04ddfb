"""``qks tag``: photos in, tags out, everything kept in the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli import settings
from qks_cli.cli import inputs
from qks_cli.cli.options import (
    Db,
    Device,
    DeviceName,
    Exclude,
    Hidden,
    Labels,
    Language,
    MinScore,
    Model,
    RowFormat,
    Target,
    Top,
)
from qks_cli.cli.output import Format, Row, Writer, say
from qks_cli.cli.progress import Progress
from qks_cli.cli.signals import StopSignal
from qks_cli.cli.tally import Tally
from qks_cli.cli.threads import use_one_thread
from qks_cli.cli.walking import Walking
from qks_cli.errors import UsageError
from qks_cli.photos.limits import MAX_DECODED_MB
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.photo_writer import Options
    from qks_cli.workflows.pipeline import LoadOptions
    from qks_cli.workflows.results import Result
    from qks_cli.workflows.tag import Tagging, TagRun

BATCH_SIZE = 32


class Scoring(StrEnum):
    """Orders of the labels."""

    own = "own"
    sparc = "sparc"
    piaa = "piaa"
    tagclip = "tagclip"


PhotosAndFolders = Annotated[
    list[Path], typer.Argument(help="Photos and folders; - reads paths from stdin.")
]
NullBoth = Annotated[bool, typer.Option("-0", "--null", help="Paths, in and out, end with NUL.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Photos per batch.")]
Workers = Annotated[int, typer.Option(min=0, help="Decoding threads; 0 takes one a core.")]
MaxDecoded = Annotated[
    float,
    typer.Option(min=1, help="Refuse photos that take more memory when decoded, in megabytes."),
]
Write = Annotated[
    Target | None,
    typer.Option(help="Write the tags as keywords too; `qks write` has more options."),
]
ScoringOption = Annotated[
    Scoring,
    typer.Option(help="By whose scores labels are put in order: the model's own, or a method."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the tags, store nothing.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; errors only.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 if any photo failed.")]


def tag(
    paths: PhotosAndFolders,
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = None,
    format: RowFormat = None,
    nul: NullBoth = False,
    device: Device = DeviceName.auto,
    batch_size: BatchSize = BATCH_SIZE,
    workers: Workers = 0,
    exclude: Exclude = None,
    hidden: Hidden = False,
    max_decoded_mb: MaxDecoded = MAX_DECODED_MB,
    write: Write = None,
    language: Language = LanguageCode.en,
    scoring: ScoringOption = Scoring.own,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Tag photos with the words of a labels file.

    Tags go to the library and to stdout. Photos that have not changed are not read again,
    moved ones keep their tags, deleted ones are marked missing. The photos themselves are not
    written to unless --write asks for it. Ctrl-C stops after the current batch; the next run goes
    on from there.
    """
    writer = Writer(format, nul=nul, reads_stdin=inputs.from_stdin(paths), run=True, quiet=quiet)
    if write is not None and dry_run:
        raise UsageError("--dry-run stores no tags to write")
    use_one_thread()
    from qks_cli.photos.limits import Limits
    from qks_cli.photos.readers import Readers
    from qks_cli.workflows.session import kept_words

    limits, workers = Limits(decoded_mb=max_decoded_mb), workers or settings.processors()
    kept = kept_words(db)
    with Readers(limits) as readers:
        if kept is None:  # all photos will be read: let them start while the model is opened
            readers.start(workers)
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.pipeline import LoadOptions
        from qks_cli.workflows.report import Report
        from qks_cli.workflows.tag import Tagging

        told = Report() if quiet else Report(note=say)
        method = None if scoring is Scoring.own else str(scoring)
        tagging = Tagging.open(
            model, labels, device,
            kept=kept, min_score=min_score, top=top, scoring=method, report=told,
        )  # fmt: skip
        writer.name_of = names_in(language, tagging.vocabulary)
        known_tags = not (quiet if writer.silent else writer.format is Format.paths)
        load = LoadOptions(batch_size, workers, limits, readers, known_tags)
        walking = Walking(paths, exclude or [], hidden, nul)
        writing = None if write is None else Options(to=write, language=language)
        run = _run(tagging, walking, writer, load, writing, db=db, dry_run=dry_run, quiet=quiet)
    _exit(run.counts, stopped=run.stop(), strict=strict)


def _run(
    tagging: Tagging,
    walking: Walking,
    writer: Writer,
    load: LoadOptions,
    writing: Options | None,
    *,
    db: Path | None,
    dry_run: bool,
    quiet: bool,
) -> TagRun:
    """Tag, print rows as they come, and say at the end what was done."""
    from qks_cli.workflows.changes import folders
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library
    from qks_cli.workflows.tag import TagRun

    stop, tally = StopSignal(), Tally()
    with ExitStack() as stack:
        library = None if dry_run else stack.enter_context(open_library(db, create=True))
        progress = stack.enter_context(Progress(shown=not quiet))
        stack.enter_context(stop)
        told = Report(progress.problem, progress.say)
        run = TagRun(tagging, library, options=load, writing=writing, stop=stop, report=told)
        photos = walking.photos(
            walking.noticing(run.counts, told),
            on_name=run.name,
            on_total=progress.expect if progress.visible else None,
        )
        results = run.results(photos, below=folders(inputs.named(walking.paths)))
        for result in stack.enter_context(closing(results)):
            progress.advance()
            if result.warning and not quiet:
                progress.problem(result.photo.path, result.warning)
            tally.add(result)
            row = result_row(result, tagging.vocabulary)
            writer.write([row], hold=result.status == "unchanged")
        writer.close()
    if not quiet:
        library_note = "" if dry_run else f"; library {db or settings.index_path()}"
        say(tally.summary(run.counts, stopped=stop()) + library_note)
        if walking.skipped:
            say(walking.skipped.line())
        if writer.silent:
            for line in tally.lines(writer.name_of or str, stored=not dry_run):
                say(line)
    return run


def names_in(language: LanguageCode, vocabulary: Vocabulary) -> Callable[[str], str] | None:
    """What labels are called in a language; None for English."""
    from qks_cli.vocabulary.languages import open_language

    own = open_language(language, vocabulary)
    return None if own is None else own.shown


def result_row(result: Result, vocabulary: Vocabulary) -> Row:
    """What a tagged or failed photo prints."""
    extra: dict[str, object] = {"status": result.status}
    note = ""
    if result.reason is not None:
        extra["error"] = result.reason
        note = f"failed: {result.reason} "
    parents = vocabulary.parents_among(tag.label for tag in result.tags)
    return Row(result.photo.text, result.tags, extra, note, parents)


def _exit(counts: Counter[str], *, stopped: bool, strict: bool) -> None:
    """Leave with the exit code that what happened calls for."""
    if stopped:
        raise typer.Exit(130)
    looked_at = ("tagged", "shared", "retagged", "moved", "unchanged", "failed")
    if counts["problems"] and not any(counts[name] for name in looked_at):
        raise UsageError("none of these paths could be read")
    if strict and (counts["failed"] or counts["problems"] or counts["files refused"]):
        raise typer.Exit(1)
