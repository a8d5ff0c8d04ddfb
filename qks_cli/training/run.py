"""What every training run needs, once: its folder, its manifest, checkpoints, metrics, the clock.

A run's folder holds ``run.json`` (what the run depends on), ``metrics.jsonl`` (a line an epoch) and
checkpoints. Where several processes share a run, only the main one writes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from qks_cli.errors import TrainingError
from qks_cli.training import checkpoints

LAST, BEST = "last", "best"
METRICS = "metrics.jsonl"
MANIFEST = "run.json"
SAVE_EVERY = 300.0  # seconds
VERSIONS = "versions"
PACKAGES = ("qks", "torch", "torchvision", "open_clip_torch", "timm", "numpy", "pillow")
SHOWN = 3  # of what differs between two lists


def versions() -> dict[str, str]:
    """The packages that a result depends on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


@dataclass(frozen=True, slots=True)
class RunFolder:
    """``main`` is false in all but one process of several; those write nothing."""

    path: Path
    main: bool = True

    def claim(self, manifest: Mapping[str, Any], *, loose: Iterable[str] = ()) -> list[str]:
        """Take the folder for a run that depends on ``manifest``, or go on with that run.

        ``loose`` are keys, with dots between levels, that may change within a run. Other versions
        of packages are no other run; they are returned as sentences. Raises ``TrainingError``
        naming what differs where the folder holds another run.
        """
        if not self.main:
            return []
        self.path.mkdir(parents=True, exist_ok=True)
        plain = json.loads(json.dumps(manifest))
        known = self._known()
        said = []
        if known is not None and self.begun:
            free = {*loose}
            differing = [d for d in differences(known, plain) if d.key not in free]
            strict = [d for d in differing if not d.key.startswith(f"{VERSIONS}.")]
            if strict:
                raise TrainingError(
                    f"{self.path} holds another run: {'; '.join(map(str, strict[:5]))}",
                    hint="give another --out, or the same data and options to resume",
                )
            said = [f"begun with other versions: {one}" for one in differing]
        write_json(self.path / MANIFEST, plain)
        return said

    @property
    def begun(self) -> bool:
        """Whether there is anything to go on with."""
        return any((self.path / name).exists() for name in (LAST, f"{LAST}.old", BEST))

    def _known(self) -> dict[str, Any] | None:
        path = self.path / MANIFEST
        if not path.is_file():
            if self.begun:
                raise TrainingError(
                    f"{self.path} holds a run without {MANIFEST}, the record of its options",
                    hint="give another --out",
                )
            return None
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"{path} cannot be read: {error}", hint="give another --out"
            ) from error

    def save(self, name: str, tensors: dict[str, Any], progress: dict[str, Any]) -> None:
        """Write a checkpoint; the one before it stays whole until then.

        Raises ``TrainingError`` where the disk does not take it."""
        if not self.main:
            return
        try:
            checkpoints.save(self.path / name, tensors, progress)
        except (OSError, RuntimeError) as error:  # torch speaks of a full disk as a RuntimeError
            raise TrainingError(
                f"the checkpoint {self.path / name} cannot be written: {error}",
                hint="the one before it is whole: make room and run the same command again",
            ) from error

    def load(self, name: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Tensors and progress of a checkpoint, None where there is none."""
        return checkpoints.load(self.path / name)


@dataclass(frozen=True, slots=True)
class Difference:
    """A value of a manifest that is not what it was."""

    key: str
    before: Any
    now: Any

    def __str__(self) -> str:
        if isinstance(self.before, list) and isinstance(self.now, list):
            return f"{self.key} ({_list_difference(self.before, self.now)})"
        return f"{self.key} is {_short(self.now)}, was {_short(self.before)}"


def differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> list[Difference]:
    """Where two manifests differ, in the order of their keys."""
    found = []
    for key in dict.fromkeys([*before, *now]):
        one, other = before.get(key), now.get(key)
        name = f"{prefix}{key}"
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{name}.")
        elif one != other:
            found.append(Difference(name, one, other))
    return found


def _list_difference(before: Sequence[Any], now: Sequence[Any]) -> str:
    old, new = {str(x) for x in before}, {str(x) for x in now}
    parts = []
    for word, some in (("new", new - old), ("gone", old - new)):
        if some:
            named = ", ".join(sorted(some)[:SHOWN])
            parts.append(f"{len(some):,} {word}: {named}{' …' if len(some) > SHOWN else ''}")
    return "; ".join(parts) or "in another order"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


class Metrics:
    """``metrics.jsonl``; rows of epochs that a resumed run repeats are dropped first.

    ``tensorboard`` writes the same figures for TensorBoard. Raises ``TrainingError`` where that is
    not installed."""

    def __init__(self, folder: RunFolder, epochs: int, *, tensorboard: bool = False) -> None:
        self.path = folder.path / METRICS
        self.active = folder.main
        self.board: Any = None
        if not self.active:
            return
        kept = [row for row in read_metrics(self.path) if row["epoch"] <= epochs]
        self.path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        if tensorboard:
            self.board = _board(folder.path / "tensorboard", epochs)

    def write(self, row: dict[str, Any]) -> None:
        """Add an epoch."""
        if not self.active:
            return
        with self.path.open("a", encoding="utf-8") as out:
            # JSON has no NaN.
            plain = {key: None if value != value else value for key, value in row.items()}
            out.write(json.dumps(plain) + "\n")
        if self.board is not None:
            for name, value in row.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    self.board.add_scalar(name, value, row["epoch"])
            self.board.flush()

    def close(self) -> None:
        """Nothing more comes."""
        if self.board is not None:
            self.board.close()


def _board(folder: Path, epochs: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            "--tensorboard needs the package tensorboard", hint="pip install tensorboard"
        ) from error
    # What a resumed run repeats is taken off the curves.
    return SummaryWriter(str(folder), purge_step=epochs + 1)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a run so far."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


class Clock:
    """When to write a checkpoint, and how fast a run goes."""

    def __init__(self, save_every: float = SAVE_EVERY) -> None:
        self.save_every = save_every
        self._saved = self._lap = time.monotonic()

    def due(self) -> bool:
        """Whether a checkpoint is due; asking resets the clock where it is."""
        now = time.monotonic()
        if now - self._saved <= self.save_every:
            return False
        self._saved = now
        return True

    def speed(self, count: float) -> float:
        """``count`` things a second since the last time that was asked."""
        now = time.monotonic()
        seconds, self._lap = max(now - self._lap, 1e-9), now
        return count / seconds


def set_learning_rate(
    optimiser: torch.optim.Optimizer, rate: float, shares: Sequence[float] = ()
) -> None:
    """Give every parameter group the learning rate, times its share (1 where none is given)."""
    for place, group in enumerate(optimiser.param_groups):
        group["lr"] = rate * (shares[place] if place < len(shares) else 1.0)


def write_json(path: Path, data: Any) -> None:
    """Written beside and swapped in: a kill leaves the one before."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)
