"""Training-free methods beside QKS: SPARC, PIAA and TagCLIP's re-scoring, each from its paper.

They read the same photos as the other methods, in the same pass; PIAA reads unlabelled training
photos first. What is different from a paper is said where it is done.

Axes: N photos, B photos of a batch, C labels, K compound prompts, L places, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from qks_cli.errors import UsageError
from qks_cli.evaluation import piaa, sparc, tagclip
from qks_cli.evaluation.compare import Reader, Reading, Scores
from qks_cli.model.model import Model
from qks_cli.photos.loader import pixel_batches
from qks_cli.similarity import unit
from qks_cli.types import Float32Array

FIT_PHOTOS = 2000  # unlabelled training photos that PIAA's classifier is made of, at most
Scorer = Callable[[npt.NDArray[Any]], Float32Array]


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
        grid = self.reader.source.grid
        if grid is None:
            raise UsageError(
                "tagclip looks at places again, which this model does not lay out as a grid",
                hint="take a ViT: qks models pull ViT-B-16/openai",
            )
        self.grid = grid
        self.labels_CE = torch.from_numpy(setting.baseline_CE).to(setting.device)
        self.scores_NC = np.zeros((setting.photos, len(setting.names)), np.float32)

    def watch(self, rows: slice, pixels: Tensor, reading: Reading) -> None:
        again = tagclip.rescore(
            reading.places_BLE,
            pixels,
            self.labels_CE,
            self.grid,
            lambda crops: self.reader(crops).image_BE,
        )
        self.scores_NC[rows] = again.float().cpu().numpy()

    def scorer(self, scores: Scores) -> Scorer:
        return lambda columns: self.scores_NC[:, columns]
