"""Which frame stands for an animated picture: the first that is about as sharp as any of its first
frames. Many begin with a blank or fade in, and that one would tell nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

FRAMES = 12  # that are looked at
DECODED = 256 << 20  # bytes that they may take together; the first is always looked at
_SHARP = 0.5  # of the sharpest
_SIDE = 128  # pixels of the pictures that are compared


def first_sharp(image: Any, frame_bytes: int) -> int:
    """The number of the frame to show, from 0. ``image`` is opened by Pillow and left anywhere;
    ``frame_bytes`` is what one frame takes decoded. Raises what decoding the first frame raises;
    what is broken behind it ends the looking."""
    count = min(FRAMES, DECODED // max(1, frame_bytes))
    if count < 2:
        return 0
    found = list(_measures(image, count))
    return next((at for at, one in enumerate(found) if one >= _SHARP * max(found)), 0)


def sharpness(image: Image.Image) -> float:
    """The variance of the Laplacian of the picture in grey, 128 pixels each way."""
    small = image.convert("RGBA") if image.mode in ("P", "PA") else image
    grey = np.asarray(small.convert("L").resize((_SIDE, _SIDE)), np.float32)
    middle = 4 * grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(middle - around))


def _measures(image: Any, count: int) -> Iterator[float]:
    for at in range(count):
        try:
            image.seek(at)
            image.load()
        except Exception:  # decoders raise whatever a broken file makes them raise
            if not at:
                raise
            return
        yield sharpness(image)
