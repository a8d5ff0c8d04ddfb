"""``qks tag``: photos in, tags out, everything kept in the library."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Exclude, Hidden, Labels, MinScore, Model, RowFormat, Top
from qks_cli.cli.output import Row, Writer, say, shown
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.types import Photo
    from qks_cli.workflows.pipeline import Result

BATCH_SIZE = 32
MANY_LABELS = 2000  # from here on embedding them takes long enough to say so


def tag(
    paths: Annotated[
        list[str], typer.Argument(help="Photos and folders; - reads paths from stdin.")
    ],
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = 20,
    format: RowFormat = None,
    nul: Annotated[
        bool, typer.Option("-0", "--null", help="Paths, in and out, end with NUL.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Photos a batch.")] = BATCH_SIZE,
    workers: Annotated[int, typer.Option(min=0, help="Decoding threads; 0 takes one a core.")] = 0,
    exclude: Exclude = None,
    hidden: Hidden = False,
    max_decoded_mb: Annotated[
        float,
        typer.Option(min=1, help="Photos that take more memory decoded are refused, in megabytes."),
    ] = 512.0,
    write: Annotated[
        str | None,
        typer.Option(help="Write the tags too: sidecar or embed. More choices: `qks write`."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the tags, store nothing.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, no summary; errors only.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if any photo failed.")
    ] = False,
) -> None:
    """Tag photos with the words of a labels file.

    Tags go to the library and to stdout. Photos that have not changed are not read again,
    moved ones keep their tags, deleted ones are marked missing. The photos themselves are not
    written to unless --write asks for it. Ctrl-C ends after the batch in hand; the next run goes
    on from there.
    """
    writer = Writer(format, nul=nul, reads_stdin="-" in paths)
    # Read when numpy is first imported: its idle workers spin, on the cores that decode photos.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from contextlib import ExitStack, closing

    from qks_cli import settings
    from qks_cli.cli.labels import read_vocabulary
    from qks_cli.cli.progress import Progress
    from qks_cli.model.model import Model as OpenModel
    from qks_cli.photos.limits import Limits
    from qks_cli.photos.walk import read_paths, walk
    from qks_cli.workflows.changes import folders
    from qks_cli.workflows.pipeline import LoadOptions, tag_photos
    from qks_cli.workflows.session import begin, open_library

    if write is not None:
        from qks_cli.cli.write import options_of

        writing = options_of(write, "ext", "bump", "own", None, "", dry_run=False)
        if dry_run:
            raise UsageError("--dry-run stores no tags to write")
    opened = OpenModel.open(model, device=device)
    bundle = opened.bundle
    vocabulary = read_vocabulary(labels, bundle, quiet=quiet)
    if len(vocabulary.labels) > MANY_LABELS and not quiet:
        say(f"{len(vocabulary.labels):,} labels: embedding those that are new takes a moment")
    tagger = opened.tagger(vocabulary, min_score=min_score, top=top)
    counts: Counter[str] = Counter()
    seen: list[Path] = []  # photos whose tags are to be written
    roots = [Path(path) for path in paths if path != "-"]

    def find(
        on_problem: Callable[[Path, str], None], on_skip: Callable[[Path, str], None]
    ) -> Iterator[Photo]:
        listed = read_paths(sys.stdin.buffer, nul=nul) if "-" in paths else iter(())
        return walk(
            chain(roots, listed),
            exclude=exclude or (),
            hidden=hidden,
            on_problem=on_problem,
            on_skip=on_skip,
        )

    def count() -> int:
        return sum(1 for _ in find(lambda path, reason: None, lambda path, kind: None))

    skipped: Counter[tuple[str, str]] = Counter()

    def skip(path: Path, kind: str) -> None:
        skipped[kind, path.suffix.lower()] += 1

    stop = _StopSignal()
    began = time.monotonic()
    with ExitStack() as stack:
        destination, run = None, 0
        if not dry_run:
            library = stack.enter_context(open_library(db))
            destination, run = begin(library, bundle, vocabulary, "tag")
        progress = stack.enter_context(
            Progress(shown=not quiet, count=None if "-" in paths else count)
        )

        def problem(path: Path, reason: str) -> None:
            counts["problems"] += 1
            progress.say(f"qks: {shown(path)}: {reason}")

        stack.enter_context(stop)
        results = tag_photos(
            find(problem, skip),
            model=opened,
            tagger=tagger,
            destination=destination,
            options=LoadOptions(
                batch_size, workers or settings.processors(), Limits(decoded_mb=max_decoded_mb)
            ),
            stop=stop,
        )
        status = "interrupted"
        try:
            for result in results:
                counts[result.status] += 1
                progress.advance()
                if result.status == "failed":
                    progress.say(f"qks: {shown(result.photo.path)}: {result.reason}")
                elif result.warning and not quiet:
                    progress.say(f"qks: {shown(result.photo.path)}: {result.warning}")
                elif write is not None:
                    seen.append(result.photo.path)
                writer.write([result_row(result)])
            writer.close()
            status = "interrupted" if stop() else "done"
        finally:
            results.close()
            if destination is not None:
                destination.library.runs.finish(
                    run,
                    tagged=counts["tagged"] + counts["retagged"],
                    failed=counts["failed"],
                    status=status,
                )
        if destination is not None and not stop():
            for folder in folders(roots):
                counts["missing"] += note_absences(destination.library, folder)
            if counts["tagged"]:
                from qks_cli.search import compact

                compact.refresh(destination.library, destination.model_id)
        if destination is not None and seen and not stop():
            from qks_cli.workflows.writing import write_all

            ids = {path: row.id for path, row in destination.library.photos.known(seen).items()}
            photos = [(ids[path], path) for path in seen if path in ids]
            outcomes = write_all(destination.library, photos, writing, run_id=run)
            with closing(outcomes):
                for outcome in outcomes:
                    counts[f"files {outcome.status}"] += 1
                    if outcome.reason:
                        progress.say(f"qks: {shown(outcome.path)}: {outcome.reason}")
                    if stop():
                        break
    where = "" if destination is None else f"; library {db or settings.index_path()}"
    if not quiet:
        say(_summary(counts, time.monotonic() - began, stopped=stop()) + where)
        if skipped:
            say(_skipped(skipped))
    failed = counts["failed"] + counts["problems"] + counts["files refused"]
    if stop():
        raise typer.Exit(130)
    if counts["problems"] and not any(
        counts[name] for name in ("tagged", "retagged", "moved", "unchanged", "failed")
    ):
        raise UsageError("none of these paths could be read")
    if strict and failed:
        raise typer.Exit(1)


class _StopSignal:
    """Ctrl-C asks to stop; a second one stops at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGINT, self._ask)

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def note_absences(library: Library, root: Path) -> int:
    """Mark photos at or below ``root`` whose files are gone; how many. Nothing is removed."""
    from qks_cli.library import presence
    from qks_cli.workflows.changes import look

    found = look(library, root)
    if found.suspicious:
        say(
            f"qks: {len(found.gone):,} of {found.known:,} photos known in {shown(root)} "
            "are gone: is a drive not mounted?\n"
            "     they are kept as they are; `qks prune` removes them"
        )
        found.gone.clear()
    if found.gone or found.back:
        presence.mark(library, gone=(x for x, _ in found.gone), back=found.back)
    return len(found.gone)


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
    return f"skipped, not photos that qks reads: {', '.join(parts)}"


def _summary(counts: Counter[str], seconds: float, *, stopped: bool) -> str:
    words = {
        "tagged": "tagged",
        "retagged": "tagged again without reading them",
        "moved": "moved, tags kept",
        "unchanged": "unchanged",
        "missing": "missing",
        "failed": "failed",
        "problems": "paths could not be read",
        "files written": "files written",
        "files unchanged": "files already so",
        "files refused": "files refused",
    }
    parts = [f"{counts[name]:,} {text}" for name, text in words.items() if counts[name]]
    speed = counts["tagged"] / seconds if seconds > 0 else 0.0
    rate = f" ({speed:.1f} photos/s)" if counts["tagged"] else ""
    start = "stopped: " if stopped else ""
    return f"{start}{', '.join(parts) or 'no photos found'} in {seconds:.1f} s{rate}"
