"""``qks models``: what is here, what it is, and how to get more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Null, RowFormat, TrainingDevice
from qks_cli.cli.output import Records, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.wording import count_of

app = typer.Typer(help="List, describe, fetch and share models.", no_args_is_help=True)


AVAILABLE = ("name", "size_mb", "pixels", "licence", "imagenet", "seconds", "note")


@app.command("list")
def list_models(
    available: Annotated[
        bool, typer.Option("--available", help="Models that `qks models pull` can fetch.")
    ] = False,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """List the models that are installed or were pulled: name, version, folder.

    With --available a checked list of what may be fetched: size on the disk, pixels, licence,
    zero-shot accuracy on ImageNet as published, CPU seconds a photo. Any other model of open_clip
    works too.
    """
    if available:
        _write_available(Records(format, AVAILABLE, nul=nul))
        return
    writer = Records(format, ("name", "version", "path"), nul=nul)
    from qks_cli.workflows.models import installed
    from qks_cli.workflows.report import Report

    writer.write(
        {"name": name, "version": bundle.version, "path": str(bundle.path)}
        for name, bundle in installed(Report(note=say))
    )


def _write_available(writer: Records) -> None:
    from qks_cli.workflows.models import available

    writer.write({name: getattr(one, name) for name in AVAILABLE} for one in available())


@app.command()
def push(
    name: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Write a model into a folder that can be uploaded to a model hub as it is.

    `qks models pull hf-hub:…` and `qks models pull FOLDER` fetch it, and check every file against
    its hash."""
    from qks_cli.workflows.models import push as write

    say(f"ready to be uploaded: {shown(write(name, out))}")


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole configuration.")] = False,
) -> None:
    """Describe a model, and check its files against their hashes."""
    from qks_cli.workflows.models import described

    bundle, sizes = described(name)
    if as_json:
        typer.echo(json.dumps(bundle.config | {"path": str(bundle.path), "hash": bundle.hash}))
        return
    typer.echo(f"{bundle.name} {bundle.version}")
    typer.echo(f"folder        {shown(bundle.path)}")
    typer.echo(f"photos        {bundle.image_size} x {bundle.image_size} pixels, {bundle.resize}")
    typer.echo(f"query tokens  {bundle.queries} of width {bundle.width}")
    typer.echo(f"prompt pool   {count_of(len(bundle.templates), 'template')}")
    for file, size in sizes.items():
        typer.echo(f"{file:20} {size / 1e6:8.1f} MB, hash as stated")
    card = bundle.path / "README.md"
    if card.is_file():
        typer.echo(f"model card    {shown(card)}")


@app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="ARCHITECTURE/WEIGHTS as `qks models list --available` shows, hf-hub:NAME, or a "
            "folder with a model. Without one that list is shown.",
            show_default=False,
        ),
    ] = "",
    photos: Annotated[
        Path | None,
        typer.Option(help="Photos to calibrate on. Default: from your library, or the examples."),
    ] = None,
    device: Annotated[
        TrainingDevice, typer.Option(help="Where the calibration runs.")
    ] = TrainingDevice.cpu,
) -> None:
    """Fetch an open_clip backbone, and make a model of it.

    WEIGHTS may be a file. A model that qks made, in a folder or on a hub, is taken as it is, every
    file checked against its hash. A backbone has no trained head: its own tokens are matched with
    the labels, and its scores are calibrated on reference photos.
    """
    if not name:
        _write_available(Records(None, AVAILABLE))
        raise UsageError("which model?", hint="qks models pull NAME, one of these or any other")
    from qks_cli.workflows.models import pull as fetch
    from qks_cli.workflows.report import Report

    folder = fetch(name, photos, device, Report(note=say))
    say(f"ready: qks tag PHOTOS --model {shown(folder.name)}")
