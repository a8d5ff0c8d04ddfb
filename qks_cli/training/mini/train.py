"""Train the small model on a pool of photos and what its teachers say about them.

The run is a list of phases, each with an image size and a learning rate that goes linearly from one
value to another; it resumes exactly, and more phases may be appended to a run that has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from qks_cli.errors import TrainingError
from qks_cli.model.bundle import Bundle
from qks_cli.model.weights import load_image_model
from qks_cli.network.config import ModelConfig
from qks_cli.network.model import CompactModel, build_model
from qks_cli.training import checkpoints
from qks_cli.training.mini.batches import Batch, TrueLabels, ViewLoader
from qks_cli.training.mini.config import MiniConfig, Phase
from qks_cli.training.mini.distill import DistillationLoss, LossWeights
from qks_cli.training.mini.folded import FoldedModel, unfolded
from qks_cli.training.mini.labels import label_names, label_vectors
from qks_cli.training.mini.pool import PoolPhoto, kept_apart, pack, read_photos
from qks_cli.training.mini.pretrained import load_pretrained
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.mini.variants import Variants, read_synonyms
from qks_cli.training.run import LAST, Clock, RunFolder, set_learning_rate, write_json
from qks_cli.types import Float32Array

WORDNET = Path("/usr/share/wordnet")  # where Debian's wordnet-base puts it
WARM_UP = 300  # steps
REPORT_EVERY = 50  # steps
SAVE_EVERY = 180  # seconds

Report = Callable[[dict[str, Any]], None]


def train(
    config: MiniConfig,
    *,
    pools: Sequence[Path],
    teachers: Sequence[Path],
    out: Path,
    start: Bundle | None = None,
    keep_tower: bool = False,
    wordnet: Path = WORDNET,
    device: str = "cpu",
    report: Report = lambda row: None,
) -> Path:
    """Run (or resume) in ``out``; returns the checkpoint folder. ``report`` gets a row of means
    every 50 steps. A new run begins with the weights of ``start`` where it is given and fits, its
    backbone with those of ``config.pretrained`` where that is set. ``keep_tower`` takes the
    labels' vectors from the text tower of ``start``. ``teachers`` are the folders that belong to
    ``pools``, one each; ``wordnet`` gives labels their synonyms.

    Raises ``TrainingError`` on bad data, a loss that is not finite, or where ``start`` is not built
    as ``config`` says; ``ModelError`` where its weights cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", asdict(config))
    torch.manual_seed(config.seed)
    photos = read_photos(*pools)
    said = Teachers(*teachers)
    truth = TrueLabels(photos)
    hidden = frozenset(word.lower() for photo in photos for word in photo.held_out)
    names = label_names(said, truth)
    labels_VTE = label_vectors(
        names,
        out,
        config.model["label_width"],
        Variants(read_synonyms(wordnet), hidden),
        start if keep_tower else None,
    )
    loader = ViewLoader(
        pack(photos, out.parent / "packed"),
        said,
        truth,
        _chances(photos, config) * said.rarity(config.rare),
        seed=config.seed,
        object_crops=config.object_crops,
    )
    width = ModelConfig.from_dict(config.model).decoder.width
    loss = DistillationLoss(
        said, truth.names, names, labels_VTE, width, LossWeights(**config.losses)
    )
    run = _Run(config, first_model(config, start), loss, RunFolder(out), device)
    for phase in config.phases:
        run.phase(phase, loader, report)
    run.save()
    return out / LAST


