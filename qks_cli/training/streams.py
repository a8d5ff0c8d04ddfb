"""Photos streamed from tar shards by ``webdataset``: for sets of millions.

Every shard is read from its beginning to its end, which disks and network drives do many times
faster than they find photos one by one. Shards are drawn anew for every epoch, and photos from a
buffer of some; every draw is a function of seed, epoch and the number of workers.

Axes: N photos, B photos of a batch, S image side.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from qks_cli.errors import TrainingError
from qks_cli.training.datasets.paths import TarEntry
from qks_cli.training.views import Views
from qks_cli.types import BoolArray, IntArray

CHUNK = 16  # photos that a worker hands over together
NOT_A_ROW = -1
Chunk = tuple[IntArray, Tensor, BoolArray, list[str]]
"""Rows [B], pixels uint8 [B, S, S, 3], which could be read [B], what is wrong with their shards."""


@dataclass(frozen=True, slots=True)
class Stream:
    """How shards are read: by so many ``workers`` (0: by the process that trains), each of which
    draws from ``shuffle`` photos at a time."""

    workers: int = 2
    shuffle: int = 1000


@dataclass(frozen=True, slots=True)
class Held:
    """A photo's bytes, in place of its path."""

    name: str
    data: bytes

    def open(self, mode: str = "rb") -> io.BytesIO:
        """Its bytes."""
        return io.BytesIO(self.data)

    def __str__(self) -> str:
        return self.name


class Shards:
    """The shards of one process of ``world``, and of ``rows_N`` those photos that lie in them."""

    def __init__(
        self, views: Views, rows_N: IntArray, stream: Stream, rank: int = 0, world: int = 1
    ) -> None:
        """Raises ``TrainingError`` where photos lie in no shard, or processes would have none."""
        self.views, self.stream, self.rank = views, stream, rank
        found: dict[str, list[int]] = {}
        for row in rows_N.tolist():
            file = views.files[row]
            if not isinstance(file, TarEntry):
                raise TrainingError(f"{file} lies in no tar shard, and cannot be streamed")
            found.setdefault(str(file.archive.absolute()), []).append(row)
        every = sorted(found)
        if len(every) < world:
            raise TrainingError(
                f"{len(every)} shards cannot be shared by {world} processes",
                hint="make more and smaller shards, or start fewer processes",
            )
        shares = [every[at::world] for at in range(world)]
        self.counts = [sum(len(found[url]) for url in share) for share in shares]
        self.rows_of = {url: np.array(found[url]) for url in shares[rank]}

    def batches(self, epoch: int, sizes: Sequence[int]) -> Iterator[Chunk]:
        """An epoch's batches; ``sizes`` are those of all processes. All of them take the same
        steps: those with fewer photos repeat one that counts as unread.

        Raises ``TrainingError`` for a shard that cannot be read any more."""
        steps = max(-(-count // size) for count, size in zip(self.counts, sizes, strict=True))
        side = self.views.size
        spare = int(next(iter(self.rows_of.values()))[0])
        nothing = (np.array([spare]), torch.zeros((1, side, side, 3), dtype=torch.uint8))
        empty = repeat((*nothing, np.zeros(1, bool), [""]))
        for _, made in zip(
            range(steps), chain(self._read(epoch, sizes[self.rank]), empty), strict=False
        ):
            wrong = next(filter(None, made[3]), None)
            if wrong is not None:
                raise TrainingError(wrong, hint="mend the shard and run the same command again")
            yield made

    def _read(self, epoch: int, size: int) -> Iterator[Chunk]:
        import webdataset as wds

        seed = int(np.random.default_rng((self.views.seed, 3, epoch)).integers(2**31))
        urls = [{"url": url} for url in self.rows_of]
        shuffle = self.stream.shuffle
        photos = wds.DataPipeline(
            [urls],  # a list of one list: a pipeline takes lists apart
            wds.detshuffle(len(urls), len(urls), seed),
            wds.split_by_worker,
            self._photos,
            wds.detshuffle(shuffle, shuffle, seed),
            _Viewed(self.views, epoch),
            wds.batched(CHUNK, collation_fn=_together),
        )
        loader: DataLoader[Any] = DataLoader(
            photos, batch_size=None, num_workers=min(self.stream.workers, len(urls))
        )
        yield from wds.DataPipeline(
            loader, wds.unbatched(), wds.batched(size, collation_fn=_together)
        )

    def _photos(self, shards: Iterable[dict[str, Any]]) -> Iterator[tuple[int, bytes, str]]:
        """Row, bytes, and what is wrong with the shard: that is the last that a worker says."""
        from webdataset.tariterators import tar_file_expander

        for shard in shards:
            url = shard["url"]
            wanted = {self.views.files[row].entry: int(row) for row in self.rows_of[url]}
            try:
                with Path(url).open("rb") as stream:
                    # The labels are known from the index: of the shard only photos are taken.
                    for file in tar_file_expander(
                        [{"url": url, "stream": stream}],
                        select_files=wanted.__contains__,
                        eof_value=None,
                    ):
                        yield wanted.pop(file["fname"]), file["data"], ""
            except (OSError, tarfile.TarError, ValueError) as error:
                yield NOT_A_ROW, b"", f"{url} cannot be read: {error.args[0]}"
                return
            if wanted:
                yield NOT_A_ROW, b"", f"{url} holds no {next(iter(wanted))} any more"
                return


@dataclass(frozen=True, slots=True)
class _Viewed:
    """A stage that decodes and augments photos."""

    views: Views
    epoch: int

    def __call__(
        self, photos: Iterable[tuple[int, bytes, str]]
    ) -> Iterator[tuple[int, Tensor, bool, str]]:
        for row, data, wrong in photos:
            held = Held("" if wrong else str(self.views.files[row]), data)
            pixels, read = self.views.view(held, row, self.epoch)
            yield row, pixels, read, wrong


def _together(photos: Sequence[tuple[int, Tensor, bool, str]]) -> Chunk:
    rows, pixels, read, wrong = zip(*photos, strict=True)
    return np.array(rows), torch.stack(pixels), np.array(read, bool), list(wrong)
