"""A miniature of the training pool, made in code: photos, labels and what the teachers say."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}
EVERYDAY = [f"thing {i}" for i in range(30)]
IMAGENET = [f"kind {i}, other name" for i in range(20)]
COCO = ["ball", "box"]
ADE = ["background", "sky", "wall"]


def make_pool(folder: Path, photos: int = 48) -> tuple[Path, Path]:
    """Photos of one colour each, labelled with it; returns the pool's and the teachers' folder."""
    pool, teachers = folder / "pool", folder / "teachers"
    pool.mkdir()
    teachers.mkdir()
    rng = np.random.default_rng(1)
    lines = []
    with zipfile.ZipFile(pool / "natural.zip", "w") as archive:
        for index in range(photos):
            name = list(COLOURS)[index % 3]
            noise = rng.normal(0, 12, (40, 56, 3))
            pixels = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, "webp")
            archive.writestr(f"{index}.webp", data.getvalue())
            lines.append({"file": f"natural/{index}.webp", "source": "natural", "labels": [name]})
    (pool / "photos.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    names = {
        "everyday": EVERYDAY,
        "imagenet": IMAGENET,
        "groups": {"group one": [0, 1], "group two": [2]},
        "coco": COCO,
        "ade": ADE,
    }
    (teachers / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (photos, 4, 1))
    np.savez(
        teachers / "scores.npz",
        everyday_index=rng.integers(0, 30, (photos, 4, 24)).astype(np.uint16),
        everyday_score=rng.integers(0, 255, (photos, 4, 24)).astype(np.uint8),
        imagenet_index=np.tile(np.arange(16, dtype=np.uint16), (photos, 4, 1)),
        imagenet_score=np.full((photos, 4, 16), 16, np.uint8),
        box_xyxy=boxes,
    )
    np.savez(
        teachers / "objects.npz",
        **{"class": np.full((photos, 16), 255, np.uint8)},
        score=np.zeros((photos, 16), np.uint8),
        box_xyxy=np.zeros((photos, 16, 4), np.uint8),
    )
    np.savez(
        teachers / "stuff.npz",
        grid=rng.integers(0, 3, (photos, 8, 8)).astype(np.uint8),
        index=np.tile(np.array([1, 2] + [255] * 8, np.uint8), (photos, 1)),
        peak=rng.integers(0, 255, (photos, 10)).astype(np.uint8),
    )
    return pool, teachers


def write_label_space(run: Path, teachers: Path, pool: Path, width: int) -> None:
    """Random label vectors in place of the sentence encoder's, as a run folder keeps them."""
    from qks_cli.training.mini.batches import TrueLabels
    from qks_cli.training.mini.labels import label_names
    from qks_cli.training.mini.pool import read_photos
    from qks_cli.training.mini.teachers import Teachers

    names = label_names(Teachers(teachers), TrueLabels(read_photos(pool)))
    rng = np.random.default_rng(2)
    labels = rng.normal(0, 1, (2, len(names), width)).astype(np.float32)
    labels[..., -1] = 1
    run.mkdir(parents=True)
    np.savez(run / "label_space.npz", names=names, labels=labels)
