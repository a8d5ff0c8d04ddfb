"""``qks train``: train a model and make its bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from qks_cli.commands.output import say
from qks_cli.errors import UsageError

DATASETS = ("mini",)


def train(
    pool: Annotated[Path, typer.Option(help="Folder with photos.jsonl and its archives.")],
    teachers: Annotated[Path, typer.Option(help="Folder with what the teachers say.")],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the finished bundle.")],
    dataset: Annotated[str, typer.Option(help=f"One of: {', '.join(DATASETS)}.")] = "mini",
    config: Annotated[
        Path | None, typer.Option(help="Training configuration. Default: the bundled model's.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="A model to train on from, instead of random weights.")
    ] = None,
    wordnet: Annotated[
        Path, typer.Option(help="WordNet's dict files (Debian: wordnet-base).")
    ] = Path("/usr/share/wordnet"),
    text_epochs: Annotated[float, typer.Option(help="Passes of the text tower's corpus.")] = 12.0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets torch choose.")] = 0,
    model_version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
) -> None:
    """Train the small model from random weights, resume where a run was cut off, make the bundle.

    Three steps, each kept in OUT and skipped or resumed when run again: the image model
    (OUT/image), the text tower (OUT/text), the bundle (OUT/bundle).
    """
    if dataset not in DATASETS:
        raise UsageError(f"no data set '{dataset}'", hint=f"one of {', '.join(DATASETS)}")
    import numpy as np
    import torch

    from qks_cli.bundle import read_bundle
    from qks_cli.bundling.assemble import assemble
    from qks_cli.training import mini
    from qks_cli.training.pool import read_photos
    from qks_cli.training.text_corpus import WordNet, make_corpus
    from qks_cli.training.text_tower import train_text_tower

    if threads:
        torch.set_num_threads(threads)
    settings = mini.MiniConfig.read(config or Path(mini.__file__).with_name("mini.json"))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:

        def report(row: dict[str, Any]) -> None:
            log.write(json.dumps(row) + "\n")
            log.flush()
            say(", ".join(f"{name} {value:.5g}" for name, value in row.items()))

        mini.train(
            settings,
            pool=pool,
            teachers_folder=teachers,
            out=out / "image",
            start=read_bundle(start) if start else None,
            wordnet=wordnet,
            device=device,
            report=report,
        )
        space = np.load(out / "image" / "label_space.npz")
        captions = [caption for photo in read_photos(pool) for caption in photo.captions]
        words = WordNet.read(wordnet)
        corpus = make_corpus(words, space["names"].tolist(), captions, nouns=120_000, seed=1)
        train_text_tower(
            corpus,
            {"mean": space["mean"], "whiten": space["whiten"]},
            out / "text",
            epochs=text_epochs,
            report=report,
        )
    bundle = assemble(
        out / "image",
        out / "text",
        out / "bundle",
        pool=pool,
        teachers=teachers,
        version=model_version,
    )
    say(f"ready: qks tag PHOTOS --model {bundle} --labels LABELS")
