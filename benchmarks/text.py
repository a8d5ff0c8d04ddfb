"""How long text in photos takes to be read on one thread, and how much of it is read.

    python benchmarks/text.py [PHOTO OR FOLDER …]

Drawn pictures tell how much is read: known sentences in many sizes, in noise, turned by some
degrees. Given photos tell how often text is seen in photos, and are timed. Times are of the
processor, so that what else the machine does counts nothing.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from qks_cli.library.texts import words
from qks_cli.ocr.engine import SIDE, RapidReader
from qks_cli.photos.decode import decode, fitting
from qks_cli.photos.walk import walk

SENTENCE = "Flight 2471 to Lisbon now boards at gate 12"
HEIGHTS = (8, 10, 12, 16, 24, 48, 96)  # of a font in pixels, on pictures of 1,600


def drawn(height: int, turn: int, noise: float) -> Image.Image:
    """The sentence on a grey ground, turned by some degrees."""
    rng = np.random.default_rng(height * 100 + turn)
    ground = Image.fromarray(rng.integers(120, 140, (SIDE * 3 // 4, SIDE), np.uint8)).convert("RGB")
    font = ImageFont.load_default(height)
    own = Image.new("L", (int(font.getlength(SENTENCE)) + 8, height * 2))
    ImageDraw.Draw(own).text((4, height // 3), SENTENCE, 255, font)
    own = own.rotate(turn, Image.Resampling.BICUBIC, expand=True)
    own.thumbnail((SIDE - 20, SIDE))
    ground.paste((20, 20, 30), (10, 100), own)
    pixels = np.asarray(ground) + rng.normal(0, noise, (SIDE * 3 // 4, SIDE, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def read_drawn(reader: RapidReader) -> None:
    """Print the share of the words that is read, by the size of the letters."""
    wanted = words(SENTENCE)
    print("share of words read, by height of the font in pixels and turn in degrees")
    for height in HEIGHTS:
        shares = []
        for turn in (0, 5, 15):
            found = words(" ".join(reader.lines(np.asarray(drawn(height, turn, 8.0)))))
            shares.append(sum(word in found for word in wanted) / len(wanted))
        print(f"  {height:3}: " + "  ".join(f"{share:.2f}" for share in shares))


def read_photos(reader: RapidReader, paths: list[Path]) -> None:
    """Print how long photos take, and what is read in them."""
    out_SS3 = np.empty((SIDE, SIDE, 3), np.uint8)
    decoding, reading, lines = [], [], []
    for photo in walk(paths):
        start = time.process_time()
        width, height = fitting(decode(photo.path, "fit", out_SS3), SIDE)
        decoded = time.process_time()
        found = reader.lines(out_SS3[:height, :width])
        reading.append(time.process_time() - decoded)
        decoding.append(decoded - start)
        lines.append(len(found))
        if found:
            print(f"  {photo.path.name}: {' | '.join(found)[:100]}")
    if lines:
        each = (sum(decoding) + sum(reading)) / len(lines)
        print(f"{len(lines)} photos, {np.count_nonzero(lines)} of them with text; decoding")
        print(f"{np.mean(decoding):.2f} s, reading {np.mean(reading):.2f} s a photo", end="; ")
        print(f"{1 / each:.1f} photos/s on one thread")


def time_page(reader: RapidReader) -> None:
    """Print how long a page full of text takes."""
    page = Image.new("RGB", (1200, 1600), "white")
    for row in range(50):
        ImageDraw.Draw(page).text(
            (60, 40 + 30 * row), SENTENCE, "black", ImageFont.load_default(22)
        )
    start = time.process_time()
    found = reader.lines(np.asarray(page))
    print(f"a page of 50 lines: {len(found)} read in {time.process_time() - start:.1f} s")


def main() -> None:
    start = time.perf_counter()
    reader = RapidReader()
    reader.lines(np.zeros((64, 64, 3), np.uint8))
    print(f"loaded in {time.perf_counter() - start:.1f} s")
    read_drawn(reader)
    time_page(reader)
    read_photos(reader, [Path(path) for path in sys.argv[1:]])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:,.0f} MB of memory at most")


if __name__ == "__main__":
    main()
