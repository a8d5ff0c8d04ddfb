"""Make a bundle out of training runs: weights, graphs, calibration, configuration.

The image run (``training/mini``) and the text run (``training/text_tower.py``) go in; the folder
that comes out is what ``qks tag --model`` takes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from qks_cli.bundling.calibrate import BANK, NOT_PHOTOS, fit_calibration, known_truth
from qks_cli.errors import TrainingError
from qks_cli.export.graphs import export_image, export_text
from qks_cli.export.quantise import quantise_backbone
from qks_cli.model import calibration, floor
from qks_cli.model.bundle import read_bundle
from qks_cli.model.model import Model
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.weights import round_to_half, write_config, write_weights
from qks_cli.network.config import ModelConfig, TextConfig
from qks_cli.network.model import build_model
from qks_cli.network.text import TextTower
from qks_cli.training import checkpoints
from qks_cli.training.label_space import SCALE
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.config import MiniConfig
from qks_cli.training.mini.labels import label_names
from qks_cli.training.mini.pool import PackedPixels, PoolPhoto, kept_apart, pack, read_photos
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.mini.train import averaged_weights
from qks_cli.types import Float32Array, IntArray, UInt8Array
from qks_cli.vocabulary import embeddings, neighbours
from qks_cli.vocabulary.labels_file import Label, read_labels
from qks_cli.vocabulary.prompts import SHORT_POOL

RESIZE = "squash"
RANGES = 256  # photos that the integer part of the image graph takes its ranges from


def assemble(
    image_run: Path,
    text_run: Path,
    out: Path,
    *,
    pools: Sequence[Path],
    teachers: Sequence[Path],
    version: str,
) -> Path:
    """Write a bundle into ``out``, embeddings of the labels.txt there included.

    labels.txt and README.md are left as they are.

    Raises ``TrainingError`` where a run has no checkpoint.
    """
    run = MiniConfig.read(image_run / "config.json")
    config = ModelConfig.from_dict(run.model)
    found = checkpoints.load(text_run / "text")
    if found is None:
        raise TrainingError(f"no checkpoint in {text_run}")
    text_config = TextConfig(**json.loads((text_run / "text_config.json").read_text("utf-8")))
    config = replace(config, text=text_config)
    image = build_model(config)
    image.load_state_dict(averaged_weights(image_run / "last"))
    tower = TextTower(text_config, config.label_width)
    tower.load_state_dict(found[0]["tower"])
    out.mkdir(parents=True, exist_ok=True)
    for name in (
        calibration.CALIBRATION_FILE,
        embeddings.EMBEDDINGS_FILE,
        neighbours.TAUGHT_FILE,
        floor.FLOOR_FILE,
    ):
        (out / name).unlink(missing_ok=True)
    # What ships is half precision: the graphs are made of the weights as they will be read.
    round_to_half(image, tower)
    write_weights(out, image=image, text=tower)
    export_image(image.eval(), config, out / "image.onnx")
    known = _Known.read(pools, teachers, image_run.parent / "packed")
    quantise_backbone(out / "image.onnx", _sample(known.pixels, config.image_size))
    export_text(tower, out / "text.onnx")
    shutil.copyfile(text_run / "tokenizer.json", out / "tokenizer.json")

    def describe() -> None:
        write_config(
            out, config, version=version, resize=RESIZE, templates=SHORT_POOL, label_length=SCALE
        )

    describe()
    _embed_taught(out, label_names(known.said, known.truth))
    describe()
    _calibrate(out, known, run)
    if (out / "labels.txt").is_file():
        _embed_default_labels(out)
    describe()
    # Measured from the calibration, so that no first search has to.
    measured = Model(read_bundle(str(out))).floor
    measured.write(out / floor.FLOOR_FILE)
    describe()
    return out


@dataclass(frozen=True, slots=True)
class _Known:
    """The pools, with their pixels, what teachers say of them, and their own labels."""

    photos: list[PoolPhoto]
    pixels: PackedPixels
    said: Teachers
    truth: TrueLabels

    @classmethod
    def read(cls, pools: Sequence[Path], teachers: Sequence[Path], packed: Path) -> _Known:
        photos = read_photos(*pools)
        return cls(photos, pack(photos, packed), Teachers(*teachers), TrueLabels(photos))


def _calibrate(out: Path, known: _Known, config: MiniConfig) -> None:
    bundle = read_bundle(str(out))
    engine = OnnxEngine(bundle)
    apart_rows, bank = calibration_rows(known.photos, config.source_weights)

    def embed(names: Sequence[str]) -> Float32Array:
        return Model(bundle, engine=engine).label_vectors([Label(name) for name in names])

    fitted = fit_calibration(
        lambda rows: _tokens(engine, known.pixels, rows, bundle.image_size),
        embed,
        lambda rows: known_truth(known.said, known.truth, rows),
        apart_rows,
        bank,
        neighbours.read_names(bundle.file(neighbours.TAUGHT_FILE)),
    )
    fitted.write(out)


def calibration_rows(
    photos: Sequence[PoolPhoto], source_weights: dict[str, float]
) -> tuple[IntArray, IntArray]:
    """The rows that the calibration is fitted on, which were never trained on, and those of the
    reference bank, drawn as often as they are in training. A photo that stands in several rows,
    with other views, counts once."""
    first: dict[tuple[Path, str], int] = {}
    for row, photo in enumerate(photos):
        if photo.source not in NOT_PHOTOS:
            first.setdefault((photo.pool, photo.file), row)
    rows = np.array(list(first.values()))
    apart = np.array([kept_apart(photos[row]) for row in rows])
    trained = rows[~apart]
    weights = np.array([source_weights.get(photos[row].source, 1.0) for row in trained])
    rng = np.random.default_rng(1)
    bank = rng.choice(trained, BANK, replace=False, p=weights / weights.sum())
    return rows[apart], np.sort(bank)


def _embed_taught(out: Path, names: list[str]) -> None:
    bundle = read_bundle(str(out))
    taught_TE = Model(bundle).label_vectors([Label(name) for name in names])
    neighbours.write_taught(out / neighbours.TAUGHT_FILE, names, taught_TE)


def _embed_default_labels(out: Path) -> None:
    bundle = read_bundle(str(out))
    labels = read_labels(out / "labels.txt")[0].labels
    vectors_CE = embeddings.embed_labels(
        labels,
        templates=bundle.templates,
        embed=OnnxEngine(bundle).text_embeddings,
        model_hash=bundle.hash,
        cache=None,
    )
    keys = embeddings.label_keys(labels, bundle.templates)
    embeddings.write_known(out / embeddings.EMBEDDINGS_FILE, keys, vectors_CE)


def _sample(pixels: PackedPixels, size: int) -> UInt8Array:
    """Photos of the pools, drawn alike for every bundle: uint8 [B, S, S, 3]."""
    rows = np.random.default_rng(3).choice(len(pixels), min(RANGES, len(pixels)), replace=False)
    return np.stack([_view(pixels, row, size) for row in rows])


def _view(pixels: PackedPixels, row: int, size: int) -> UInt8Array:
    photo = Image.fromarray(pixels[row])
    return np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC))


def _tokens(
    engine: OnnxEngine, pixels: PackedPixels, rows: IntArray, size: int, batch: int = 64
) -> Float32Array:
    parts = []
    for at in range(0, len(rows), batch):
        views = [_view(pixels, row, size) for row in rows[at : at + batch]]
        parts.append(engine.query_tokens(np.stack(views)))
    return np.concatenate(parts)
