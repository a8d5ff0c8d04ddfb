"""Where on a photo the score of a label comes from, as a map and as a picture.

Two ways. Covering: parts of the photo are painted over, one after another, and what the label's
score loses says how much it rests on that part; any model can be asked so. Attention: where the
query token that fits the label best looked. Of the two the first points at the object more often
(benchmarks/heatmaps.py).

Axes: G a side of the map, V views with a part painted over, M query tokens, P places of the
attention's own grid, E label space, S side of the model's square, H×W pixels.
"""

from __future__ import annotations

from math import isqrt
from pathlib import Path

import numpy as np

from qks_cli.errors import PhotoError, QksError, UsageError
from qks_cli.escape import shown
from qks_cli.model.model import Model
from qks_cli.photos.decode import fitting
from qks_cli.photos.readers import read_one, shared
from qks_cli.similarity import max_similarity, winners
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary.labels_file import Label

GRID = 7  # parts a side; two by two of them are painted over at a time
NO_ATTENTION = "the bundled model does, and so do trained heads; any model without --attention"
WARM = (255.0, 96.0, 0.0)  # the colour of heat, RGB


def heat_map(
    model: Model, photo: Path, label: str | Label, *, attention: bool = False
) -> Float32Array:
    """Where the score of ``label`` comes from: float32 [G, G], 0 to 1, over what the model saw of
    the photo. With ``attention`` where the query token looked that fits it best.

    Raises ``UsageError`` where the photo cannot be read, or the model has no attention to tell."""
    pixels_SS3 = seen(model, photo)
    label_E = model.label_vectors([Label(label) if isinstance(label, str) else label])[0]
    if attention:
        return attended(model, pixels_SS3, label_E)
    return covered(model, pixels_SS3, label_E)


def seen(model: Model, photo: Path) -> UInt8Array:
    """A photo as the model reads it, uint8 [S, S, 3]. Raises ``UsageError`` where it cannot."""
    try:
        return read_one(photo, model.bundle.resize, model.bundle.image_size)
    except PhotoError as error:
        raise UsageError(f"{shown(photo)}: {error.message}") from error


def covered(model: Model, pixels_SS3: UInt8Array, label_E: Float32Array) -> Float32Array:
    """What the raw score of a label loses where parts of a photo are painted over in its mean
    colour: [G, G], brought to 0 to 1; 0 where it loses nothing."""
    edges = np.linspace(0, len(pixels_SS3), GRID + 1).round().astype(int)
    windows = [
        (max(y, 0), max(x, 0), y + 2, x + 2) for y in range(-1, GRID) for x in range(-1, GRID)
    ]
    mean = pixels_SS3.reshape(-1, 3).mean(0).round().astype(np.uint8)
    views_VSS3 = np.repeat(pixels_SS3[None], len(windows) + 1, axis=0)
    for view, (top, left, bottom, right) in zip(views_VSS3[1:], windows, strict=True):
        view[edges[top] : edges[min(bottom, GRID)], edges[left] : edges[min(right, GRID)]] = mean
    raw_V = max_similarity(model.query_tokens(views_VSS3), label_E[None])[:, 0]
    lost_GG = np.zeros((GRID, GRID), np.float32)
    times_GG = np.zeros((GRID, GRID), np.float32)
    for loss, (top, left, bottom, right) in zip(raw_V[0] - raw_V[1:], windows, strict=True):
        lost_GG[top:bottom, left:right] += loss
        times_GG[top:bottom, left:right] += 1
    # What the score gains from being painted over does not speak for the label: no heat either.
    return scaled(np.maximum(lost_GG / times_GG, 0))


def attended(model: Model, pixels_SS3: UInt8Array, label_E: Float32Array) -> Float32Array:
    """Where the query token that fits a label best looked [G, G], brought to 0 to 1; here G is that
    of the model's image tokens. Raises ``UsageError`` where the model does not tell."""
    places_MGG = places_of(model, pixels_SS3[None])
    if places_MGG is None:
        raise UsageError(f"{model.name} does not tell where it looked", hint=NO_ATTENTION)
    token = int(winners(model.query_tokens(pixels_SS3[None])[0], label_E[None])[0])
    return scaled(places_MGG[token])


def places_of(model: Model, pixels_1SS3: UInt8Array) -> Float32Array | None:
    """Where each query token looked: float32 [M, G, G], each grid sums to 1. None where the model
    does not tell."""
    attention_1MP = model.engine.attention(pixels_1SS3)
    if attention_1MP is None:
        return None
    side = isqrt(attention_1MP.shape[-1])
    return np.asarray(attention_1MP[0].reshape(-1, side, side), np.float32)


def scaled(heat_GG: Float32Array) -> Float32Array:
    """A map brought to 0 to 1; 0 everywhere where it is flat."""
    low, high = float(heat_GG.min()), float(heat_GG.max())
    return np.asarray((heat_GG - low) / max(high - low, 1e-9), np.float32)


def picture(photo: Path, heat_GG: Float32Array, resize: str, side: int) -> UInt8Array:
    """The photo with heat over it, its longer side ``side`` pixels at most: uint8 [H, W, 3].

    ``resize`` says what the heat covers: all of the photo (squash) or the square in its middle
    (crop), which then is all that is drawn. Raises ``PhotoError`` where it cannot be read."""
    from PIL import Image

    square_SS3 = np.empty((side, side, 3), np.uint8)
    reading = shared().read(photo, resize, square_SS3)
    if resize.partition(":")[0] == "crop":
        return overlay(square_SS3, heat_GG)
    size = fitting(reading.size, side)
    drawn = Image.fromarray(square_SS3).resize(size, Image.Resampling.BICUBIC)
    return overlay(np.asarray(drawn), heat_GG)


def overlay(pixels_HW3: UInt8Array, heat_GG: Float32Array) -> UInt8Array:
    """A picture, dimmed where there is no heat and warm where there is: uint8 [H, W, 3]."""
    from PIL import Image

    height, width = pixels_HW3.shape[:2]
    large = Image.fromarray(heat_GG, "F").resize((width, height), Image.Resampling.BICUBIC)
    heat_HW1 = np.clip(np.asarray(large, np.float32), 0, 1)[..., None]
    dimmed = pixels_HW3 * (0.35 + 0.65 * heat_HW1)
    mixed = dimmed * (1 - 0.35 * heat_HW1) + np.array(WARM, np.float32) * (0.35 * heat_HW1)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def write_picture(pixels_HW3: UInt8Array, out: Path) -> None:
    """Write a new PNG. Raises ``UsageError`` where the file is there already, ``QksError`` where it
    cannot be written."""
    from PIL import Image

    try:
        with out.open("xb") as file:
            Image.fromarray(pixels_HW3).save(file, "PNG")
    except FileExistsError as error:
        raise UsageError(f"{shown(out)} is there already", hint="give a new name") from error
    except OSError as error:
        raise QksError(f"cannot write {shown(out)}: {error.strerror or error}") from error
