"""From the pool and its teachers to a bundle of the small model: `qks train --dataset mini`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.bundling.assemble import assemble
from qks_cli.errors import UsageError
from qks_cli.model.bundle import read_bundle
from qks_cli.training.mini import train as mini
from qks_cli.training.mini.config import MiniConfig
from qks_cli.training.mini.pool import read_photos
from qks_cli.training.text_corpus import WordNet, make_corpus
from qks_cli.training.text_tower import keep_text_tower, train_text_tower


def train_mini(
    pools: Sequence[Path],
    teachers: Sequence[Path],
    out: Path,
    *,
    config: Path | None,
    start: str | None,
    wordnet: Path,
    text_epochs: float,
    device: str,
    version: str,
    report: Callable[[dict[str, Any]], None],
) -> Path:
    """Train (or resume) the image model (``out/image``) and the text tower (``out/text``); returns
    the bundle, ``out/bundle``. What is reported is kept in ``out/log.jsonl`` too.

    ``teachers`` are the folders that belong to ``pools``, one each.
    ``text_epochs`` 0 keeps the text tower of ``start``. Raises ``TrainingError`` for bad data,
    ``ModelError`` for a ``start`` that does not fit, ``UsageError`` where there is none to keep.
    """
    if len(pools) != len(teachers):
        raise UsageError("--pool and --teachers belong together, one of each for every pool")
    begin = read_bundle(start) if start else None
    if begin is None and not text_epochs:
        raise UsageError("--text-epochs 0 keeps the text tower of --start, which is not given")
    settings = MiniConfig.read(config or Path(mini.__file__).with_name("mini.json"))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("a", encoding="utf-8") as log:

        def kept(row: dict[str, Any]) -> None:
            log.write(json.dumps(row) + "\n")
            log.flush()
            report(row)

        mini.train(
            settings,
            pools=pools,
            teachers=teachers,
            out=out / "image",
            start=begin,
            keep_tower=not text_epochs,
            wordnet=wordnet,
            device=device,
            report=kept,
        )
        if begin is not None and not text_epochs:
            keep_text_tower(begin, out / "text")
        else:
            _train_text(pools, out, wordnet, text_epochs, kept)
    return assemble(
        out / "image", out / "text", out / "bundle", pools=pools, teachers=teachers, version=version
    )


def _train_text(
    pools: Sequence[Path],
    out: Path,
    wordnet: Path,
    epochs: float,
    report: Callable[[dict[str, Any]], None],
) -> None:
    """Train the text tower on WordNet, the image model's names and the captions of the pools."""
    space = np.load(out / "image" / "label_space.npz")
    captions = [caption for photo in read_photos(*pools) for caption in photo.captions]
    words = WordNet.read(wordnet)
    corpus = make_corpus(words, space["names"].tolist(), captions, nouns=120_000, seed=1)
    train_text_tower(
        corpus,
        {"mean": space["mean"], "whiten": space["whiten"]},
        out / "text",
        epochs=epochs,
        report=report,
    )
