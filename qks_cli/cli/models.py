"""``qks models``: what is here, what it is, and how to get more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Null, RowFormat
from qks_cli.cli.output import Records, say

app = typer.Typer(help="List, describe and fetch models.", no_args_is_help=True)


@app.command("list")
def list_models(format: RowFormat = None, nul: Null = False) -> None:
    """Every model that a name finds: name, version, folder."""
    writer = Records(format, ("name", "version", "path"), nul=nul)
    from qks_cli.errors import ModelError
    from qks_cli.model.bundle import list_bundles, read_bundle

    rows = []
    for folder in list_bundles():
        try:
            bundle = read_bundle(str(folder))
        except ModelError as error:
            say(f"qks: {error.message}")
            continue
        rows.append({"name": folder.name, "version": bundle.version, "path": str(folder)})
    writer.write(rows)


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="Name or folder of a model.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole configuration.")] = False,
) -> None:
    """What a model is made of; its files are checked against their hashes."""
    from qks_cli.model.bundle import read_bundle

    bundle = read_bundle(name)
    sizes = {file: bundle.file(file).stat().st_size for file in bundle.config["files"]}
    if as_json:
        typer.echo(json.dumps(bundle.config | {"path": str(bundle.path), "hash": bundle.hash}))
        return
    typer.echo(f"{bundle.name} {bundle.version}")
    typer.echo(f"folder        {bundle.path}")
    typer.echo(f"photos        {bundle.image_size} x {bundle.image_size} pixels, {bundle.resize}")
    typer.echo(f"query tokens  {bundle.queries} of width {bundle.width}")
    typer.echo(f"prompt pool   {len(bundle.templates)} templates")
    for file, size in sizes.items():
        typer.echo(f"{file:20} {size / 1e6:8.1f} MB, hash as stated")
    card = bundle.path / "README.md"
    if card.is_file():
        typer.echo(f"model card    {card}")


@app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(help="An open_clip model, ARCHITECTURE/WEIGHTS: ViT-B-32/laion2b_s34b_b79k"),
    ],
    photos: Annotated[
        Path | None,
        typer.Option(help="Photos to calibrate on. Default: from your library, or the examples."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, for the calibration.")] = "cpu",
) -> None:
    """Fetch an open_clip backbone and make a model of it that tags from the first day.

    WEIGHTS may be a file. The model has no trained head: its own tokens are matched with the
    labels, and its scores are calibrated on reference photos.
    """
    from qks_cli import settings
    from qks_cli.bundling.reach import check_reachable

    check_reachable(name)
    from qks_cli.bundling.pull import pull as fetch

    folder = fetch(
        name, settings.models_path(), references=_references(photos), device=device, report=say
    )
    say(f"ready: qks tag PHOTOS --model {folder.name}")


def _references(photos: Path | None) -> list[Path]:
    from itertools import islice

    from qks_cli import settings
    from qks_cli.bundling.pull import REFERENCES, example_photos
    from qks_cli.library.store import Library
    from qks_cli.photos.walk import walk

    if photos is not None:
        return [photo.path for photo in islice(walk([photos]), REFERENCES)]
    if settings.index_path().is_file():
        with Library.open(settings.index_path(), create=False) as library:
            sample = library.photos.sample_paths(REFERENCES)
        if len(sample) >= REFERENCES // 4:
            return sample
    return example_photos()