def first_model(config: MiniConfig, start: Bundle | None) -> CompactModel:
    """The model that a run begins with. Raises ``TrainingError`` where ``start`` is built otherwise
    than ``config`` says."""
    wanted = ModelConfig.from_dict(config.model)
    model = build_model(wanted)
    if not isinstance(model, CompactModel):
        raise TrainingError("the small model needs a compact decoder")
    if start is not None:
        built = start.architecture
        if built.decoder != wanted.decoder:
            raise TrainingError(f"the model {start.name} is not built as the configuration says")
        if built.backbone != wanted.backbone and config.pretrained is None:
            raise TrainingError(f"the model {start.name} has another backbone")
        if built.neck not in (0, wanted.neck):
            raise TrainingError(f"the model {start.name} has another neck than the configuration")
        # A new neck changes nothing, so a model that has none may be given one; what reads
        # another backbone's maps is learnt anew.
        own, given = model.state_dict(), load_image_model(start).state_dict()
        fits = {k: v for k, v in given.items() if k in own and v.shape == own[k].shape}
        model.load_state_dict(own | fits)
    if config.pretrained is not None:
        load_pretrained(model.backbone.trunk, config.pretrained)
    return model


def averaged_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The averaged model's state from a checkpoint of ``train``, as ``build_model`` makes it."""
    found = checkpoints.load(checkpoint)
    if found is None:
        raise TrainingError(f"no checkpoint in {checkpoint}")
    state: dict[str, Tensor] = found[0]["averaged"]
    return {
        name.removeprefix("module."): value
        for name, value in state.items()
        if name.startswith("module.")
    }


