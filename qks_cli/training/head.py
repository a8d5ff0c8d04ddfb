"""Train a query decoder on a frozen model (specification; arXiv 2401.01181, section 3).

Model selection and the learning rate follow photos and *seen* labels that are kept out of training,
never the test set or unseen labels. A run resumes exactly: every draw is a function of the seed and
the step. With ``torchrun`` every process takes its share of each batch, and the sum is the same.

Axes: N photos, B photos of a batch, C labels, M query tokens, P image tokens, W their width,
E label space.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from qks_cli.errors import TrainingError
from qks_cli.evaluation.measures import mean_average_precision
from qks_cli.network.config import DecoderConfig, ModelConfig
from qks_cli.network.head import HeadedModel, Source, build_head
from qks_cli.network.model import scores
from qks_cli.network.pixels import Normalise
from qks_cli.photos.loader import pixel_batches
from qks_cli.training import checkpoints, losses
from qks_cli.training.datasets.labelled import Split
from qks_cli.training.views import TokenCache, Views, keep_tokens, view_batches
from qks_cli.types import Float32Array, IntArray

LAST, BEST = "last", "best"
METRICS = "metrics.jsonl"
SAVE_EVERY = 300.0  # seconds


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Everything a run depends on beside data and base model; the defaults are the paper's.

    ``stop_after`` epochs without a better validation end the run. ``validation_photos`` and
    ``validation_labels`` are the shares of the training photos and seen labels kept out.
    ``unknown`` is ``masked``, or ``absent`` as in the released code. ``unfreeze`` trains the
    backbone too, at a tenth of the rate.
    """

    head: DecoderConfig = field(default_factory=DecoderConfig)
    loss: str = "asl"
    gamma_present: float = 0.0
    gamma_absent: float = 4.0
    margin: float = 0.0
    unknown: str = "masked"
    epochs: int = 60
    batch: int = 64
    rate: float = 1e-5
    weight_decay: float = 1e-4
    patience: int = 1
    factor: float = 0.1
    stop_after: int = 4
    validation_photos: float = 0.1
    validation_labels: float = 0.1
    gradient_clip: float = 0.0
    unfreeze: bool = False
    seed: int = 1

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HeadConfig:
        """Raises ``TrainingError`` naming a key that is not known, or not of its kind."""
        head = data.get("head", {})
        if not isinstance(head, dict):
            raise TrainingError("in the configuration head is no object of values")
        _check_kinds(DecoderConfig, head)
        _check_kinds(cls, data)
        return cls(**(data | {"head": DecoderConfig(**head)}))


def _check_kinds(kind: type[HeadConfig] | type[DecoderConfig], data: dict[str, Any]) -> None:
    """Every value has to be what its default is; whole numbers serve as fractions."""
    defaults = {one.name: one.default for one in fields(kind)}
    wrong = set(data) - set(defaults)
    if wrong:
        raise TrainingError(f"unknown in the configuration: {', '.join(sorted(wrong))}")
    for name, value in data.items():
        wanted = type(defaults[name])
        fits = (int, float) if wanted is float else wanted
        boolean = isinstance(value, bool) and wanted is not bool
        if name != "head" and (boolean or not isinstance(value, fits)):
            raise TrainingError(f"in the configuration {name} cannot be {value!r}")


@dataclass(frozen=True, slots=True)
class Parts:
    """Which photos and labels a run trains on, and which it keeps out to judge itself by."""

    train_N: IntArray
    valid_N: IntArray
    train_C: IntArray
    valid_C: IntArray


@dataclass(slots=True)
class Run:
    """What ``train`` is given: data, base model, labels as vectors, and where it may write."""

    split: Split  # seen labels only
    labels_CE: Float32Array
    source: Source
    model: ModelConfig
    key: str  # hash of the base model
    resize: str
    out: Path
    tokens: Path | None  # folder for kept tokens; None reads photos in every epoch
    device: str = "cpu"
    workers: int = 0
    report: Callable[[dict[str, Any]], None] = lambda row: None


