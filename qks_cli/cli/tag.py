"""``qks tag``: photos in, tags out, everything kept in the library."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
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
    MinScore,
    Model,
    RowFormat,
    Target,
    Top,
)
from qks_cli.cli.output import Row, Writer, count_of, say
from qks_cli.cli.progress import Progress
from qks_cli.cli.signals import StopSignal
from qks_cli.errors import UsageError
from qks_cli.escape import shown

if TYPE_CHECKING:
    from qks_cli.types import Photo
    from qks_cli.workflows.pipeline import Result
    from qks_cli.workflows.report import Problem, Report

BATCH_SIZE = 32

PhotosAndFolders = Annotated[
    list[Path], typer.Argument(help="Photos and folders; - reads paths from stdin.")
]
NullBoth = Annotated[bool, typer.Option("-0", "--null", help="Paths, in and out, end with NUL.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Photos per batch.")]
Workers = Annotated[int, typer.Option(min=0, help="Decoding threads; 0 takes one a core.")]
MaxDecoded = Annotated[
    float,
    typer.Option(min=1, help="Photos that take more memory decoded are refused, in megabytes."),
]
Write = Annotated[
    Target | None, typer.Option(help="Write the tags too. More choices: `qks write`.")
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
    max_decoded_mb: MaxDecoded = 512.0,
    write: Write = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    strict: Strict = False,
) -> None:
    """Tag photos with the words of a labels file.

    Tags go to the library and to stdout. Photos that have not changed are not read again,
    moved ones keep their tags, deleted ones are marked missing. The photos themselves are not
    written to unless --write asks for it. Ctrl-C ends after the batch in hand; the next run goes
    on from there.
    """
    writer = Writer(format, nul=nul, reads_stdin=inputs.from_stdin(paths), run=True, quiet=quiet)
    if write is not None and dry_run:
        raise UsageError("--dry-run stores no tags to write")
    use_one_thread()
    from qks_cli.photos.limits import Limits
    from qks_cli.workflows.changes import folders
    from qks_cli.workflows.photo_writer import Options as WriteOptions
    from qks_cli.workflows.pipeline import LoadOptions
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import kept_words, open_library
    from qks_cli.workflows.tag import Tagging, TagRun

    told = Report() if quiet else Report(note=say)
    tagging = Tagging.open(
        model, labels, device, kept=kept_words(db), min_score=min_score, top=top, report=told
    )
    walking = Walking(paths, exclude or [], hidden, nul)
    began, stop, tally = time.monotonic(), StopSignal(), Tally()
    with ExitStack() as stack:
        library = None if dry_run else stack.enter_context(open_library(db, create=True))
        progress = stack.enter_context(Progress(shown=not quiet, count=walking.counter()))
        stack.enter_context(stop)
        run = TagRun(
            tagging,
            library,
            options=LoadOptions(
                batch_size, workers or settings.processors(), Limits(decoded_mb=max_decoded_mb)
            ),
            writing=None if write is None else WriteOptions(to=write),
            stop=stop,
            report=Report(progress.problem, progress.say),
        )
        photos = walking.photos(walking.noticing(run.counts, run.report), on_name=run.name)
        below = folders(inputs.named(paths))
        for result in stack.enter_context(closing(run.results(photos, below=below))):
            progress.advance()
            if result.warning and not quiet:
                progress.problem(result.photo.path, result.warning)
            tally.add(result)
            writer.write([result_row(result)])
        writer.close()
    if not quiet:
        where = "" if dry_run else f"; library {db or settings.index_path()}"
        say(_summary(run.counts, time.monotonic() - began, stopped=stop()) + where)
        if walking.skipped:
            say(_skipped(walking.skipped))
        if writer.silent:
            for line in tally.lines(stored=not dry_run):
                say(line)
    _exit(run.counts, stopped=stop(), strict=strict)


def use_one_thread() -> None:
    """Before numpy is first imported: its idle workers spin, on the cores that decode photos."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class Walking:
    """The photos that the user named, once for the run and once for the bar's total."""

    def __init__(self, paths: list[Path], exclude: list[str], hidden: bool, nul: bool) -> None:
        self.paths = paths
        self.exclude = exclude
        self.hidden = hidden
        self.nul = nul
        self.skipped: Counter[tuple[str, str]] = Counter()  # kinds and suffixes of what is no photo

    def photos(
        self,
        on_problem: Problem,
        on_skip: Problem | None = None,
        on_name: Callable[[Path, Path], None] = lambda path, name: None,
    ) -> Iterator[Photo]:
        """In the order of a run; what is no photo by its name is counted in ``skipped``."""
        from qks_cli.photos.walk import walk

        return walk(
            inputs.given(self.paths, nul=self.nul),
            exclude=self.exclude,
            hidden=self.hidden,
            on_problem=on_problem,
            on_skip=on_skip or self._skip,
            on_name=on_name,
        )

    def _skip(self, path: Path, kind: str) -> None:
        self.skipped[kind, path.suffix.lower()] += 1

    def counter(self) -> Counting | None:
        """Counts them, where they can be read twice."""
        return None if inputs.from_stdin(self.paths) else Counting(self)

    def noticing(self, counts: Counter[str], report: Report) -> Problem:
        """Tells and counts what cannot be walked."""

        def problem(path: Path, reason: str) -> None:
            counts["problems"] += 1
            report.problem(path, reason)

        return problem


