"""Train the small model from random weights on the pool and its teachers.

The run is a list of phases, each with an image size and a learning rate that goes linearly from one
value to another; it resumes exactly, and more phases may be appended to a run that has ended.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
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
from qks_cli.network.model import build_model
from qks_cli.training import checkpoints
from qks_cli.training.label_space import LabelSpace, SentenceTeacher
from qks_cli.training.mini.batches import Batch, TrueLabels, ViewLoader
from qks_cli.training.mini.distill import DistillationLoss, LossWeights
from qks_cli.training.mini.pool import PoolPhoto, kept_apart, pack, read_photos
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.mini.variants import Variants, read_synonyms
from qks_cli.types import Float32Array
from qks_cli.vocabulary.prompts import SHORT_POOL

WORDNET = Path("/usr/share/wordnet")  # where Debian's wordnet-base puts it


@dataclass(frozen=True, slots=True)
class Phase:
    """``images`` pictures at ``size`` pixels, learning rate from ``lr_start`` to ``lr_end``;
    ``mosaics`` is the share of them that are made of four photos."""

    size: int
    images: int
    lr_start: float
    lr_end: float
    mosaics: float = 0.0


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """Everything that a run depends on beside the data; written beside its checkpoints.

    Photos that show an object that is in less than ``rare`` of all photos are drawn more often.
    """

    model: dict[str, Any]
    phases: tuple[Phase, ...]
    batch: int = 128
    weight_decay: float = 0.05
    average: float = 0.998
    gradient_clip: float = 2.0
    seed: int = 1
    losses: dict[str, float] = field(default_factory=dict)
    source_weights: dict[str, float] = field(default_factory=dict)
    object_crops: float = 0.0
    rare: float = 0.0

    @classmethod
    def read(cls, path: Path) -> MiniConfig:
        """Raises ``TrainingError`` for JSON that is not such a configuration."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            data["phases"] = tuple(Phase(**phase) for phase in data["phases"])
            return cls(**data)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{path} is not a training configuration: {error}") from error


