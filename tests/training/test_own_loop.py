"""What `qks train` learns, step for step, is what a few plain lines of torch learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from qks_cli.network.head import build_head
from qks_cli.training import checkpoints
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import partition
from qks_cli.training.head.loop import refit, train
from qks_cli.training.run import read_metrics
from tests.training import tiny

PHOTOS = 24
Rows = npt.NDArray[np.intp]


def loss_of(name: str, s: torch.Tensor, y: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
    """Each loss once more, from docs/training.md and the paper's formulas."""
    p = torch.sigmoid(s)
    judged = (k.sum(1) > 0).sum()
    if name == "asl":
        there = y * torch.log(p.clamp(min=1e-5))
        absent = (1 - y) * (p**4).detach() * torch.log((1 - p).clamp(min=1e-5))
        return -1000 * ((there + absent) * k).sum() / (judged * k.shape[1])
    if name == "bce":
        return -((y * torch.log(p) + (1 - y) * torch.log(1 - p)) * k).sum() / k.sum()
    photos = []
    for own, present, known in zip(s, y, k, strict=True):
        up, down = own[(present > 0) & (known > 0)], own[(present == 0) & (known > 0)]
        pairs = torch.relu(1 - up[:, None] + down[None])
        photos.append(pairs.mean() if pairs.numel() else own.new_zeros(()))
    return torch.stack(photos).sum() / judged


def learnt(
    run: Any, config: HeadConfig, photos: Rows, labels: Rows, rates: Sequence[float]
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Weights after some epochs, and the mean loss of each."""
    tokens = np.fromfile(run.tokens / "tokens.bin", np.float16).astype(np.float32)
    tokens = tokens.reshape(PHOTOS, run.source.tokens, run.source.width)
    truth = run.split.truth.toarray()[:, labels]
    torch.manual_seed(config.seed)
    head = build_head(config.head, run.source, run.labels_CE.shape[1]).train()
    labels_CE = torch.from_numpy(run.labels_CE[labels])
    optimiser = torch.optim.AdamW(head.parameters(), weight_decay=config.weight_decay)
    means = []
    for epoch, rate in enumerate(rates):
        optimiser.param_groups[0]["lr"] = rate
        order = photos[np.random.default_rng((config.seed, 2, epoch)).permutation(len(photos))]
        losses = []
        for at in range(0, len(order), config.batch):
            rows = order[at : at + config.batch]
            said = (head(torch.from_numpy(tokens[rows])) @ labels_CE.T).amax(1)
            present, known = (torch.from_numpy(x) for x in (truth[rows] > 0, truth[rows] != 0))
            loss = loss_of(config.loss, said, present.float(), known.float())
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            losses.append(float(loss.detach()))
        means.append(float(np.mean(losses)))
    return head.state_dict(), means


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=2e-4, msg=name)


def kept(folder: Path, name: str) -> dict[str, torch.Tensor]:
    found = checkpoints.load(folder / name)
    assert found is not None
    weights: dict[str, torch.Tensor] = found[0]["model"]
    return weights


@pytest.mark.parametrize("loss", ["asl", "bce", "rank"])
def test_training_and_refit_are_what_plain_torch_does(tmp_path: Path, loss: str) -> None:
    config = replace(
        tiny.CONFIG, loss=loss, epochs=3, stop_after=3, patience=9, validation_labels=0.3
    )
    run = tiny.run(tmp_path, photos=PHOTOS)
    best = train(config, run)
    parts = partition(run.split, config)
    weights, losses = learnt(run, config, parts.train_N, parts.train_C, [config.rate] * 3)
    same(kept(run.out, "last"), weights)
    rows = read_metrics(run.out / "metrics.jsonl")
    assert [row["loss"] for row in rows] == pytest.approx(losses, rel=1e-3)
    before = {name: value.clone() for name, value in weights.items()}
    folder = refit(config, tiny.run(tmp_path, photos=PHOTOS), best)
    everything = np.arange(PHOTOS), np.arange(run.split.truth.shape[1])
    weights, _ = learnt(run, config, *everything, [config.rate] * best["epoch"])
    same(kept(folder, "best"), weights)
    assert any(not torch.allclose(before[name], weights[name]) for name in before)
