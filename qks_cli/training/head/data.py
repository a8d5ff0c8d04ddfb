"""Which photos and labels a run trains on, and the batches that one of its processes reads.

Axes: N photos, B photos of a batch, C labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from qks_cli.errors import TrainingError
from qks_cli.network.config import ModelConfig
from qks_cli.network.head import FrozenModel
from qks_cli.photos.loader import pixel_batches
from qks_cli.training.datasets.labelled import Split
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.streams import Shards, Stream
from qks_cli.training.tokens import TokenCache, keep_tokens
from qks_cli.training.views import Views, view_batches
from qks_cli.types import BoolArray, Float32Array, IntArray


@dataclass(frozen=True, slots=True)
class Parts:
    """Which photos and labels a run trains on, and which it keeps out to judge itself by."""

    train_N: IntArray
    valid_N: IntArray
    train_C: IntArray
    valid_C: IntArray

    def all_trained(self) -> Parts:
        """Nothing kept out any more: for the run after the selection."""
        nothing = np.zeros(0, np.intp)
        return Parts(
            np.sort(np.concatenate([self.train_N, self.valid_N])),
            nothing,
            np.sort(np.concatenate([self.train_C, self.valid_C])),
            nothing,
        )


@dataclass(slots=True)
class Run:
    """What ``train`` is given: data, base model, labels as vectors, and where it may write.

    ``about`` is what the run depends on beside its configuration, for the manifest."""

    split: Split  # seen labels only
    labels_CE: Float32Array
    source: FrozenModel
    model: ModelConfig
    key: str  # hash of the base model
    resize: str
    out: Path
    tokens: Path | None  # folder for kept tokens; None reads photos in every epoch
    device: str = "cpu"
    workers: int = 0
    report: Callable[[dict[str, Any]], None] = lambda row: None
    about: dict[str, Any] | None = None
    tensorboard: bool = False
    stream: Stream | None = None  # photos lie in tar shards, and are read in their order


def partition(split: Split, config: HeadConfig) -> Parts:
    """Keep photos and labels out; labels that nobody has are in neither part.

    Raises ``TrainingError`` where nothing is left to learn from, or to judge by.
    """
    rng = np.random.default_rng((config.seed, 1))
    order = rng.permutation(len(split))
    apart = round(config.validation_photos * len(split))
    valid_N, train_N = np.sort(order[:apart]), np.sort(order[apart:])
    if not len(valid_N) or not len(train_N):
        raise TrainingError(
            f"of {len(split)} photos a share of {config.validation_photos} cannot be kept out",
            hint="set validation_photos with --config",
        )
    carried_C = np.flatnonzero(split.take(train_N).positives() > 0)
    if not len(carried_C):
        raise TrainingError("no training photo has a label that may be trained on")
    fit = np.intersect1d(carried_C, np.flatnonzero(split.take(valid_N).positives() > 0))
    hidden = rng.permutation(fit)[: int(config.validation_labels * len(carried_C))]
    return Parts(train_N, valid_N, np.setdiff1d(carried_C, hidden), np.sort(hidden))


class Batches:
    """Batches of one process of ``world``, and the photos kept out, which all of them read alike.

    Every batch is shared out whole: where it has fewer photos than there are processes, one of
    them reads a photo that counts for nothing, so that all take the same steps.
    """

    def __init__(
        self, run: Run, parts: Parts, config: HeadConfig, rank: int = 0, world: int = 1
    ) -> None:
        self.run, self.config = run, config
        self.rank, self.world = rank, world
        self.cache = self._tokens()
        self.parts = parts if self.cache is None else self._readable(parts, self.cache)
        self.trained = run.split.labels(parts.train_C)
        self.shards: Shards | None = None

    def _tokens(self) -> TokenCache | None:
        """The kept tokens, made by the main process; the others wait for it."""
        if self.run.tokens is None:
            return None
        if self.rank == 0:
            self._keep(self.run.tokens)
        if self.world > 1:
            distributed.barrier()
        return self._keep(self.run.tokens)

    def _keep(self, folder: Path) -> TokenCache:
        run = self.run
        return keep_tokens(
            folder,
            run.split.files,
            run.source,
            run.model,
            key=run.key,
            resize=run.resize,
            device=run.device,
            report=run.report,
        )

    def _readable(self, parts: Parts, cache: TokenCache) -> Parts:
        bad = np.flatnonzero(~cache.read_N)
        if len(bad) and self.rank == 0:
            self.run.report({"unreadable": [str(self.run.split.files[int(r)]) for r in bad[:20]]})
        left = replace(
            parts,
            train_N=parts.train_N[cache.read_N[parts.train_N]],
            valid_N=parts.valid_N[cache.read_N[parts.valid_N]],
        )
        if not len(left.train_N):
            raise TrainingError("none of the training photos could be read")
        return left

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Tokens or pixels, present [B, C], known [B, C], from step ``first`` of an epoch on."""
        if self.cache is None and self.run.stream is not None:
            yield from self._streamed(self.run.stream, epoch, first)
            return
        batches = self._rows(epoch)[first:]
        if self.cache is not None:
            for rows, counts in batches:
                tokens_BPW = self.cache.batch(rows).to(self.run.device)
                yield tokens_BPW, *self._truth(rows, counts)
            return
        run = self.run
        made = view_batches(self._views(), [rows for rows, _ in batches], epoch, run.workers)
        for (rows, counts), (pixels, read_B) in zip(batches, made, strict=True):
            yield pixels.to(run.device), *self._truth(rows, read_B.numpy() & counts)

    def _views(self) -> Views:
        run = self.run
        return Views(run.split.files, run.model.image_size, run.resize, self.config.seed)

    def _streamed(
        self, stream: Stream, epoch: int, first: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """``epoch`` from shards: what comes before ``first`` is read again, and passed over."""
        if self.shards is None:
            self.shards = Shards(self._views(), self.parts.train_N, stream, self.rank, self.world)
        world, whole = self.world, self.config.batch
        sizes = [max(1, len(range(rank, whole, world))) for rank in range(world)]
        for rows, pixels, read_B, _ in islice(self.shards.batches(epoch, sizes), first, None):
            yield pixels.to(self.run.device), *self._truth(rows, read_B)

    def _rows(self, epoch: int) -> list[tuple[IntArray, BoolArray]]:
        """This process's rows of every batch of an epoch, and which of them count [B]."""
        rng = np.random.default_rng((self.config.seed, 2, epoch))
        order = self.parts.train_N[rng.permutation(len(self.parts.train_N))]
        size = self.config.batch
        shared = []
        for at in range(0, len(order), size):
            whole = order[at : at + size]
            own = whole[self.rank :: self.world]
            counts = np.ones(max(1, len(own)), bool)
            if not len(own):
                own, counts[0] = whole[:1], False
            shared.append((own, counts))
        return shared

    def _truth(self, rows: IntArray, counts: BoolArray) -> tuple[Tensor, Tensor]:
        present, known = self.trained.rows(rows)
        if self.config.unknown == "absent":
            known = np.ones_like(known)
        known = known & counts[:, None]
        device = self.run.device
        return (
            torch.from_numpy(present.astype(np.float32)).to(device),
            torch.from_numpy(known.astype(np.float32)).to(device),
        )

    def validation(self) -> Iterator[Tensor]:
        """Tokens or pixels of the photos kept out."""
        rows = self.parts.valid_N
        if self.cache is not None:
            for at in range(0, len(rows), 128):
                yield self.cache.batch(rows[at : at + 128])
            return
        run = self.run
        files = [run.split.files[int(row)] for row in rows]
        for _, pixels, _ in pixel_batches(files, size=run.model.image_size, resize=run.resize):
            yield torch.from_numpy(pixels)