def partition(split: Split, config: HeadConfig) -> Parts:
    """Keep photos and labels out; labels that nobody has are in neither part.

    Raises ``TrainingError`` where nothing is left to learn from.
    """
    rng = np.random.default_rng((config.seed, 1))
    order = rng.permutation(len(split))
    apart = round(config.validation_photos * len(split))
    valid_N, train_N = np.sort(order[:apart]), np.sort(order[apart:])
    carried_C = np.flatnonzero(split.take(train_N).positives() > 0)
    if not len(carried_C):
        raise TrainingError("no training photo has a label that may be trained on")
    fit = np.intersect1d(carried_C, np.flatnonzero(split.take(valid_N).positives() > 0))
    hidden = rng.permutation(fit)[: int(config.validation_labels * len(carried_C))]
    return Parts(train_N, valid_N, np.setdiff1d(carried_C, hidden), np.sort(hidden))


def train(config: HeadConfig, run: Run) -> dict[str, Any]:
    """Train or resume in ``run.out``; returns the best validation row. The best head is in
    ``OUT/best``, every epoch's row in ``OUT/metrics.jsonl``.

    Raises ``TrainingError`` where the loss is no number, the disk is full, or the data say nothing.
    """
    rank, world = (
        (distributed.get_rank(), distributed.get_world_size())
        if distributed.is_initialized()
        else (0, 1)
    )
    run.out.mkdir(parents=True, exist_ok=True)
    parts = partition(run.split, config)
    settled = asdict(config)
    _same_run(run.out / "config.json", settled, write=rank == 0)
    torch.manual_seed(config.seed)
    run.source.to(run.device).eval().requires_grad_(config.unfreeze)
    head = build_head(config.head, run.source, run.labels_CE.shape[1]).to(run.device)
    model = _Scored(
        HeadedModel(run.source, head) if run.tokens is None else head,
        torch.from_numpy(run.labels_CE[parts.train_C]).to(run.device),
        run.model if run.tokens is None else None,
    ).to(run.device)
    data = _Data(run, parts, config, rank, world)
    groups = [{"params": list(head.parameters()), "lr": config.rate}]
    if config.unfreeze:
        groups.append({"params": list(run.source.parameters()), "lr": config.rate / 10})
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, "max", factor=config.factor, patience=config.patience
    )
    state = _State(base_rate=config.rate)
    found = checkpoints.load(run.out / LAST)
    if found is not None:
        tensors, progress = found
        model.module.load_state_dict(tensors["model"])
        optimiser.load_state_dict(tensors["optimiser"])
        plateau.load_state_dict(tensors["plateau"])
        state = _State(**progress)
        if state.base_rate != config.rate:  # another one was asked for
            for group, lr in zip(optimiser.param_groups, (config.rate, config.rate / 10)):  # noqa: B905
                group["lr"] = lr
            state.base_rate = config.rate
    wrapped: nn.Module = DistributedDataParallel(model) if world > 1 else model
    loss_of = losses.choose(
        config.loss,
        gamma_present=config.gamma_present,
        gamma_absent=config.gamma_absent,
        margin=config.margin,
    )
    metrics = _Metrics(run.out / METRICS, state.epoch, active=rank == 0)
    saved = time.monotonic()

    def save() -> None:
        if rank == 0:
            _save(run.out / LAST, model.module, optimiser, plateau, state)

    while state.epoch < config.epochs and state.waited < config.stop_after:
        began, seen = time.monotonic(), 0
        wrapped.train()
        run.source.eval()  # a frozen backbone's statistics stay; a trained one's do too
        for given, present_BC, known_BC in data.epoch(state.epoch, state.step):
            torch.manual_seed(_mixed(config.seed, state.epoch, state.step, rank))
            with _precision(run.device):
                scores_BC = wrapped(given)
            value = loss_of(scores_BC.float(), present_BC, known_BC)
            if not torch.isfinite(value):
                raise TrainingError(
                    f"the loss is no longer a number (epoch {state.epoch + 1})",
                    hint=f"the last good state is in {run.out / LAST}; resume with a lower --rate",
                )
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            if config.gradient_clip:
                nn.utils.clip_grad_norm_(model.module.parameters(), config.gradient_clip)
            optimiser.step()
            state.step += 1
            state.loss_sum += float(value.detach())
            seen += len(scores_BC)
            if time.monotonic() - saved > SAVE_EVERY:
                save()
                saved = time.monotonic()
        speed = seen * world / max(time.monotonic() - began, 1e-9)
        row: dict[str, Any] = {
            "epoch": state.epoch + 1,
            "loss": state.loss_sum / max(1, state.step),
            **data.validate(model),
            "rate": optimiser.param_groups[0]["lr"],
            "photos_per_second": round(speed, 1),
        }
        plateau.step(row["selection"])
        state.epoch, state.step, state.loss_sum = state.epoch + 1, 0, 0.0
        if row["selection"] > state.best:
            state.best, state.waited, state.best_row = row["selection"], 0, row
            if rank == 0:
                _write(run.out / BEST, {"model": model.module.state_dict()}, row)
        else:
            state.waited += 1
        save()
        metrics.write(row)
        if rank == 0:
            run.report(row)
    if world > 1:
        distributed.barrier()
    return state.best_row


