"""Train a head on a data set, or the small model from nothing, and make a model of it."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from qks_cli import settings
from qks_cli.bundling.train_head import Base, Plan, settle, train_head, train_seeds
from qks_cli.errors import UsageError, install_extra
from qks_cli.model.bundle import Bundle
from qks_cli.training.datasets import LAYOUTS
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.run import RunFolder
from qks_cli.training.streams import Stream
from qks_cli.vocabulary.prompts import POOL
from qks_cli.wording import count_of
from qks_cli.workflows.datasets import read_dataset
from qks_cli.workflows.report import SILENT, Report

Row = Callable[[dict[str, Any]], None]
"""An epoch's figures, or another word on how it goes."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set by its name, its folder, and what else its layout needs to be found."""

    dataset: str
    root: Path | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """How a run is carried out. ``keep_tokens`` keeps the base model's image tokens in the folder
    ``tokens`` (None: the run's own) instead of computing them in every epoch; None decides by the
    device. ``workers`` are processes that read photos otherwise, with ``stream`` whole tar shards
    from beginning to end."""

    device: str = "cpu"
    workers: int = 0
    keep_tokens: bool | None = None
    tokens: Path | None = None
    tensorboard: bool = False
    stream: bool = False


@dataclass(frozen=True, slots=True)
class HeadRequest:
    """A head for a data set on the frozen ``model``. ``given`` are values of its configuration,
    None where the data set's own stand. See `qks train --help` for the rest."""

    data: DataSource
    out: Path
    model: str = "mini"
    config: Path | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    prompts: str = "model"
    means: Means = Means()
    seeds: Sequence[int] = ()
    refit: bool = False
    resume: bool = False
    version: str = "1"


@dataclass(frozen=True, slots=True)
class MiniRequest:
    """The small model, from ``pools`` of photos and what the ``teachers`` say of each."""

    pools: Sequence[Path]
    teachers: Sequence[Path]
    out: Path
    config: Path | None = None
    start: str | None = None
    wordnet: Path = Path("/usr/share/wordnet")
    text_epochs: float = 12.0
    device: str = "cpu"
    version: str = "1"


def check_device(device: str) -> None:
    """Raises ``UsageError`` for a device that is not there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no cuda device here", hint="use --device cpu")


def use_threads(threads: int) -> None:
    """CPU threads of torch; 0 lets it choose."""
    if threads:
        torch.set_num_threads(threads)


def train_mini(request: MiniRequest, row: Row) -> Path:
    """Train the small model; the folder of the finished one. Raises ``UsageError`` without pools or
    teachers."""
    if not request.pools or not request.teachers:
        raise UsageError("--dataset mini needs --pool and --teachers")
    check_device(request.device)
    from qks_cli.bundling.train_mini import train_mini as train

    return train(
        list(request.pools),
        list(request.teachers),
        request.out,
        config=request.config,
        start=request.start,
        wordnet=request.wordnet,
        text_epochs=request.text_epochs,
        device=request.device,
        version=request.version,
        report=row,
    )


class HeadTraining:
    """A head's training, checked and ready to ``run``."""

    def __init__(self, request: HeadRequest, report: Report = SILENT) -> None:
        """Raises ``UsageError`` for what cannot be trained, ``TrainingError`` for bad data."""
        means, source = request.means, request.data
        check_device(means.device)
        _check_can_finish(means.tensorboard)
        base = Base.open(request.model)
        main, device = _processes(means.device)
        if request.resume:
            _check_begun(request.out, request.seeds)
        unfreeze = bool(request.given.get("unfreeze"))
        keep = means.keep_tokens
        if keep and unfreeze:
            raise UsageError("--unfreeze changes the tokens that --cache-tokens would keep")
        stream = _stream(request, keep) if means.stream else None
        self.seeds = list(dict.fromkeys(request.seeds))
        self.plan = Plan(
            read_dataset(source.dataset, source.root, source.source, report),
            base,
            _settled(base, request),
            _templates(request.prompts, base.bundle),
            request.out,
            settings.cache_path(),
            device,
            keep if keep is not None else device == "cpu" and not unfreeze and stream is None,
            means.tokens,
            means.workers,
            request.version,
            main,
            root=None if source.root is None else source.root.expanduser(),
            refit=request.refit,
            tensorboard=means.tensorboard,
            stream=stream,
        )

    @property
    def main(self) -> bool:
        """Whether this process speaks for all that share the work."""
        return self.plan.main

    def summary(self) -> str:
        """What is trained on what."""
        data, base = self.plan.data, self.plan.base.bundle.name
        labels = count_of(int(data.seen_C.sum()), "seen label")
        return f"{count_of(len(data.train), 'photo')}, {labels}, base model {base}"

    def run(self, row: Row) -> Path:
        """Train, several seeds one after another; the folder of the (first) finished model."""
        try:
            if self.seeds:
                return train_seeds(self.plan, self.seeds, row)[0]
            return train_head(self.plan, row)
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def _settled(base: Base, request: HeadRequest) -> HeadConfig:
    """The paper's values for the data set, then those of the file, then the given ones."""
    layout = LAYOUTS.get(request.data.dataset, LAYOUTS["jsonl"])
    standard: dict[str, Any] = {
        "head": {"queries": layout.queries, "layers": layout.layers},
        "loss": "bce" if request.data.dataset == "openimages" else "asl",
    }
    own = _read_config(request.config)
    if isinstance(own.get("head"), dict):
        own["head"] = standard["head"] | own["head"]
    given = {name: str(x) if isinstance(x, str) else x for name, x in request.given.items()}
    return settle(HeadConfig.from_dict(standard | own), base=base, **given)


def _stream(request: HeadRequest, keep: bool | None) -> Stream:
    """How shards are read. Raises ``UsageError`` where that was asked for, but cannot be."""
    if request.data.dataset != "webdataset":
        raise UsageError(
            "--stream reads tar shards", hint="take --dataset webdataset, or leave --stream out"
        )
    if keep:
        raise UsageError("--stream reads photos in every epoch: no tokens are kept")
    if importlib.util.find_spec("webdataset") is None:
        raise UsageError(
            "--stream needs the package webdataset, which is not here",
            hint="pip install '.[train]' where qks came from",
        )
    return Stream(request.means.workers)


def _check_begun(out: Path, seeds: Sequence[int]) -> None:
    if not RunFolder(out / f"seed-{seeds[0]}" if seeds else out).begun:
        raise UsageError(f"there is no run to resume in {out}")


def _check_can_finish(tensorboard: bool) -> None:
    """Raises ``UsageError`` without what exports a model and draws its plots, or writes curves."""
    if importlib.util.find_spec("onnx") is None or importlib.util.find_spec("matplotlib") is None:
        raise UsageError(
            "a finished model needs onnx and matplotlib, which are not both here",
            hint=install_extra("train"),
        )
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            "--tensorboard needs the package tensorboard, which is not here",
            hint="pip install tensorboard",
        )


def _processes(device: str) -> tuple[bool, str]:
    """Whether this process speaks for all, and its own device; joins ``torchrun``'s others."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return True, device
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return torch.distributed.get_rank() == 0, device


def _read_config(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a training configuration: {error}") from error


def _templates(prompts: str, base: Bundle) -> tuple[str, ...]:
    pools = {"model": base.templates, "paper": POOL, "one": ("a photo of a {}",)}
    return pools[prompts]
