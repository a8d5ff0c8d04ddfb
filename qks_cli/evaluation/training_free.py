"""Training-free methods beside QKS: SPARC, PIAA and TagCLIP's re-scoring, each from its paper.

They read the same photos as the other methods, in the same pass; PIAA reads unlabelled training
photos first. What is different from a paper is said where it is done.

Axes: N photos, B photos of a batch, C labels, K compound prompts, L places, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qks_cli.errors import UsageError
from qks_cli.evaluation import piaa, sparc, tagclip
from qks_cli.evaluation.compare import Reader, Reading, Scores
from qks_cli.evaluation.vectors import unit_vectors
from qks_cli.model.model import Model
from qks_cli.network.model import scores as model_scores
from qks_cli.photos.loader import pixel_batches
from qks_cli.similarity import unit
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary.labels_file import Label

FIT_PHOTOS = 2000  # unlabelled training photos that PIAA's classifier is made of, at most
BATCH = 32  # photos that ``PhotoScorer`` reads together
Scorer = Callable[[npt.NDArray[Any]], Float32Array]
PhotosScored = Callable[[Tensor, Reading], Float32Array]


class Watcher(Protocol):
    """Gathers what one method needs of every batch, then scores."""

    name: str

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        """Take what is needed of a batch."""

    def scorer(self, scores: Scores) -> Scorer:
        """All photos' scores of the labels in some columns."""


@dataclass(slots=True)
class Prepared:
    """The methods that were asked for."""

    watchers: list[Watcher] = field(default_factory=list)

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        """Hand a batch to every method."""
        for one in self.watchers:
            one.watch(rows, pixels, reading)

    def scorers(self, scores: Scores) -> dict[str, Scorer]:
        """By the methods' names."""
        return {one.name: one.scorer(scores) for one in self.watchers}


@dataclass(frozen=True, slots=True)
class Setting:
    """What the methods are made from; ``photos`` is N."""

    model: Model
    names: Sequence[str]
    labels_CE: Float32Array  # what the model itself compares with, as ``own_vectors``
    baseline_CE: Float32Array
    photos: int
    unlabelled: Sequence[Any]  # photos that PIAA learns from, never their labels
    device: str = "cpu"
    compounds: Path | None = None


def prepare(methods: Sequence[str], setting: Setting) -> Prepared:
    """Raises ``UsageError`` for a method that this model cannot take."""
    makers: dict[str, Callable[[Setting], Watcher]] = {
        "sparc": _Sparc,
        "piaa": _Piaa,
        "tagclip": _TagClip,
    }
    return Prepared([makers[name](setting) for name in dict.fromkeys(methods)])


class _Sparc:
    name = "SPARC"

    def __init__(self, setting: Setting) -> None:
        if setting.compounds is not None:
            texts = sparc.read_compounds(setting.compounds)
        else:
            texts = sparc.neighbour_pairs(setting.names, setting.baseline_CE)
        self.members_KC = sparc.members(texts, setting.names)
        used = np.flatnonzero(self.members_KC.any(1))
        self.members_KC = self.members_KC[used]
        texts = [texts[row] for row in used]
        if not texts:
            raise UsageError("no compound prompt names a label of this data set")
        plain = [*setting.names, *texts]
        embedded = setting.model.engine.text_embeddings(plain)
        free = embedded if setting.model.bundle.label_length is None else embedded[:, :-1]
        vectors = torch.from_numpy(unit(free)).to(setting.device)
        count = len(setting.names)
        self.names_CE, self.compounds_KE = vectors[:count], vectors[count:]
        self.names_NC = np.zeros((setting.photos, len(setting.names)), np.float32)
        self.compounds_NK = np.zeros((setting.photos, len(texts)), np.float32)

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        self.names_NC[rows] = (reading.image_BE @ self.names_CE.T).float().cpu().numpy()
        self.compounds_NK[rows] = (reading.image_BE @ self.compounds_KE.T).float().cpu().numpy()

    def scorer(self, scores: Scores) -> Scorer:
        read = scores.read_N

        def of(columns: npt.NDArray[Any]) -> Float32Array:
            out_NC = np.zeros((len(read), len(columns)), np.float32)
            out_NC[read] = sparc.fuse(
                scores.plain["class token"][read][:, columns],
                self.names_NC[read][:, columns],
                self.compounds_NK[read],
                self.members_KC[:, columns],
            )
            return out_NC

        return of