def train(
    config: MiniConfig,
    *,
    pool: Path,
    teachers_folder: Path,
    out: Path,
    start: Bundle | None = None,
    wordnet: Path = WORDNET,
    device: str = "cpu",
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:
    """Run (or resume) in ``out``; returns the checkpoint folder. ``report`` gets a row of means
    every 50 steps. A new run begins with the weights of ``start`` where it is given, else from
    random ones. ``wordnet`` gives labels their synonyms.

    Raises ``TrainingError`` on bad data, a loss that is not finite, or where ``start`` is not built
    as ``config`` says; ``ModelError`` where its weights cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=2), encoding="utf-8")
    torch.manual_seed(config.seed)
    photos = read_photos(pool)
    teachers = Teachers(teachers_folder)
    truth = TrueLabels(photos)
    hidden = frozenset(word.lower() for photo in photos for word in photo.held_out)
    names, labels_VTE = label_vectors(
        label_names(teachers, truth), out, config.model["label_width"], wordnet, hidden
    )
    loader = ViewLoader(
        pack(pool, photos, out.parent / "packed"),
        teachers,
        truth,
        _chances(photos, config) * teachers.rarity(config.rare),
        seed=config.seed,
        object_crops=config.object_crops,
    )
    model_config = ModelConfig.from_dict(config.model)
    model = _first_model(model_config, start).to(device)
    model.to(memory_format=torch.channels_last)
    loss = DistillationLoss(
        teachers,
        truth.names,
        names,
        labels_VTE,
        model_config.decoder.width,
        LossWeights(**config.losses),
    ).to(device)
    learner = nn.ModuleDict({"model": model, "loss": loss})
    averaged = AveragedModel(
        model, multi_avg_fn=_ema(config.average), use_buffers=True, device=torch.device(device)
    )
    optimiser = torch.optim.AdamW(
        _parameter_groups(learner, config.weight_decay), lr=config.phases[0].lr_start
    )
    step, images = _resume(out / "last", learner, averaged, optimiser)
    normalise = _Normalise(model_config, device)
    last_saved = time.monotonic()
    done = 0
    for phase in config.phases:
        skipped = min(max(images - done, 0), phase.images)
        done += phase.images
        steps = (phase.images - skipped) // config.batch
        sums: dict[str, float] = {}
        began = time.monotonic()
        batches = loader.batches(
            step, steps, size=phase.size, batch=config.batch, mosaic_share=phase.mosaics
        )
        for count, batch in enumerate(batches, 1):
            share = (skipped + count * config.batch) / phase.images
            rate = phase.lr_start + (phase.lr_end - phase.lr_start) * share
            warm = min(1.0, (step + 1) / 300)
            for group in optimiser.param_groups:
                group["lr"] = rate * warm
            terms = _step(learner, batch, normalise, optimiser, config, device)
            averaged.update_parameters(model)
            step += 1
            images += config.batch
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value
            if count % 50 == 0:
                speed = 50 * config.batch / (time.monotonic() - began)
                row = {"step": step, "images": images, "size": phase.size, "lr": rate * warm}
                report(row | {"speed": speed} | {k: v / 50 for k, v in sums.items()})
                sums, began = {}, time.monotonic()
            if time.monotonic() - last_saved > 180:
                _save(out / "last", learner, averaged, optimiser, step, images)
                last_saved = time.monotonic()
    _save(out / "last", learner, averaged, optimiser, step, images)
    return out / "last"


def label_names(teachers: Teachers, truth: TrueLabels) -> list[str]:
    """Every name that a teacher or the pool uses, once."""
    return list(
        dict.fromkeys(
            teachers.everyday_names
            + teachers.imagenet_names
            + teachers.group_names
            + teachers.coco_names
            + teachers.ade_names
            + truth.names
        )
    )


def label_vectors(
    names: list[str], out: Path, width: int, wordnet: Path, hidden: frozenset[str]
) -> tuple[list[str], Float32Array]:
    """The names with their vectors [V, T, E] (see ``variants``), made once per run folder.

    The label space is written to ``label_space.npz`` beside them.
    """
    named = out / "label_space.npz"
    if named.is_file():
        stored = np.load(named)
        if stored["names"].tolist() == names and stored["labels"].shape[2:] == (width,):
            return names, stored["labels"]
    teacher = SentenceTeacher()
    sentences = teacher.embed_names(names, SHORT_POOL)
    space = LabelSpace.fit(sentences, width)
    variants = Variants(read_synonyms(wordnet), hidden)
    others = [teacher.embed_names(*asked) for asked in variants.of(names)]
    labels_VTE = np.stack([space.labels(vectors) for vectors in (sentences, *others)])
    np.savez(named, names=names, labels=labels_VTE, mean=space.mean_S, whiten=space.whiten_SE)
    return names, labels_VTE


def averaged_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The averaged model's state from a checkpoint of ``train``."""
    found = checkpoints.load(checkpoint)
    if found is None:
        raise TrainingError(f"no checkpoint in {checkpoint}")
    state: dict[str, Tensor] = found[0]["averaged"]
    return {
        name.removeprefix("module."): value
        for name, value in state.items()
        if name.startswith("module.")
    }


def _first_model(config: ModelConfig, start: Bundle | None) -> nn.Module:
    if start is None:
        return build_model(config)
    built = ModelConfig.from_dict(start.config["model"])
    if (built.backbone, built.decoder) != (config.backbone, config.decoder):
        raise TrainingError(f"the model {start.name} is not built as the configuration says")
    if built.neck not in (0, config.neck):
        raise TrainingError(f"the model {start.name} has another neck than the configuration")
    model = build_model(config)
    # A new neck changes nothing, so a model that has none may be given one.
    model.load_state_dict(model.state_dict() | load_image_model(start).state_dict())
    return model


class _Normalise:
    def __init__(self, config: ModelConfig, device: str) -> None:
        self.mean = torch.tensor(config.mean, device=device).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(config.std, device=device).view(1, 3, 1, 1) * 255

    def __call__(self, pixels_BSS3: Tensor, device: str) -> Tensor:
        pixels = pixels_BSS3.to(device).permute(0, 3, 1, 2).float()
        shape = (len(pixels), 1, 1, 1)
        gain = torch.empty(shape, device=device).uniform_(0.8, 1.2)
        tint = torch.empty((len(pixels), 3, 1, 1), device=device).uniform_(0.94, 1.06)
        return (pixels * gain * tint).clamp_(0, 255).sub_(self.mean).div_(self.std)


def _step(
    learner: nn.ModuleDict,
    batch: Batch,
    normalise: _Normalise,
    optimiser: torch.optim.Optimizer,
    config: MiniConfig,
    device: str,
) -> dict[str, float]:
    learner.train()
    truth = (batch.positive_BT, batch.own_BT, batch.judged_BT)
    positive, own, judged = (matrix.to(device) for matrix in truth)
    targets = batch.targets
    for name in targets.__slots__:
        setattr(targets, name, getattr(targets, name).to(device, non_blocking=True))
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        tokens = learner["model"](normalise(batch.pixels_BSS3, device))
    tokens = type(tokens)(*(part.float() for part in tokens))
    terms = learner["loss"](tokens, targets, positive, own, judged)
    total = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(total):
        raise TrainingError("the loss is no longer a number", hint="resume with a lower rate")
    optimiser.zero_grad(set_to_none=False)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(learner.parameters(), config.gradient_clip)
    optimiser.step()
    return {name: float(value.detach()) for name, value in terms.items()} | {
        "total": float(total.detach())
    }


def _ema(decay: float) -> Callable[..., None]:
    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for mean, value in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value.to(mean.dtype), 1 - keep)
            else:
                mean.copy_(value)

    return update


def _parameter_groups(learner: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    decayed = [p for p in learner.parameters() if p.dim() > 1]
    plain = [p for p in learner.parameters() if p.dim() <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]


def _chances(photos: list[PoolPhoto], config: MiniConfig) -> Float32Array:
    weights = config.source_weights
    return np.array(
        [0.0 if kept_apart(photo) else weights.get(photo.source, 1.0) for photo in photos],
        np.float32,
    )


def _resume(
    folder: Path,
    learner: nn.Module,
    averaged: AveragedModel,
    optimiser: torch.optim.Optimizer,
) -> tuple[int, int]:
    found = checkpoints.load(folder)
    if found is None:
        return 0, 0
    tensors, progress = found
    learner.load_state_dict(tensors["learner"])
    averaged.load_state_dict(tensors["averaged"])
    optimiser.load_state_dict(tensors["optimiser"])
    torch.set_rng_state(tensors["rng"])
    return int(progress["step"]), int(progress["images"])


def _save(
    folder: Path,
    learner: nn.Module,
    averaged: AveragedModel,
    optimiser: torch.optim.Optimizer,
    step: int,
    images: int,
) -> None:
    tensors = {
        "learner": learner.state_dict(),
        "averaged": averaged.state_dict(),
        "optimiser": optimiser.state_dict(),
        "rng": torch.get_rng_state(),
    }
    checkpoints.save(folder, tensors, {"step": step, "images": images})