def load_best(out: Path, module: nn.Module) -> dict[str, Any]:
    """Fill a head (or headed model) with the best weights of a run; returns that epoch's row."""
    found = checkpoints.load(out / BEST)
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


class _Scored(nn.Module):
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


class _Data:
    """Batches of one process, and the validation that all of them read alike."""

    def __init__(self, run: Run, parts: Parts, config: HeadConfig, rank: int, world: int) -> None:
        self.run, self.parts, self.config = run, parts, config
        self.rank, self.world = rank, world
        self.cache: TokenCache | None = None
        if run.tokens is not None:
            if rank == 0:
                self._keep()
            if world > 1:
                distributed.barrier()
            self.cache = self._keep()
            bad = np.flatnonzero(~self.cache.read_N)
            if len(bad) and rank == 0:
                run.report({"unreadable": [str(run.split.files[r]) for r in bad[:20]]})
            readable = self.cache.read_N
            self.parts = replace(
                parts,
                train_N=parts.train_N[readable[parts.train_N]],
                valid_N=parts.valid_N[readable[parts.valid_N]],
            )
            if not len(self.parts.train_N):
                raise TrainingError("none of the training photos could be read")
        both_C = np.concatenate([parts.train_C, parts.valid_C])
        self.valid_labels_CE = torch.from_numpy(run.labels_CE[both_C]).to(run.device)
        self.valid_truth = run.split.take(self.parts.valid_N).labels(both_C)
        self.trained = run.split.labels(parts.train_C)

    def _keep(self) -> TokenCache:
        run = self.run
        assert run.tokens is not None
        return keep_tokens(
            run.tokens,
            run.split.files,
            run.source,
            run.model,
            key=run.key,
            resize=run.resize,
            device=run.device,
            report=run.report,
        )

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Tokens or pixels, present [B, C], known [B, C], from step ``first`` of an epoch on."""
        rng = np.random.default_rng((self.config.seed, 2, epoch))
        order = self.parts.train_N[rng.permutation(len(self.parts.train_N))]
        order = order[: len(order) // self.world * self.world]
        size = self.config.batch
        batches = [
            order[at : at + size][self.rank :: self.world] for at in range(0, len(order), size)
        ][first:]
        if self.cache is not None:
            for rows in batches:
                yield (self.cache.batch(rows).to(self.run.device), *self._truth(rows))
            return
        run = self.run
        views = Views(run.split.files, run.model.image_size, run.resize, self.config.seed)
        made = view_batches(views, batches, epoch, self.run.workers)
        for rows, (pixels, read_B) in zip(batches, made, strict=True):
            present_BC, known_BC = self._truth(rows)
            known_BC = known_BC * read_B.to(self.run.device)[:, None]
            yield pixels.to(self.run.device), present_BC, known_BC

    def validate(self, model: _Scored) -> dict[str, float]:
        """mAP on the photos kept out, of labels trained on and of labels kept out."""
        model.eval()
        parts = []
        rows = self.parts.valid_N
        with torch.inference_mode(), _precision(self.run.device):
            for given in self._given(rows):
                tokens = model.query_tokens(given.to(self.run.device)).float()
                parts.append(scores(tokens, self.valid_labels_CE)[0].cpu().numpy())
        if not parts:
            raise TrainingError(
                "no photo was kept out to judge the run by", hint="raise validation_photos"
            )
        present, known = self.valid_truth.rows(np.arange(len(rows)))
        if self.config.unknown == "absent":
            known = np.ones_like(known)
        each_C = mean_average_precision(np.concatenate(parts), present, known)
        trained = len(self.parts.train_C)
        seen = _mean(each_C[:trained])
        held_out = _mean(each_C[trained:])
        judged = [value for value in (seen, held_out) if value == value]
        return {
            "map_trained": seen,
            "map_held_out": held_out,
            "selection": float(np.mean(judged)) if judged else 0.0,
        }

    def _given(self, rows: IntArray) -> Iterator[Tensor]:
        if self.cache is not None:
            for at in range(0, len(rows), 128):
                yield self.cache.batch(rows[at : at + 128])
            return
        run = self.run
        files = [run.split.files[row] for row in rows]
        for _, pixels, _ in pixel_batches(files, size=run.model.image_size, resize=run.resize):
            yield torch.from_numpy(pixels)

    def _truth(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        present, known = self.trained.rows(rows)
        if self.config.unknown == "absent":
            known = np.ones_like(known)
        return (
            torch.from_numpy(present.astype(np.float32)).to(self.run.device),
            torch.from_numpy(known.astype(np.float32)).to(self.run.device),
        )


class _Metrics:
    """``metrics.jsonl``; rows of epochs that a resumed run repeats are dropped first."""

    def __init__(self, path: Path, epochs: int, *, active: bool) -> None:
        self.path = path
        self.active = active
        if active:
            kept = [row for row in read_metrics(path) if row["epoch"] <= epochs]
            path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def write(self, row: dict[str, Any]) -> None:
        if self.active:
            with self.path.open("a", encoding="utf-8") as out:
                plain = {k: None if v != v else v for k, v in row.items()}  # JSON has no NaN
                out.write(json.dumps(plain) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a run so far."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _same_run(path: Path, settled: dict[str, Any], *, write: bool) -> None:
    """A folder holds one run: more epochs may be asked for, another configuration not."""
    if path.is_file():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            known = {}
        loose = ("epochs", "stop_after", "rate")
        changed = [k for k in settled if k not in loose and known.get(k) != settled[k]]
        if changed and (path.parent / LAST).exists():
            raise TrainingError(
                f"{path.parent} holds a run with another {', '.join(changed)}",
                hint="give another --out, or the same options to resume",
            )
    if write:
        path.write_text(json.dumps(settled, indent=2), encoding="utf-8")


def _save(folder: Path, module: nn.Module, optimiser: Any, plateau: Any, state: _State) -> None:
    tensors = {
        "model": module.state_dict(),
        "optimiser": optimiser.state_dict(),
        "plateau": plateau.state_dict(),
    }
    _write(folder, tensors, asdict(state))


def _write(folder: Path, tensors: dict[str, Any], progress: dict[str, Any]) -> None:
    try:
        checkpoints.save(folder, tensors, progress)
    except (OSError, RuntimeError) as error:  # torch speaks of a full disk as a RuntimeError
        raise TrainingError(
            f"the checkpoint {folder} cannot be written: {error}",
            hint="the one before it is whole: make room and run the same command again",
        ) from error


def _precision(device: str) -> Any:
    return torch.autocast("cuda", torch.bfloat16) if device.startswith("cuda") else nullcontext()


def _mixed(*numbers: int) -> int:
    return int(np.random.default_rng(numbers).integers(2**62))


def _mean(values_C: Float32Array) -> float:
    return float(np.nanmean(values_C)) if np.isfinite(values_C).any() else float("nan")
