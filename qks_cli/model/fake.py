"""An engine with known tokens, for tests: it is told a few pictures and what is in them.

A bundle whose configuration says ``"engine": "fake"`` is run by it; ``write_fake_bundle`` makes
one. Every word has a direction of its own, and a photo's query tokens are the directions of what is
in it. A picture that is not among the known ones shows the colours of its four quarters.

Axes: B photos, H×W pixels, M query tokens, E label space, N texts, G cells a side of a thumbnail.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.model.bundle import CONFIG, Bundle, file_hash
from qks_cli.model.calibration import Calibration
from qks_cli.similarity import unit
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary import neighbours

FAKE_FILE = "fake.json"
SIDE = 32  # pixels
QUERIES = 8
WIDTH = 129  # directions of words, and a constant
THUMBNAIL = 4  # cells a side
SAME = 12.0  # mean difference of thumbnails up to which a picture is a known one, of 255
STEEPNESS, MIDDLE = 25.0, 0.6  # of the calibrated score over the cosine
IGNORED = frozenset("a an the of in on at with and".split())
COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "magenta": (255, 0, 255),
    "cyan": (0, 255, 255),
    "grey": (128, 128, 128),
}


@dataclass(frozen=True, slots=True)
class Picture:
    """``pixels_HW3`` uint8 of any size, and what is in it: words with cosines from 0 to 1."""

    pixels_HW3: UInt8Array
    words: Mapping[str, float]


class FakeEngine:
    """See ``Engine``. Deterministic; needs no file but ``fake.json``."""

    name = "fake"

    def __init__(self, bundle: Bundle) -> None:
        stored = json.loads(bundle.file(FAKE_FILE).read_text(encoding="utf-8"))
        self.known = [(np.array(one["thumbnail"], np.float32), one["words"]) for one in stored]

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """See ``Engine``."""
        return np.stack([self._tokens(pixels) for pixels in pixels_BHW3])

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        """See ``Engine``."""
        return np.stack([direction(text) for text in texts])

    def stay(self) -> None:
        """See ``Engine``."""

    def attention(self, pixels_BHW3: UInt8Array) -> Float32Array | None:
        """See ``Engine``. Words of a known picture are seen in its first quarter."""
        places_BMP = np.zeros((len(pixels_BHW3), QUERIES, 4), np.float32)
        places_BMP[:, :, 0] = 1
        return places_BMP

    def _tokens(self, pixels_HW3: UInt8Array) -> Float32Array:
        small = thumbnail(pixels_HW3)
        words = [x for known, x in self.known if np.abs(known - small).mean() <= SAME]
        seen = list(words[0].items())[: QUERIES - 4] if words else []
        half = THUMBNAIL // 2
        quarters = small.reshape(2, half, 2, half, 3).mean((1, 3)).reshape(4, 3)
        # Where words are known, colours are there to tell pictures apart, too weak to be tags.
        seen += [_colour(quarter, 0.3 if words else 1.0) for quarter in quarters]
        tokens_ME = np.zeros((QUERIES, WIDTH), np.float32)
        for token_E, (word, cosine) in zip(tokens_ME, seen, strict=False):
            token_E[:] = cosine * direction(word)
        return tokens_ME


def direction(text: str) -> Float32Array:
    """The unit vector [E] of a text: of the sum of its words' own; the constant is 0."""
    words = [x for x in re.findall(r"\w+", text.casefold()) if x not in IGNORED]
    total_E = np.zeros(WIDTH, np.float32)
    for word in words or [text]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "little")
        total_E[:-1] += unit(np.random.default_rng(seed).normal(size=WIDTH - 1))
    return unit(total_E)


def thumbnail(pixels_HW3: UInt8Array) -> Float32Array:
    """Mean colours [G, G, 3] of a picture's cells."""
    rows = np.array_split(pixels_HW3.astype(np.float32), THUMBNAIL, axis=0)
    cells = [[cell.mean((0, 1)) for cell in np.array_split(row, THUMBNAIL, axis=1)] for row in rows]
    return np.array(cells, np.float32)


def write_fake_bundle(
    folder: Path,
    pictures: Iterable[Picture],
    labels: Sequence[str],
    *,
    name: str = "fake",
    taught: Sequence[str] = (),
) -> Path:
    """A bundle that knows ``pictures`` and brings the labels file ``labels``; returns its folder.

    With ``taught`` the bundle names the words that it was taught: others are worth less."""
    folder.mkdir(parents=True, exist_ok=True)
    known = [
        {"thumbnail": thumbnail(one.pixels_HW3).tolist(), "words": dict(one.words)}
        for one in pictures
    ]
    (folder / FAKE_FILE).write_text(json.dumps(known), encoding="utf-8")
    (folder / "labels.txt").write_text("".join(f"{x}\n" for x in labels), encoding="utf-8")
    bank_RME = np.stack([direction(colour) for colour in COLOURS])[:, None]
    weights_F = np.array([-STEEPNESS * MIDDLE, 0, STEEPNESS, 0, 0], np.float32)
    Calibration(bank_RME, weights_F, 0.5).write(folder)
    if taught:
        vectors_TE = np.stack([direction(word) for word in taught])
        neighbours.write_taught(folder / neighbours.TAUGHT_FILE, list(taught), vectors_TE)
    files = [path for path in folder.iterdir() if path.name not in (CONFIG, "labels.txt")]
    config = {
        "version": "1",
        "engine": "fake",
        "resize": "squash",
        "templates": ["{}"],
        "label_length": 1.0,
        "model": {
            "name": name,
            "image_size": SIDE,
            "label_width": WIDTH,
            "decoder": {"queries": QUERIES},
            "text": {"context_length": 77},
        },
        "files": {path.name: file_hash(path) for path in sorted(files)},
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return folder


def _colour(rgb: Float32Array, most: float) -> tuple[str, float]:
    """The colour that is nearest, and a cosine that is less the farther it is."""
    far = {word: float(np.linalg.norm(rgb - np.array(own))) for word, own in COLOURS.items()}
    word = min(far, key=far.__getitem__)
    return word, most * (1 - far[word] / 255)
