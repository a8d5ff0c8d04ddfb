"""``qks ray``: archives that are too large for one machine, on Ray Data."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from qks_cli import settings
from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.cli.threads import use_one_thread
from qks_cli.errors import UsageError
from qks_cli.escape import shown

app = typer.Typer(
    help="Tag and search archives of many machines, and bring them into the library.",
    no_args_is_help=True,
)

Sources = Annotated[
    list[str], typer.Argument(help="Folders, photos, URLs, lists; - reads a list from stdin.")
]
Address = Annotated[
    str | None,
    typer.Option(help="A Ray cluster. Default: this machine alone.", envvar="RAY_ADDRESS"),
]
Workers = Annotated[int, typer.Option(min=0, help="Processors of this machine; 0 takes all.")]
LabelsFile = Annotated[Path | None, typer.Option(help="Your labels file.")]
CutOff = Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Cut-off for tags.")]
TagsAtMost = Annotated[int, typer.Option(min=1, help="Tags per photo at most.")]
OneDataSet = Annotated[str, typer.Argument(help="A data set: a folder or URL.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")]
Folders = Annotated[
    list[str] | None,
    typer.Option(
        "--folder",
        metavar="URL=FOLDER",
        help="Where photos below a URL lie on this machine; repeatable.",
    ),
]


@app.callback()
def group() -> None:
    """Tag and search archives of many machines, and bring them into the library."""


@app.command("tag")
def tag(
    sources: Sources,
    out: Annotated[str, typer.Option(help="The data set: a folder or URL.")],
    labels: LabelsFile = None,
    model: Model = "mini",
    min_score: CutOff = None,
    top: TagsAtMost = 20,
    address: Address = None,
    workers: Workers = 0,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Photos per batch: what a lost worker costs.")
    ] = 64,
    partition_size: Annotated[int, typer.Option(min=1, help="Photos of a partition.")] = 20_000,
    nul: Null = False,
    quiet: Quiet = False,
) -> None:
    """Tag photos on a Ray cluster, into a Parquet data set.

    Sources are folders, photos, URLs that fsspec reads, and lists: text files (.txt) with a path or
    URL a line, Parquet files with a column `path`; - reads such lines from stdin. A run that was
    cut off goes on where it stopped, with the photos that it listed at first. A photo that cannot
    be read is a row with the reason.
    """
    use_one_thread()
    from qks_cli.cli.output import tell_problem
    from qks_cli.workflows.archive import ArchiveOptions, tag_archive
    from qks_cli.workflows.report import Report

    options = ArchiveOptions(
        model, labels, min_score, top, address, workers, batch_size, partition_size
    )
    report = Report(tell_problem) if quiet else Report(tell_problem, say)
    rest = [source for source in sources if source != "-"]
    names = _from_stdin(nul=nul) if "-" in sources else ()
    done = tag_archive(rest, out, options, report, names)
    if not quiet:
        kept = f", {done.photos - done.tagged:,} had been" if done.tagged < done.photos else ""
        say(f"{count_of(done.tagged, 'photo')} tagged{kept}; data set {shown(out)}")


@app.command("retag")
def retag(
    data: OneDataSet,
    out: Annotated[str, typer.Option(help="The new data set: a folder or URL.")],
    labels: LabelsFile = None,
    model: Model = "mini",
    min_score: CutOff = None,
    top: TagsAtMost = 20,
    address: Address = None,
    workers: Workers = 0,
    quiet: Quiet = False,
) -> None:
    """Tag a data set with other words, into a new one.

    The tags are chosen from the query tokens in it; no photo is read. A run that was cut off goes
    on with the partitions that are missing.
    """
    use_one_thread()
    from qks_cli.workflows.archive import ArchiveOptions
    from qks_cli.workflows.archive_scores import retag_archive
    from qks_cli.workflows.report import Report

    options = ArchiveOptions(model, labels, min_score, top, address, workers)
    rows = retag_archive(data, out, options, Report() if quiet else Report(note=say))
    if not quiet:
        say(f"{count_of(rows, 'row')} written; data set {shown(out)}")


@app.command("search")
def search(
    data: OneDataSet,
    words: Annotated[list[str], typer.Argument(help="What the photos show.")],
    limit: Annotated[int, typer.Option(min=1, help="Photos at most.")] = 20,
    weak: Annotated[bool, typer.Option("--weak", help="Show what hardly fits, too.")] = False,
    model: Model = "mini",
    address: Address = None,
    workers: Workers = 0,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Find the photos of a data set that fit words best.

    Filters and signs of the query language mean nothing here; `qks ray export` brings a part into
    a library, which knows them.

    Exit code 1 where no photo fits.
    """
    use_one_thread()
    writer = Records(format, ("score", "path", "tags"), nul=nul)
    from qks_cli.workflows.archive import ArchiveOptions
    from qks_cli.workflows.archive_scores import search_archive

    options = ArchiveOptions(model, address=address, workers=workers)
    found, sure = search_archive(data, " ".join(words), options, limit=limit)
    if not sure and not weak:
        say("qks: no confident match; --weak shows what fits best")
        raise typer.Exit(1)
    rows = [
        {"score": round(one.score, 4), "path": one.path, "tags": [tag.label for tag in one.tags]}
        for one in found
    ]
    if not writer.write(rows):
        raise typer.Exit(1)


def _from_stdin(*, nul: bool) -> Iterator[str]:
    """Paths and URLs, as they come."""
    from qks_cli.photos.walk import read_names

    return read_names(sys.stdin.buffer, nul=nul)


@app.command("export")
def export(
    data: OneDataSet,
    db: Db = None,
    partition: Annotated[
        list[int] | None, typer.Option(help="Take this partition alone; repeatable.")
    ] = None,
    folder: Folders = None,
    quiet: Quiet = False,
) -> None:
    """Merge a data set, or a part of it, into the library of every other command.

    A photo that the library knows in a newer state stays as it is. Photos under URLs are left out
    unless --folder says where they lie. This needs no cluster.
    """
    folders = dict(_folder(text) for text in folder or [])
    from qks_cli.cli.progress import Progress
    from qks_cli.cli.signals import StopSignal
    from qks_cli.workflows.parquet import merge, open_data_set
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    open_data_set(data)  # before a library is made
    stop = StopSignal()
    with open_library(db, create=True) as library, Progress(shown=not quiet) as progress, stop:
        counts = merge(
            library,
            data,
            partitions=partition,
            folders=folders,
            advance=progress.advance,
            report=Report(progress.problem, progress.say),
            stop=stop,
        )
    if not quiet:
        parts = [f"{count_of(counts['tagged'], 'photo')} merged"]
        parts += [f"{counts['failed']:,} failed"] * bool(counts["failed"])
        parts += [f"{counts['newer']:,} newer in the library"] * bool(counts["newer"])
        say(f"{', '.join(parts)}; library {shown(str(db or settings.index_path()))}")
        if counts["elsewhere"]:
            say(
                f"{count_of(counts['elsewhere'], 'photo')} left out: not on this machine; "
                "--folder URL=FOLDER says where they lie"
            )
    if stop():
        raise typer.Exit(130)


def _folder(text: str) -> tuple[str, Path]:
    start, found, folder = text.rpartition("=")
    if not (found and start and folder):
        raise UsageError(f"--folder {shown(text)}: give a URL, = and a folder")
    return start, Path(folder)
