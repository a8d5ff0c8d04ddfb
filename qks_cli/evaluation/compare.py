"""QKS beside its baselines on one split, with one prompt pool.

Every method turns a photo into label scores:

- ``class token``: cosine of the image vector and the label, as zero-shot CLIP does;
- ``class token + z``: the same, standardised over the labels of each photo (arXiv 2502.16911);
- ``patch max`` and ``patch softmax``: the best place's cosine, and the mean weighted by itself;
- ``QKS``; ``QKS + z``; ``QKS + class token``: the sum of both standardised;
- where they are asked for, the training-free methods of ``evaluation/training_free.py``.

Axes: N photos, B photos of a batch, C labels, L places, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.model.bundle import Bundle
from qks_cli.model.weights import load_image_model, load_source
from qks_cli.network.head import ClipSource, FrozenModel, HeadedModel
from qks_cli.network.model import scores
from qks_cli.network.pixels import Normalise
from qks_cli.network.zero_shot import ZeroShotImage
from qks_cli.photos.loader import pixel_batches
from qks_cli.types import BoolArray, Float32Array

SHARPNESS = 20.0  # of the softmax over places; cosines differ by hundredths
PLAIN = ("class token", "patch max", "patch softmax", "QKS")
METHODS = (
    "class token",
    "class token + z",
    "patch max",
    "patch softmax",
    "QKS",
    "QKS + z",
    "QKS + class token",
)


@dataclass(frozen=True, slots=True)
class Scores:
    """What was computed once; the other methods follow from it.

    ``plain`` has [N, C] of each of ``PLAIN``. ``read_N`` marks the photos that could be read,
    ``tokens_NME`` the query tokens and ``image_NE`` the unit image vectors where they were asked
    for. ``more`` gives further methods: photos' scores of some labels, by name.
    """

    plain: dict[str, Float32Array]
    read_N: BoolArray
    tokens_NME: Float32Array
    image_NE: Float32Array
    more: dict[str, Callable[[npt.NDArray[Any]], Float32Array]] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """Every method that there are scores of."""
        return (*METHODS, *self.more)

    def of(self, method: str, columns: npt.NDArray[Any]) -> Float32Array:
        """Scores of some labels; standardising sees only those."""
        if method in self.more:
            return self.more[method](columns)
        if method in self.plain:
            return self.plain[method][:, columns]
        own = standardised(self.plain["QKS"][:, columns])
        if method == "QKS + z":
            return own
        image = standardised(self.plain["class token"][:, columns])
        return image if method == "class token + z" else np.asarray(own + image, np.float32)


def standardised(scores_NC: Float32Array) -> Float32Array:
    """Each photo's scores less their mean, over their deviation across the labels."""
    centred = scores_NC - scores_NC.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(1, keepdims=True), 1e-6), np.float32)


def score_photos(
    bundle: Bundle,
    files: Sequence[Any],
    labels_CE: Float32Array,
    baseline_CE: Float32Array,
    *,
    device: str = "cpu",
    keep_tokens: bool = False,
    watch: Callable[[slice, Tensor, Reading], None] | None = None,
) -> Scores:
    """Run a model over photos. ``labels_CE`` and ``baseline_CE`` as in ``evaluation/vectors.py``;
    ``watch`` sees the rows, pixels and readings of every batch."""
    reader = Reader(bundle, device)
    count = len(files)
    plain = {name: np.zeros((count, len(labels_CE)), np.float32) for name in PLAIN}
    kept = count if keep_tokens else 0
    tokens_NME = np.zeros((kept, bundle.queries, bundle.width), np.float32)
    image_NE = np.zeros((kept, baseline_CE.shape[1]), np.float32)
    read_N = np.zeros(count, bool)
    labels, baseline = (torch.from_numpy(x).to(device) for x in (labels_CE, baseline_CE))
    batches = pixel_batches(files, size=bundle.image_size, resize=bundle.resize)
    with torch.inference_mode():
        for rows, pixels_BSS3, read_B in batches:
            read_N[rows] = read_B
            pixels = torch.from_numpy(pixels_BSS3).to(device)
            reading = reader(pixels)
            for name, scores_BC in _scores(reading, labels, baseline).items():
                plain[name][rows] = scores_BC.float().cpu().numpy()
            if keep_tokens:
                tokens_NME[rows] = reading.query_BME.float().cpu().numpy()
                image_NE[rows] = reading.image_BE.float().cpu().numpy()
            if watch is not None:
                watch(rows, pixels, reading)
    return Scores(plain, read_N, tokens_NME, image_NE)


def _scores(reading: Reading, labels_CE: Tensor, baseline_CE: Tensor) -> dict[str, Tensor]:
    """Each of ``PLAIN`` for a batch [B, C]."""
    places_BLC = reading.places_BLE @ baseline_CE.T
    return {
        "class token": reading.image_BE @ baseline_CE.T,
        "patch max": places_BLC.amax(1),
        "patch softmax": ((places_BLC * SHARPNESS).softmax(1) * places_BLC).sum(1),
        "QKS": scores(reading.query_BME, labels_CE)[0],
    }


@dataclass(frozen=True, slots=True)
class Reading:
    """Query tokens as they are; the image and its places as unit vectors."""

    query_BME: Tensor
    image_BE: Tensor
    places_BLE: Tensor


class Reader:
    """Pixels uint8 [B, S, S, 3] to what the methods compare with labels."""

    def __init__(self, bundle: Bundle, device: str) -> None:
        config = bundle.architecture
        self.normalise = Normalise(config).to(device)
        # The last coordinate of a small model's vectors is a constant and no direction.
        self.free = slice(None) if bundle.label_length is None else slice(0, -1)
        if config.head is not None:
            model = load_image_model(bundle).to(device)
            assert isinstance(model, HeadedModel)
            self.source: FrozenModel = model.source
            self.head: nn.Module | None = model.head
        else:
            self.source, self.head = load_source(bundle).to(device), None

    def __call__(self, pixels_BSS3: Tensor) -> Reading:
        memory_BPW, image_BE, places_BLE = self.source.read(self.normalise(pixels_BSS3))
        return Reading(
            self._queries(memory_BPW, image_BE, places_BLE),
            functional.normalize(image_BE[..., self.free], dim=-1),
            functional.normalize(places_BLE[..., self.free], dim=-1),
        )

    def _queries(self, memory_BPW: Tensor, image_BE: Tensor, places_BLE: Tensor) -> Tensor:
        if self.head is not None:
            tokens: Tensor = self.head(memory_BPW)
            return tokens
        if isinstance(self.source, ClipSource):
            return ZeroShotImage(self.source.clip).from_tokens(memory_BPW, image_BE)
        return places_BLE  # a small model's own query tokens
