"""QKS beside its baselines on one split, with one prompt pool (specification, Evaluation).

Every method turns a photo into label scores:

- ``class token``: cosine of the image vector and the label, as zero-shot CLIP does;
- ``class token + z``: the same, standardised over the labels of each photo (no training);
- ``patch max`` and ``patch softmax``: the best place's cosine, and the mean weighted by itself;
- ``QKS``; ``QKS + z``; ``QKS + class token``: the sum of both standardised.

Axes: N photos, B photos of a batch, C labels, L places, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from qks_cli.errors import UsageError
from qks_cli.evaluation.measures import Ranking, f1, hits_at, interval_around
from qks_cli.model.bundle import Bundle
from qks_cli.model.weights import load_image_model, load_source
from qks_cli.network.head import ClipSource, HeadedModel, Source
from qks_cli.network.pixels import Normalise
from qks_cli.network.zero_shot import ZeroShotImage
from qks_cli.photos.loader import pixel_batches
from qks_cli.types import Float32Array

BoolArray = npt.NDArray[np.bool_]
SHARPNESS = 20.0  # of the softmax over places; cosines differ by hundredths
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
    """What was computed once [N, C]; the other methods follow from it. ``read_N`` marks the photos
    that could be read, ``qks_tokens_NME`` the query tokens where they were asked for."""

    class_NC: Float32Array
    patch_max_NC: Float32Array
    patch_soft_NC: Float32Array
    qks_NC: Float32Array
    read_N: BoolArray
    qks_tokens_NME: Float32Array

    def of(self, method: str, columns: npt.NDArray[Any]) -> Float32Array:
        """Scores of some labels; standardising sees only those."""
        plain = {
            "class token": self.class_NC,
            "patch max": self.patch_max_NC,
            "patch softmax": self.patch_soft_NC,
            "QKS": self.qks_NC,
        }
        if method in plain:
            return plain[method][:, columns]
        own = standardised(self.qks_NC[:, columns])
        if method == "QKS + z":
            return own
        image = standardised(self.class_NC[:, columns])
        return image if method == "class token + z" else np.asarray(own + image, np.float32)


def standardised(scores_NC: Float32Array) -> Float32Array:
    """Each photo's scores less their mean, over their deviation across the labels."""
    centred = scores_NC - scores_NC.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(centred.std(1, keepdims=True), 1e-6), np.float32)


def score_photos(
    bundle: Bundle,
    files: Sequence[Any],
    labels_CE: Float32Array,
    *,
    device: str = "cpu",
    keep_tokens: bool = False,
) -> Scores:
    """Run a model over photos; every method compares with the labels of one prompt pool."""
    reader = _Reader(bundle, device)
    count = len(files)
    image_NC, most_NC, soft_NC, qks_NC = (
        np.zeros((count, len(labels_CE)), np.float32) for _ in range(4)
    )
    kept = count if keep_tokens else 0
    tokens_NME = np.zeros((kept, bundle.queries, bundle.width), np.float32)
    read_N = np.zeros(count, bool)
    labels = torch.from_numpy(labels_CE).to(device)
    # The last coordinate of a small model's label is a constant and no direction.
    free = slice(None) if bundle.label_length is None else slice(0, -1)
    unit = functional.normalize(labels[:, free], dim=1)
    batches = pixel_batches(files, size=bundle.image_size, resize=bundle.resize)
    with torch.inference_mode():
        for rows, pixels_BSS3, read_B in batches:
            read_N[rows] = read_B
            query_BME, image_BE, places_BLE = reader(torch.from_numpy(pixels_BSS3).to(device))
            image = functional.normalize(image_BE[:, free], dim=-1) @ unit.T
            places = functional.normalize(places_BLE[..., free], dim=-1) @ unit.T
            soft = ((places * SHARPNESS).softmax(1) * places).sum(1)
            image_NC[rows] = image.float().cpu().numpy()
            most_NC[rows] = places.amax(1).float().cpu().numpy()
            soft_NC[rows] = soft.float().cpu().numpy()
            qks_NC[rows] = (query_BME @ labels.T).amax(1).float().cpu().numpy()
            if keep_tokens:
                tokens_NME[rows] = query_BME.float().cpu().numpy()
    return Scores(image_NC, most_NC, soft_NC, qks_NC, read_N, tokens_NME)


class _Reader:
    """Pixels to query tokens, the image vector, the places' vectors."""

    def __init__(self, bundle: Bundle, device: str) -> None:
        config = bundle.architecture
        self.normalise = Normalise(config).to(device)
        if config.head is not None:
            model = load_image_model(bundle).to(device)
            assert isinstance(model, HeadedModel)
            self.source: Source = model.source
            self.head: nn.Module | None = model.head
        else:
            self.source, self.head = load_source(bundle).to(device), None

    def __call__(self, pixels_BSS3: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        memory_BPW, image_BE, places_BLE = self.source.read(self.normalise(pixels_BSS3))
        if self.head is not None:
            return self.head(memory_BPW), image_BE, places_BLE
        if isinstance(self.source, ClipSource):
            return ZeroShotImage(self.source.clip).from_tokens(memory_BPW), image_BE, places_BLE
        return places_BLE, image_BE, places_BLE  # a small model's own query tokens


def figures(
    scores_NC: Float32Array,
    present_NC: BoolArray,
    known_NC: BoolArray | None,
    *,
    ks: Sequence[int],
    filtered: bool,
    repeats: int,
    seed: int = 1,
) -> dict[str, Any]:
    """mAP and F1@K with 95 % bootstrap intervals over photos (``repeats`` resamples, 0 for none).

    ``filtered`` keeps the photos with at least one positive, as the paper does; earlier work does
    not. Raises ``UsageError`` where nothing is left to measure.
    """
    if filtered:
        kept = present_NC.any(1)
        scores_NC, present_NC = scores_NC[kept], present_NC[kept]
        known_NC = None if known_NC is None else known_NC[kept]
    carried = np.flatnonzero(present_NC.any(0))
    if not len(carried):
        raise UsageError("no photo here carries one of these labels")
    rankings = [Ranking(scores_NC[:, c], present_NC[:, c]) for c in carried]
    hits = {k: hits_at(scores_NC, present_NC, k, known_NC) for k in ks}

    def measure(weights_N: npt.NDArray[np.float64] | None) -> dict[str, float]:
        each = [
            ranking.average_precision(_known_weights(weights_N, known_NC, int(c)))
            for ranking, c in zip(rankings, carried, strict=True)
        ]
        found = {"map": float(np.nanmean(each))}
        return found | {f"f1@{k}": f1(hits[k], weights_N) for k in ks}

    whole = measure(None)
    count = len(scores_NC)
    row: dict[str, Any] = {"photos": count, "labels": len(carried)}
    rng = np.random.default_rng(seed)
    drawn = [
        measure(np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64))
        for _ in range(repeats)
    ]
    for name, value in whole.items():
        row[name] = round(value, 4)
        if drawn:
            low, high = interval_around(value, [one[name] for one in drawn])
            row[f"{name}_low"] = round(low, 4)
            row[f"{name}_high"] = round(high, 4)
    return row


def _known_weights(
    weights_N: npt.NDArray[np.float64] | None, known_NC: BoolArray | None, column: int
) -> npt.NDArray[np.float64] | None:
    if known_NC is None:
        return weights_N
    known_N = known_NC[:, column].astype(np.float64)
    return known_N if weights_N is None else weights_N * known_N
