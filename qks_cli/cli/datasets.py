"""``qks datasets``: what labelled data sets there are, and whether one is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import RecordFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.escape import shown

app = typer.Typer(
    help="List and check labelled data sets for training and evaluation.", no_args_is_help=True
)

# As training/datasets names them, which no command imports before it is run.
LAYOUTS = "nuswide openimages coco voc folder csv jsonl webdataset library".split()
SourceOption = Annotated[str, typer.Option(help="Only the photos of one source (jsonl).")]


@app.command("list")
def list_datasets(format: RecordFormat = None) -> None:
    """List the supported layouts of data sets, and the files that each consists of."""
    writer = Records(format, ("dataset", "part", "what", "source"))
    from qks_cli.workflows.datasets import known

    writer.write(
        {"dataset": x.dataset, "part": x.files, "what": x.what, "source": x.source} for x in known()
    )


@app.command()
def check(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(LAYOUTS)}.")],
    root: Annotated[Path, typer.Option(help="Its folder.")],
    source: SourceOption = "",
    format: RecordFormat = None,
) -> None:
    """Report which parts of a data set are there, which are missing and where to get them.

    Exits with 1 where a part or a photo is missing.
    """
    writer = Records(format, ("part", "there", "what", "path", "source"))
    from qks_cli.workflows.datasets import example_in, parts_in, read_dataset
    from qks_cli.workflows.report import Report

    found = parts_in(name, root)
    writer.write(
        {
            "part": one.part,
            "there": "no" if one.missing else "yes" if one.path else "not needed",
            "what": one.what,
            "path": one.path,
            "source": one.source,
        }
        for one in found
    )
    example = example_in(name, root)
    if example is not None:
        say(f"an example of a photo's path: {shown(example)}")
    missing = sum(one.missing for one in found)
    if missing:
        say(f"{count_of(missing, 'part')} missing in {shown(root)}")
        raise typer.Exit(1)
    data = read_dataset(name, root, source, Report(note=say))
    seen = int(data.seen_C.sum())
    say(f"{seen:,} seen and {count_of(len(data.labels) - seen, 'unseen label')}")
    say(f"{len(data.train):,} training and {count_of(len(data.test), 'test photo')} with labels")
    if data.missing:
        raise typer.Exit(1)
