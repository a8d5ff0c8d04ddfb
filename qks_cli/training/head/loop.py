"""Train a query decoder on a frozen model (arXiv 2401.01181, sections 3 and 4).

Model selection and the learning rate follow photos and *seen* labels that are kept out of training,
never the test set or unseen labels. A run resumes exactly: every draw is a function of the seed and
the step. With ``torchrun`` every process takes its share of each batch, and the gradient is that of
one process.

Axes: N photos, B photos of a batch, C labels, M query tokens, P image tokens, W their width,
E label space.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from qks_cli.errors import TrainingError
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.network.config import ModelConfig
from qks_cli.network.head import HeadedModel, build_head
from qks_cli.network.model import scores
from qks_cli.network.pixels import Normalise
from qks_cli.training import losses
from qks_cli.training import run as runs
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import Batches, Parts, Run, partition
from qks_cli.training.run import BEST, LAST, METRICS, Clock, Metrics, RunFolder, read_metrics
from qks_cli.types import Float32Array

BACKBONE_SHARE = 0.1  # of the learning rate, where the backbone learns too
REFIT = "refit"  # the run on everything, inside the run's folder
LOOSE = ("options.epochs", "options.stop_after", "options.rate")


def train(config: HeadConfig, run: Run) -> dict[str, Any]:
    """Train or resume in ``run.out``; returns the best validation row. The best head is in
    ``OUT/best``, every epoch's row in ``OUT/metrics.jsonl``, what the run depends on in
    ``OUT/run.json``.

    Raises ``TrainingError`` where the folder holds another run, the loss is no number, the disk is
    full, or the data say nothing.
    """
    parts = partition(run.split, config)
    learner = Learner(config, run, parts, RunFolder(run.out, _process()[0] == 0))
    learner.restore()
    state = learner.state
    judge = _Judge(learner)
    metrics = Metrics(learner.folder, state.epoch, tensorboard=run.tensorboard)
    while state.epoch < config.epochs and state.waited < config.stop_after:
        row = learner.epoch()
        row |= judge()
        row["rate"] = learner.optimiser.param_groups[0]["lr"]
        learner.plateau.step(row["selection"])
        if row["selection"] > state.best:
            state.best, state.waited, state.best_row = row["selection"], 0, row
            learner.folder.save(BEST, {"model": learner.model.module.state_dict()}, row)
        else:
            state.waited += 1
        learner.save()
        metrics.write(row)
        if learner.folder.main:
            run.report(row)
    metrics.close()
    _wait_for_others()
    return state.best_row


def refit(config: HeadConfig, run: Run, best: dict[str, Any]) -> Path:
    """Train once more on everything that was kept out too, in ``OUT/refit``, for as many epochs and
    at the rates that led to ``best``; returns that folder."""
    rates = [row["rate"] for row in read_metrics(run.out / METRICS)][: best["epoch"]]
    parts = partition(run.split, config).all_trained()
    own = replace(run, out=run.out / REFIT)
    if run.about is not None:
        own.about = run.about | {"refit": {"epochs": len(rates), "rates": rates}}
    learner = Learner(config, own, parts, RunFolder(own.out, _process()[0] == 0))
    learner.restore()
    metrics = Metrics(learner.folder, learner.state.epoch, tensorboard=run.tensorboard)
    while learner.state.epoch < len(rates):
        rate = rates[learner.state.epoch]
        runs.set_learning_rate(learner.optimiser, rate, learner.shares)
        row = learner.epoch() | {"rate": rate}
        learner.save()
        metrics.write(row)
        if learner.folder.main:
            run.report({"refit": row["epoch"], "of": len(rates), "loss": row["loss"]})
    metrics.close()
    weights = {"model": learner.model.module.state_dict()}
    learner.folder.save(BEST, weights, {"epoch": len(rates)})
    _wait_for_others()
    return own.out


def load_best(out: Path, module: nn.Module) -> dict[str, Any]:
    """Fill a head (or headed model) with the best weights of a run; returns that epoch's row."""
    found = RunFolder(out).load(BEST)
    if found is None:
        raise TrainingError(f"no trained head in {out}")
    module.load_state_dict(found[0]["model"])
    return found[1]


