"""Run by a test alone and under torchrun: writes the gradients of one step for every loss."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from qks_cli.training.head.data import partition
from qks_cli.training.head.loop import Learner
from qks_cli.training.run import RunFolder
from tests.training import tiny


def main(out: Path) -> None:
    torch.set_num_threads(1)
    main_process = True
    if "RANK" in os.environ:
        torch.distributed.init_process_group("gloo")
        main_process = torch.distributed.get_rank() == 0
    gradients = {}
    folder = out if main_process else out / "other"
    for name, loss, unfreeze in (
        ("asl", "asl", False),
        ("bce", "bce", False),
        ("rank", "rank", False),
        ("asl, unfrozen", "asl", True),
    ):
        run = tiny.run(folder)
        if unfreeze:
            run.tokens = None
        config = replace(tiny.CONFIG, loss=loss, unfreeze=unfreeze)
        parts = partition(run.split, config)
        learner = Learner(config, run, parts, RunFolder(folder / name, main_process))
        learner.wrapped.train()
        *_, last = learner.data.epoch(0, 0)  # of 14 photos in fives, four are left
        for step, given in enumerate((*learner.data.epoch(0, 0), last)):
            learner.state.step = step
            learner._step(*given)
            if step < 3:
                gradients[f"{name}, step {step}"] = _gradients(learner)
        gradients[name] = _gradients(learner)
    if main_process:
        torch.save(gradients, out / "gradients.pt")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _gradients(learner: Learner) -> dict[str, torch.Tensor]:
    named = learner.model.module.named_parameters()
    return {key: value.grad.clone() for key, value in named if value.grad is not None}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