class Counting:
    """How many photos there are below the paths."""

    def __init__(self, walking: Walking) -> None:
        self.walking = walking

    def __call__(self) -> int:
        from qks_cli.workflows.report import SILENT

        return sum(1 for _ in self.walking.photos(SILENT.problem, SILENT.problem))


class Tally:
    """What a run found, in a few words for people who see no row of it."""

    COMMONEST = 8

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        self.photos = self.bare = 0

    def add(self, result: Result) -> None:
        """Count one photo."""
        if result.status != "failed":
            self.photos += 1
            self.bare += not result.tags
            self.labels.update(tag.label for tag in result.tags)

    def lines(self, *, stored: bool) -> list[str]:
        """The commonest labels, how many photos have none, and what to do next."""
        if not self.photos:
            return []
        common = self.labels.most_common(self.COMMONEST)
        parts = [f"{label} {number:,}" for label, number in common]
        found = [f"commonest: {', '.join(parts)}"] if parts else []
        if self.bare:
            found.append(f"without a tag: {count_of(self.bare, 'photo')}")
        if stored and common:
            found.append(f"next: qks search {quoted(common[0][0])}, or qks tag --format table")
        return found


def quoted(label: str) -> str:
    """A label as a shell takes it."""
    import shlex

    return shlex.quote(label)


def result_row(result: Result) -> Row:
    """What a tagged or failed photo prints."""
    extra: dict[str, object] = {"status": result.status}
    note = ""
    if result.reason is not None:
        extra["error"] = result.reason
        note = f"failed: {result.reason} "
    return Row(result.photo.path, result.tags, extra, note)


def _skipped(skipped: Counter[tuple[str, str]]) -> str:
    """What was no photo by its name, by kind and suffix: ``skipped: 3 RAW (.cr2) …``."""
    words = {"raw": "RAW", "video": "video", "other": "other"}
    parts = []
    for kind, word in words.items():
        found = Counter({suffix: n for (one, suffix), n in skipped.items() if one == kind})
        if found:
            names = [suffix or "no suffix" for suffix, _ in found.most_common(5)]
            more = ", …" if len(found) > len(names) else ""
            parts.append(f"{found.total():,} {word} ({shown(', '.join(names))}{more})")
    hint = "; `pip install rawpy` reads RAW" if any(kind == "raw" for kind, _ in skipped) else ""
    return f"skipped, not photos that qks reads: {', '.join(parts)}{hint}"


def _summary(counts: Counter[str], seconds: float, *, stopped: bool) -> str:
    words = {
        "tagged": "tagged",
        "retagged": "tagged again without reading them",
        "moved": "moved, tags kept",
        "unchanged": "unchanged",
        "missing": "missing",
        "failed": "failed",
    }
    parts = [f"{counts[name]:,} {text}" for name, text in words.items() if counts[name]]
    if counts["problems"]:
        parts.append(f"{count_of(counts['problems'], 'path')} could not be read")
    files = {"written": "written", "unchanged": "already so", "refused": "refused"}
    parts += [
        f"{count_of(counts[f'files {name}'], 'file')} {text}"
        for name, text in files.items()
        if counts[f"files {name}"]
    ]
    speed = counts["tagged"] / seconds if seconds > 0 else 0.0
    rate = f" ({speed:.1f} photos/s)" if counts["tagged"] else ""
    start = "stopped: " if stopped else ""
    return f"{start}{', '.join(parts) or 'no photos found'} in {seconds:.1f} s{rate}"


def _exit(counts: Counter[str], *, stopped: bool, strict: bool) -> None:
    """Leave with the exit code that what happened calls for."""
    if stopped:
        raise typer.Exit(130)
    looked_at = ("tagged", "retagged", "moved", "unchanged", "failed")
    if counts["problems"] and not any(counts[name] for name in looked_at):
        raise UsageError("none of these paths could be read")
    if strict and (counts["failed"] or counts["problems"] or counts["files refused"]):
        raise typer.Exit(1)