class _Run:
    """The state of a run: weights, their running mean, the optimiser, and how far it is."""

    def __init__(
        self,
        config: MiniConfig,
        model: CompactModel,
        loss: DistillationLoss,
        folder: RunFolder,
        device: str,
    ) -> None:
        self.config = config
        self.folder = folder
        self.device = device
        self.plain = ModelConfig.from_dict(config.model)
        self.folded: FoldedModel | None = None
        if config.frozen_stages:
            self.folded = FoldedModel(model, config.frozen_stages)
        self.model: nn.Module = self.folded.model if self.folded else model
        self.model.to(device).to(memory_format=torch.channels_last)
        self.learner = nn.ModuleDict({"model": self.model, "loss": loss.to(device)})
        self.averaged = AveragedModel(
            self.model,
            multi_avg_fn=_ema(config.average),
            use_buffers=True,
            device=torch.device(device),
        )
        self.optimiser = torch.optim.AdamW(self._parameter_groups())
        self.normalise = _Normalise(self.plain, device)
        self.step = self.images = self.passed = 0
        self._resume()
        self.clock = Clock(SAVE_EVERY)

    def phase(self, phase: Phase, loader: ViewLoader, report: Report) -> None:
        """What is left of ``phase``, which begins where the phases before it end."""
        config = self.config
        skipped = min(max(self.images - self.passed, 0), phase.images)
        self.passed += phase.images
        steps = (phase.images - skipped) // config.batch
        sums: dict[str, float] = {}
        self.clock.speed(0)
        batches = loader.batches(
            self.step, steps, size=phase.size, batch=config.batch, mosaic_share=phase.mosaics
        )
        for count, batch in enumerate(batches, 1):
            share = (skipped + count * config.batch) / phase.images
            rate = phase.lr_start + (phase.lr_end - phase.lr_start) * share
            for name, value in self._step(batch, rate).items():
                sums[name] = sums.get(name, 0.0) + value
            if count % REPORT_EVERY == 0:
                speed = self.clock.speed(REPORT_EVERY * config.batch)
                row = {"step": self.step, "images": self.images, "size": phase.size, "lr": rate}
                report(row | {"speed": speed} | {k: v / REPORT_EVERY for k, v in sums.items()})
                sums = {}
            if self.clock.due():
                self.save()

    def save(self) -> None:
        """A checkpoint from which ``_resume`` goes on exactly."""
        tensors = {
            "learner": self.learner.state_dict(),
            "running": self.averaged.state_dict(),
            "averaged": self._averaged_state(),
            "optimiser": self.optimiser.state_dict(),
            "rng": torch.get_rng_state(),
        }
        self.folder.save(LAST, tensors, {"step": self.step, "images": self.images})

    def _averaged_state(self) -> dict[str, Tensor]:
        state = self.averaged.state_dict()
        if self.folded is None:
            return state
        own = {k.removeprefix("module."): v for k, v in state.items() if k.startswith("module.")}
        plain = unfolded(own, build_model(self.plain))
        return {f"module.{name}": value for name, value in plain.items()}

    def _resume(self) -> None:
        found = self.folder.load(LAST)
        if found is None:
            return
        tensors, progress = found
        self.learner.load_state_dict(tensors["learner"])
        self.averaged.load_state_dict(tensors["running"])
        self.optimiser.load_state_dict(tensors["optimiser"])
        torch.set_rng_state(tensors["rng"])
        self.step, self.images = int(progress["step"]), int(progress["images"])

    def _step(self, batch: Batch, rate: float) -> dict[str, float]:
        config, device = self.config, self.device
        shares = [group["share"] for group in self.optimiser.param_groups]
        set_learning_rate(self.optimiser, rate * min(1.0, (self.step + 1) / WARM_UP), shares)
        self.learner.train()
        truth = (batch.positive_BT, batch.exclusive_BT, batch.judged_BT)
        positive, own, judged = (matrix.to(device) for matrix in truth)
        targets = batch.targets
        for name in targets.__slots__:
            setattr(targets, name, getattr(targets, name).to(device, non_blocking=True))
        forward = self.folded or self.model
        with torch.autocast(device, torch.bfloat16, enabled=config.precision == "bf16"):
            tokens = forward(self.normalise(batch.pixels_BSS3, device))
        tokens = type(tokens)(*(part.float() for part in tokens))
        pixels = batch.pixels_BSS3.to(device)
        terms = self.learner["loss"](tokens, targets, positive, own, judged, pixels)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise TrainingError("the loss is no longer a number", hint="resume with a lower rate")
        self.optimiser.zero_grad(set_to_none=False)
        torch.autograd.backward(total)
        trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        nn.utils.clip_grad_norm_(trained, config.gradient_clip)
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        self.step += 1
        self.images += config.batch
        return {name: float(value.detach()) for name, value in terms.items()} | {
            "total": float(total.detach())
        }

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """Weights decay, biases and scales do not; a pretrained backbone learns more slowly."""
        slow = set(map(id, self.folded.backbone_parameters())) if self.folded else set()
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for parameter in self.learner.parameters():
            if parameter.requires_grad:
                key = (id(parameter) in slow, parameter.dim() > 1)
                groups.setdefault(key, []).append(parameter)
        return [
            {
                "params": parameters,
                "share": self.config.backbone_rate if of_backbone else 1.0,
                "weight_decay": self.config.weight_decay if decays else 0.0,
            }
            for (of_backbone, decays), parameters in groups.items()
        ]


class _Normalise:
    def __init__(self, config: ModelConfig, device: str) -> None:
        self.mean = torch.tensor(config.mean, device=device).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(config.std, device=device).view(1, 3, 1, 1) * 255

    def __call__(self, pixels_BSS3: Tensor, device: str) -> Tensor:
        pixels = pixels_BSS3.to(device).permute(0, 3, 1, 2).float()
        shape = (len(pixels), 1, 1, 1)
        gain = torch.empty(shape, device=device).uniform_(0.75, 1.25)
        tint = torch.empty((len(pixels), 3, 1, 1), device=device).uniform_(0.92, 1.08)
        changed = (pixels * gain * tint).clamp_(0, 255).sub_(self.mean).div_(self.std)
        return changed.contiguous(memory_format=torch.channels_last)


def _ema(decay: float) -> Callable[..., None]:
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.dtype), 1 - keep)
            else:
                mean.copy_(value)

    return update


def _chances(photos: list[PoolPhoto], config: MiniConfig) -> Float32Array:
    weights = config.source_weights
    return np.array(
        [0.0 if kept_apart(photo) else weights.get(photo.source, 1.0) for photo in photos],
        np.float32,
    )
