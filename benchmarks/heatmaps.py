"""Does a label's heat map point at the object? Its peak against the middle of the photo.

For every photo of a pool with boxes, and every kind of object in it, the heat map of `qks explain`
is asked where the object is, both ways: by painting parts over, and by attention. A hit is a peak
that lies in one of the object's boxes; the guess that it is held against is the middle of the
photo. The boxes come from people who drew them.

    python benchmarks/heatmaps.py --pool POOL [--source cocomini] [--model mini]
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from PIL import Image

from qks_cli.model.model import Model
from qks_cli.photos.recognise import PILLOW_FORMATS
from qks_cli.vocabulary.labels_file import Label
from qks_cli.workflows.heat import attended, covered

REPEATS = 2000  # of the bootstrap over photos


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--source", default="cocomini")
    parser.add_argument("--model", default="mini")
    given = parser.parse_args()
    model = Model.open(given.model)
    side = model.bundle.image_size
    rows = [json.loads(line) for line in (given.pool / "photos.jsonl").open(encoding="utf-8")]
    rows = [row for row in rows if row["source"] == given.source and row.get("boxes")]
    found = []  # photo, hits by covering and by attention, middle in a box, covered share
    with ZipFile(given.pool / f"{given.source}.zip") as photos:
        for number, row in enumerate(rows):
            data = io.BytesIO(photos.read(Path(row["file"]).name))
            with Image.open(data, formats=PILLOW_FORMATS) as image:
                small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
            names = sorted({box[0] for box in row["boxes"]})
            for name, label in zip(
                names, model.label_vectors([Label(name) for name in names]), strict=True
            ):
                boxes = [box[1:] for box in row["boxes"] if box[0] == name]
                maps = (way(model, np.asarray(small), label) for way in (covered, attended))
                hits = [inside(*peak(heat), boxes) for heat in maps]
                found.append((number, *hits, inside(0.5, 0.5, boxes), area(boxes)))
    photo, covering, attention, middle, share = (
        np.array(column) for column in zip(*found, strict=True)
    )
    print(
        json.dumps(
            {
                "photos": len(rows),
                "objects": len(found),
                "covering": round(float(covering.mean()), 4),
                "attention": round(float(attention.mean()), 4),
                "middle": round(float(middle.mean()), 4),
                "boxes_cover": round(float(share.mean()), 4),
                "covering_gain": interval(photo, covering.astype(float) - middle),
                "attention_gain": interval(photo, attention.astype(float) - middle),
            }
        )
    )


def peak(heat_GG: np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
    """The middle of the warmest part: fractions of width and height."""
    y, x = divmod(int(heat_GG.argmax()), heat_GG.shape[1])
    return (x + 0.5) / heat_GG.shape[1], (y + 0.5) / heat_GG.shape[0]


def inside(x: float, y: float, boxes: list[list[float]]) -> bool:
    """Whether a point lies in one of some boxes; all in fractions of width and height."""
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in boxes)


def area(boxes: list[list[float]]) -> float:
    """The share of a photo that boxes cover: what a peak drawn at random would hit."""
    mask = np.zeros((64, 64), bool)
    for x0, y0, x1, y1 in boxes:
        mask[int(y0 * 64) : int(np.ceil(y1 * 64)), int(x0 * 64) : int(np.ceil(x1 * 64))] = True
    return float(mask.mean())


def interval(photo: np.ndarray, gain: np.ndarray) -> list[float]:  # type: ignore[type-arg]
    """95 % of the mean gain, photos drawn again with what is in them."""
    rng = np.random.default_rng(1)
    sums = np.bincount(photo, gain)
    counts = np.bincount(photo)
    drawn = rng.integers(0, len(sums), (REPEATS, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    return [round(float(np.quantile(means, q)), 4) for q in (0.025, 0.975)]


if __name__ == "__main__":
    main()