@dataclass(slots=True)
class _State:
    base_rate: float
    epoch: int = 0
    step: int = 0  # within the epoch
    loss_sum: float = 0.0
    best: float = -1.0
    waited: int = 0
    best_row: dict[str, Any] = field(default_factory=dict)


class Learner:
    """A head with all that changes while it learns: what a checkpoint holds."""

    def __init__(self, config: HeadConfig, run: Run, parts: Parts, folder: RunFolder) -> None:
        self.config, self.run, self.folder = config, run, folder
        self.rank, self.world = _process()
        manifest = (run.about or {}) | {"options": asdict(config), "versions": runs.versions()}
        for said in folder.claim(manifest, loose=LOOSE):
            run.report({"resumed": said})
        if folder.main:
            runs.write_json(folder.path / "config.json", asdict(config))
        torch.manual_seed(config.seed)
        run.source.to(run.device).eval().requires_grad_(config.unfreeze)
        self.parts = parts
        self.model = self._build()
        self.data = Batches(run, parts, config, self.rank, self.world)
        self.shares = (1.0, BACKBONE_SHARE)
        self.optimiser = self._optimiser()
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, "max", factor=config.factor, patience=config.patience
        )
        self.half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)
        self.kind = torch.device(run.device).type
        self.scaler = torch.amp.GradScaler(self.kind, enabled=config.precision == "fp16")
        self.state = _State(base_rate=config.rate)
        self.wrapped: nn.Module = self.model
        if self.world > 1:
            # A backbone has parameters that no loss reaches (its text tower, say).
            self.wrapped = DistributedDataParallel(
                self.model, find_unused_parameters=config.unfreeze
            )
        self.loss = losses.choose(
            config.loss,
            gamma_present=config.gamma_present,
            gamma_absent=config.gamma_absent,
            margin=config.margin,
        )
        self.clock = Clock(runs.SAVE_EVERY)

    def _build(self) -> Scored:
        run = self.run
        head = build_head(self.config.head, run.source, run.labels_CE.shape[1]).to(run.device)
        labels_CE = torch.from_numpy(run.labels_CE[self.parts.train_C])
        if run.tokens is not None:
            return Scored(head, labels_CE, None).to(run.device)
        return Scored(HeadedModel(run.source, head), labels_CE, run.model).to(run.device)

    def _optimiser(self) -> torch.optim.AdamW:
        """AdamW over the head, and over the backbone at its share of the rate."""
        config = self.config
        backbone = set(self.run.source.parameters()) if config.unfreeze else set()
        head = [p for p in self.model.module.parameters() if p.requires_grad and p not in backbone]
        groups = [{"params": head, "lr": config.rate}]
        if backbone:
            learnt = list(self.run.source.parameters())
            groups.append({"params": learnt, "lr": config.rate * self.shares[1]})
        return torch.optim.AdamW(groups, weight_decay=config.weight_decay)

    def restore(self) -> None:
        """Go on from the last checkpoint, where there is one."""
        found = self.folder.load(LAST)
        if found is None:
            return
        tensors, progress = found
        self.model.module.load_state_dict(tensors["model"])
        self.optimiser.load_state_dict(tensors["optimiser"])
        self.plateau.load_state_dict(tensors["plateau"])
        self.scaler.load_state_dict(tensors["scaler"])
        self.state.__init__(**progress)  # type: ignore[misc]
        if self.state.base_rate != self.config.rate:  # another one was asked for
            runs.set_learning_rate(self.optimiser, self.config.rate, self.shares)
            self.state.base_rate = self.config.rate

    def save(self) -> None:
        """Write the last checkpoint."""
        tensors = {
            "model": self.model.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "plateau": self.plateau.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        self.folder.save(LAST, tensors, asdict(self.state))

    def epoch(self) -> dict[str, Any]:
        """The rest of an epoch; returns its number, mean loss and speed."""
        state = self.state
        self.clock.speed(0)
        seen = 0
        self.wrapped.train()
        self.run.source.eval()  # a frozen backbone's statistics stay; a trained one's do too
        for given, present_BC, known_BC in self.data.epoch(state.epoch, state.step):
            state.loss_sum += self._step(given, present_BC, known_BC)
            state.step += 1
            seen += len(given)
            if self.clock.due():
                self.save()
        row = {
            "epoch": state.epoch + 1,
            "loss": state.loss_sum / max(1, state.step),
            "photos_per_second": round(self.clock.speed(seen * self.world), 1),
        }
        state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
        return row

    def _step(self, given: Tensor, present_BC: Tensor, known_BC: Tensor) -> float:
        """One step on this process's part of a batch; returns the loss of the whole batch."""
        config, state = self.config, self.state
        torch.manual_seed(_mixed(config.seed, state.epoch, state.step, self.rank))
        with self._autocast():
            scores_BC = self.wrapped(given)
        total = self.loss.total(scores_BC.float(), present_BC, known_BC)
        whole, count = self._over_all(float(total.detach()), self.loss.divisor(known_BC))
        if not np.isfinite(whole):
            raise TrainingError(
                f"the loss is no longer a number (epoch {state.epoch + 1})",
                hint=f"the last good state is in {self.folder.path / LAST}; resume with a lower "
                "--rate",
            )
        self.optimiser.zero_grad(set_to_none=True)
        # The processes' gradients are averaged afterwards, and a sum is wanted.
        torch.autograd.backward(self.scaler.scale(total * (self.world / count)))
        if config.gradient_clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.model.module.parameters(), config.gradient_clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return whole / count

    def _over_all(self, total: float, count: float) -> tuple[float, float]:
        """Both summed over all processes; the count is at least 1."""
        if self.world > 1:
            both = torch.tensor([total, count], dtype=torch.float64, device=self.run.device)
            distributed.all_reduce(both)
            total, count = both.tolist()
        return total, max(1.0, count)

    def _autocast(self) -> Any:
        return torch.autocast(self.kind, self.half, enabled=self.half is not None)


class Scored(nn.Module):
    """Image tokens (or pixels, where ``config`` is given) to label scores [B, C]."""

    labels_CE: Tensor

    def __init__(self, module: nn.Module, labels_CE: Tensor, config: ModelConfig | None) -> None:
        super().__init__()
        self.module = module
        self.normalise = None if config is None else Normalise(config)
        self.register_buffer("labels_CE", labels_CE, persistent=False)

    def query_tokens(self, given: Tensor) -> Tensor:
        """[B, M, E]."""
        if self.normalise is not None:
            tokens: Tensor = self.module(self.normalise(given)).query_BME
            return tokens
        tokens = self.module(given)
        return tokens

    def forward(self, given: Tensor) -> Tensor:
        return scores(self.query_tokens(given), self.labels_CE)[0]


class _Judge:
    """mAP on the photos kept out, of labels trained on and of labels kept out; runs are selected by
    the mean of the two."""

    def __init__(self, learner: Learner) -> None:
        parts, run = learner.data.parts, learner.run
        if not len(parts.valid_N):
            raise TrainingError(
                "no photo that was kept out to judge the run by could be read",
                hint="raise validation_photos with --config",
            )
        self.learner = learner
        self.trained = len(parts.train_C)
        both_C = np.concatenate([parts.train_C, parts.valid_C])
        self.labels_CE = torch.from_numpy(run.labels_CE[both_C]).to(run.device)
        truth = run.split.take(parts.valid_N).labels(both_C)
        self.present_NC, self.known_NC = truth.rows(np.arange(len(parts.valid_N)))
        if learner.config.unknown == "absent":
            self.known_NC = np.ones_like(self.known_NC)

    def __call__(self) -> dict[str, float]:
        learner = self.learner
        learner.model.eval()
        parts = []
        with torch.inference_mode(), learner._autocast():
            for given in learner.data.validation():
                tokens = learner.model.query_tokens(given.to(learner.run.device)).float()
                parts.append(scores(tokens, self.labels_CE)[0].float().cpu().numpy())
        each_C = mean_average_precision(np.concatenate(parts), self.present_NC, self.known_NC)
        seen, held_out = _mean(each_C[: self.trained]), _mean(each_C[self.trained :])
        judged = [value for value in (seen, held_out) if value == value]
        return {
            "map_trained": seen,
            "map_held_out": held_out,
            "selection": float(np.mean(judged)) if judged else 0.0,
        }


def _process() -> tuple[int, int]:
    """Which process this is, and of how many."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def _wait_for_others() -> None:
    if distributed.is_initialized():
        distributed.barrier()


def _mixed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**62))


def _mean(values_C: Float32Array) -> float:
    return float(np.nanmean(values_C)) if np.isfinite(values_C).any() else float("nan")
