"""Videos made of pictures, in code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

RATE = 10  # frames a second


def fields(seed: int, size: tuple[int, int] = (320, 180)) -> Image.Image:
    """A picture of coloured fields, unlike those of other seeds."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 256, (9, 16, 3), np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)


def video(
    path: Path,
    scenes: Sequence[tuple[Image.Image, float]],
    *,
    codec: str = "libx264",
    metadata: Mapping[str, str] | None = None,
    rotation: int = 0,
    gop: int = RATE,
) -> Path:
    """A video that shows each picture for some seconds, with a key frame every ``gop`` frames;
    ``rotation`` is what players turn it by, in degrees counterclockwise."""
    options = {"movflags": "use_metadata_tags"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height = scenes[0][0].size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.gop_size = gop
        if codec.startswith("libx26"):
            stream.options = {"preset": "ultrafast", "sc_threshold": "0", "keyint_min": str(gop)}
        if codec == "libx265":  # it talks
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=error"}
        if rotation:
            stream.set_display_rotation(rotation)
        number = 0
        for picture, seconds in scenes:
            for _ in range(round(seconds * RATE)):
                frame = av.VideoFrame.from_image(picture)
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                number += 1
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
