"""``qks text``: text in photos, read into the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import All, Db, Null, Paths, RowFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.cli.progress import Progress
from qks_cli.cli.signals import StopSignal
from qks_cli.cli.tag import MaxDecoded
from qks_cli.cli.threads import use_one_thread
from qks_cli.errors import UsageError
from qks_cli.photos.limits import MAX_DECODED_MB

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.workflows.report import Stop
    from qks_cli.workflows.texts import TextResult

FIELDS = ("path", "status", "text", "reason")
Query = Annotated[
    str, typer.Option("--query", help="Photos that a query finds by tags and filters.")
]
Workers = Annotated[int, typer.Option(min=0, help="Reading threads; 0 takes one a core.")]


def text(
    paths: Paths = None,
    everything: All = False,
    query: Query = "",
    workers: Workers = 0,
    max_decoded_mb: MaxDecoded = MAX_DECODED_MB,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Read the text in photos (signs, documents, screenshots) into the library.

    It works offline. Searches then find it by plain words, and by text:"gate 12". Photos have to be
    in the library (`qks tag`); those that were read before and have not changed are not read again.
    Ctrl-C keeps what was read. It takes half a second a photo: --query chooses, for instance
    'screenshot OR document'. Needs the extra 'text'.
    """
    writer = Records(format, FIELDS, nul=nul, run=True)
    if sum((bool(paths), everything, bool(query))) != 1:
        raise UsageError("give paths, --query, or --all for the whole library")
    use_one_thread()
    from qks_cli.ocr.engine import check_installed
    from qks_cli.workflows.session import open_library

    check_installed()
    stop, counts = StopSignal(), Counter[str]()
    with open_library(db) as library:
        photos = _chosen(library, paths, query, everything=everything, nul=nul)
        with ExitStack() as stack:
            progress = stack.enter_context(Progress(shown=True))
            stack.enter_context(stop)
            progress.expect(len(photos))
            results = _results(library, photos, workers, max_decoded_mb, stop)
            writer.stream(_records(stack.enter_context(closing(results)), counts, progress))
    _end(counts, stopped=stop())


def _chosen(
    library: Library, paths: list[Path] | None, query: str, *, everything: bool, nul: bool
) -> list[tuple[int, Path]]:
    from qks_cli.cli.write import selected
    from qks_cli.workflows.photo_report import found
    from qks_cli.workflows.report import Report

    if not query:
        return selected(library, paths, everything=everything, nul=nul)
    ids = found(library, query, report=Report(note=say))
    known = library.photos.paths_of(ids)
    return [(photo_id, known[photo_id]) for photo_id in ids]


def _results(
    library: Library, photos: list[tuple[int, Path]], workers: int, decoded_mb: float, stop: Stop
) -> Generator[TextResult, None, None]:
    from qks_cli.photos.limits import Limits
    from qks_cli.workflows.texts import read_texts

    limits = Limits(decoded_mb=decoded_mb)
    return read_texts(library, photos, workers=workers, limits=limits, stop=stop)


def _records(
    results: Iterator[TextResult], counts: Counter[str], progress: Progress
) -> Iterator[dict[str, object]]:
    for one in results:
        progress.advance()
        counts[one.status] += 1
        counts["with text"] += bool(one.text)
        if one.reason is not None:
            progress.problem(one.path, one.reason)
        yield {
            "path": str(one.path),
            "status": one.status,
            "text": one.text,
            "reason": one.reason,
        }


def _end(counts: Counter[str], *, stopped: bool) -> None:
    parts = [f"{count_of(counts['read'], 'photo')} read"]
    if counts["unchanged"]:
        parts.append(f"{counts['unchanged']:,} read before")
    if counts["failed"]:
        parts.append(f"{counts['failed']:,} failed")
    say(f"{', '.join(parts)}; {counts['with text']:,} with text")
    if stopped:
        say("stopped: what was read is kept, and the next `qks text` goes on from there")
        raise typer.Exit(130)