class _Piaa:
    name = "PIAA"

    def __init__(self, setting: Setting) -> None:
        self.labels_CE = torch.from_numpy(setting.baseline_CE).to(setting.device)
        bundle = setting.model.bundle
        reader = Reader(bundle, setting.device)
        files = setting.unlabelled
        step = max(1, len(files) // FIT_PHOTOS)
        chosen = [files[at] for at in range(0, len(files), step)][:FIT_PHOTOS]
        bank = piaa.PatchBank(self.labels_CE)
        with torch.inference_mode():
            for _, pixels, read in pixel_batches(
                chosen, size=bundle.image_size, resize=bundle.resize
            ):
                reading = reader(torch.from_numpy(pixels[read]).to(setting.device))
                bank.add(reading.places_BLE)
            self.classifier = bank.fit()
        self.best_NC = np.zeros((setting.photos, len(setting.names)), np.float32)

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        logits_BLC = self.classifier(reading.places_BLE)
        self.best_NC[rows] = logits_BLC.softmax(-1).amax(1).float().cpu().numpy()

    def scorer(self, scores: Scores) -> Scorer:
        def of(columns: npt.NDArray[Any]) -> Float32Array:
            return piaa.fuse(scores.plain["class token"][:, columns], self.best_NC[:, columns])

        return of


class _TagClip:
    name = "TagCLIP re-scoring"

    def __init__(self, setting: Setting) -> None:
        self.reader = Reader(setting.model.bundle, setting.device)
        self.engine = setting.model.engine
        grid = self.reader.source.grid
        self.patches = grid is not None
        self.grid = grid if grid is not None else _attended(setting.model)
        # A small model's scores are logits as they are; cosines need CLIP's temperature.
        labels_CE = setting.baseline_CE * tagclip.SCALE if self.patches else setting.labels_CE
        self.labels_CE = torch.from_numpy(labels_CE).to(setting.device)
        self.scores_NC = np.zeros((setting.photos, len(setting.names)), np.float32)

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        tokens_BLE = reading.places_BLE if self.patches else reading.query_BME
        likely_BLC = (tokens_BLE @ self.labels_CE.T).softmax(-1)
        cells_BPC = likely_BLC if self.patches else self._spread(likely_BLC, pixels)
        again = tagclip.rescore(likely_BLC, cells_BPC, pixels, self.grid, self._again)
        self.scores_NC[rows] = again.float().cpu().numpy()

    def _spread(self, likely_BLC: Tensor, pixels: Tensor) -> Tensor:
        """What query tokens say, in the cells [B, P, C] where each of them looked."""
        looked_BMP = self.engine.attention(pixels.cpu().numpy())
        assert looked_BMP is not None  # ``_attended`` asked
        return torch.from_numpy(looked_BMP).to(likely_BLC).transpose(1, 2) @ likely_BLC

    def _again(self, crops: Tensor) -> Tensor:
        """What the image vector, or the best query token, says of each label [K, C]."""
        reading = self.reader(crops)
        if self.patches:
            return (reading.image_BE @ self.labels_CE.T).softmax(-1)
        return model_scores(reading.query_BME, self.labels_CE)[0].softmax(-1)

    def scorer(self, scores: Scores) -> Scorer:
        return lambda columns: self.scores_NC[:, columns]


def _attended(model: Model) -> tuple[int, int]:
    """The grid of cells in which a model's query tokens look. Raises ``UsageError``."""
    side = model.bundle.image_size
    looked_BMP = model.engine.attention(np.zeros((1, side, side, 3), np.uint8))
    if looked_BMP is None:
        raise UsageError(
            "tagclip looks at places again, and this model tells of none where they are",
            hint="the bundled model does, and ViTs: qks models pull ViT-B-16/openai",
        )
    return isqrt(looked_BMP.shape[2]), isqrt(looked_BMP.shape[2])


class PhotoScorer:
    """One method's scores of photos as they come. What SPARC and PIAA learn of many photos, they
    learn of a ``sample``: batches of pixels, uint8 [B, S, S, 3]. TagCLIP needs none."""

    def __init__(
        self, method: str, model: Model, labels: Sequence[Label], sample: Iterable[UInt8Array]
    ) -> None:
        """Raises ``UsageError`` where the model cannot take the method, or the sample is empty."""
        self.baseline_CE = unit_vectors(model, labels)
        names = [label.name for label in labels]
        own_CE = model.label_vectors(labels)
        self.setting = Setting(model, names, own_CE, self.baseline_CE, BATCH, ())
        self.reader = Reader(model.bundle, "cpu")
        self.labels_CE = torch.from_numpy(self.baseline_CE)
        makers = {"sparc": self._sparc, "piaa": self._piaa, "tagclip": self._tagclip}
        with torch.inference_mode():
            self.of = makers[method](self._first(method, sample))

    def __call__(self, pixels_BSS3: UInt8Array) -> Float32Array:
        """Scores [B, C]."""
        out_BC = np.zeros((len(pixels_BSS3), len(self.baseline_CE)), np.float32)
        with torch.inference_mode():
            for at, read in enumerate(self._readings(pixels_BSS3)):
                out_BC[at * BATCH : (at + 1) * BATCH] = self.of(*read)
        return out_BC

    def _readings(self, pixels_NSS3: UInt8Array) -> Iterator[tuple[Tensor, Reading]]:
        for at in range(0, len(pixels_NSS3), BATCH):
            pixels = torch.from_numpy(pixels_NSS3[at : at + BATCH])
            yield pixels, self.reader(pixels)

    def _first(self, method: str, sample: Iterable[UInt8Array]) -> Iterator[Reading]:
        """What the model makes of the sample."""
        empty = True
        for pixels_BSS3 in sample:
            for _, reading in self._readings(pixels_BSS3):
                empty = False
                yield reading
        if empty:
            raise UsageError(f"{method} found no photo that it could read first")

    def _class(self, reading: Reading) -> Float32Array:
        return np.asarray((reading.image_BE @ self.labels_CE.T).numpy(), np.float32)

    def _sparc(self, sample: Iterator[Reading]) -> PhotosScored:
        prompts = _Sparc(self.setting)

        def scores(reading: Reading) -> tuple[Float32Array, Float32Array, Float32Array]:
            simple, compound = (
                np.asarray((reading.image_BE @ vectors.T).numpy(), np.float32)
                for vectors in (prompts.names_CE, prompts.compounds_KE)
            )
            return self._class(reading), simple, compound

        parts = map(scores, sample)
        many = [np.concatenate(column) for column in zip(*parts, strict=True)]
        fusion = sparc.Fusion.of(many[0], many[1], many[2], prompts.members_KC)
        return lambda pixels, reading: fusion(*scores(reading))

    def _piaa(self, sample: Iterator[Reading]) -> PhotosScored:
        bank = piaa.PatchBank(self.labels_CE)
        for reading in sample:
            bank.add(reading.places_BLE)
        classifier = bank.fit()

        def scores(pixels: Tensor, reading: Reading) -> Float32Array:
            best_BC = classifier(reading.places_BLE).softmax(-1).amax(1)
            return piaa.fuse(self._class(reading), best_BC.numpy())

        return scores

    def _tagclip(self, sample: Iterator[Reading]) -> PhotosScored:
        method = _TagClip(self.setting)

        def scores(pixels: Tensor, reading: Reading) -> Float32Array:
            method.watch(slice(0, len(pixels)), pixels, reading)
            return method.scores_NC[: len(pixels)].copy()

        return scores
