"""Heads on the bundled model: exact resume, several processes, errors that lose nothing."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qks_cli.errors import ModelError, TrainingError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.weights import load_source
from qks_cli.network.config import DecoderConfig
from qks_cli.network.head import build_head
from qks_cli.training import checkpoints, datasets, losses, views
from qks_cli.training import run as runs
from qks_cli.training.datasets.labelled import Split
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import Run, partition
from qks_cli.training.head.loop import load_best, train
from qks_cli.training.run import read_metrics
from qks_cli.training.tokens import TokenCache, keep_tokens
from tests.training import miniatures

DECODER = DecoderConfig("compact", queries=3, width=256, layers=1, heads=4, ffn_ratio=1.0)
CONFIG = HeadConfig(head=DECODER, rate=1e-3, batch=8, epochs=4, patience=0, validation_labels=0.0)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Image tokens of the miniature, kept once for all tests here."""
    return tmp_path_factory.mktemp("tokens")


@pytest.fixture
def run(tmp_path: Path, tokens: Path) -> Run:
    data = datasets.read("folder", miniatures.folder(tokens / "photos"))
    seen = np.flatnonzero(data.seen_C)
    rng = np.random.default_rng(1)
    base = read_bundle("mini")
    return Run(
        data.train.labels(seen),
        rng.normal(0, 0.2, (len(seen), base.width)).astype(np.float32),
        load_source(base),
        base.architecture,
        base.hash,
        base.resize,
        tmp_path / "run",
        tokens / "kept",
    )


def weights(out: Path, name: str = "last") -> dict[str, torch.Tensor]:
    found = checkpoints.load(out / name)
    assert found is not None
    state: dict[str, torch.Tensor] = found[0]["model"]
    return state


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], **tolerance: Any) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, **tolerance)


def test_a_killed_and_resumed_run_ends_with_the_same_weights(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = replace_out(run, tmp_path / "straight")
    best = train(CONFIG, straight)
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    whole = losses.choose("asl")
    for deadly in (3, 6, 1):
        count = 0

        def dying(*given: torch.Tensor) -> torch.Tensor:
            nonlocal count
            count += 1
            if count == deadly:  # noqa: B023
                raise KeyboardInterrupt
            return losses.asymmetric(*given)

        fatal = whole._replace(total=dying)
        monkeypatch.setattr(losses, "choose", lambda *a, fatal=fatal, **k: fatal)
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, run)
    monkeypatch.undo()
    assert train(CONFIG, run)["selection"] == best["selection"]
    same(weights(straight.out), weights(run.out), rtol=0, atol=0)
    rows = [json.loads(line) for line in (run.out / "metrics.jsonl").read_text().splitlines()]
    expected = read_metrics(straight.out / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    for row, other in zip(rows, expected, strict=True):
        assert row["loss"] == pytest.approx(other["loss"], rel=1e-6)


def replace_out(run: Run, out: Path) -> Run:
    return replace(run, out=out, source=load_source(read_bundle("mini")))


def test_more_epochs_may_be_asked_for_but_no_other_run(run: Run) -> None:
    train(replace(CONFIG, epochs=1), run)
    train(replace(CONFIG, epochs=2), run)
    assert len(read_metrics(run.out / "metrics.jsonl")) == 2
    with pytest.raises(TrainingError, match=r'loss is "bce", was "asl"; options.seed is 2'):
        train(replace(CONFIG, loss="bce", seed=2), run)


def test_a_resumed_run_takes_another_rate(run: Run) -> None:
    train(replace(CONFIG, epochs=1), run)
    train(replace(CONFIG, epochs=2, rate=1e-5), run)
    rates = [row["rate"] for row in read_metrics(run.out / "metrics.jsonl")]
    assert rates == [1e-3, 1e-5]


def test_training_learns_and_the_best_epoch_is_kept(run: Run) -> None:
    best = train(replace(CONFIG, epochs=12, stop_after=12), run)
    rows = read_metrics(run.out / "metrics.jsonl")
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert best["selection"] == max(row["selection"] for row in rows)
    module = build_head(DECODER, run.source, run.labels_CE.shape[1])
    assert load_best(run.out, module)["epoch"] == best["epoch"]


def test_early_stopping_and_the_plateau(run: Run) -> None:
    config = replace(CONFIG, epochs=30, stop_after=3, rate=1e-7)
    train(config, run)
    rows = read_metrics(run.out / "metrics.jsonl")
    assert len(rows) == 4  # one best, three without a gain
    assert rows[-1]["rate"] < rows[0]["rate"]


def test_what_is_kept_out_is_not_trained_on(run: Run) -> None:
    config = replace(CONFIG, validation_labels=0.3, validation_photos=0.4)
    parts = partition(run.split, config)
    assert len(parts.valid_C) == 1
    assert not set(parts.train_N) & set(parts.valid_N)
    assert not set(parts.train_C) & set(parts.valid_C)
    assert len(parts.train_N) + len(parts.valid_N) == len(run.split)
    nobody = Split(run.split.files, run.split.truth * 0, True)
    with pytest.raises(TrainingError, match="no training photo has a label"):
        partition(nobody, config)


def test_a_loss_that_is_no_number(run: Run) -> None:
    run.labels_CE[:] = np.nan
    with pytest.raises(TrainingError, match=r"no longer a number \(epoch 1\)"):
        train(CONFIG, run)


def test_a_full_disk_keeps_the_checkpoint_before(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    train(replace(CONFIG, epochs=1), run)
    before = weights(run.out)

    def full(*given: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left") as raised:
        train(replace(CONFIG, epochs=2), run)
    assert "make room" in raised.value.hint
    same(before, weights(run.out), rtol=0, atol=0)


def test_tokens_are_kept_once_and_their_size_is_told(run: Run, tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []

    def keep(key: str) -> TokenCache:
        return keep_tokens(
            tmp_path / "kept",
            run.split.files[:5],
            run.source,
            run.model,
            key=key,
            resize=run.resize,
            device="cpu",
            report=said.append,
        )

    first = keep("one")
    assert said[0]["tokens_gb"] == round(5 * run.source.tokens * 256 * 2 / 1e9, 3)
    again = keep("one")
    assert len(said) == 2
    assert torch.equal(first.batch(np.array([1, 4])), again.batch(np.array([1, 4])))
    keep("another model")
    assert len(said) == 4
    (tmp_path / "kept" / "tokens.bin").unlink()
    made = keep("another model")
    assert torch.equal(made.batch(np.array([1, 4])), first.batch(np.array([1, 4])))


def test_photos_that_cannot_be_read_are_left_out(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    files = (broken, *run.split.files[1:])
    said: list[dict[str, Any]] = []
    config = replace(CONFIG, epochs=1)
    split = Split(files, run.split.truth, True)
    train(config, replace(run, split=split, tokens=tmp_path / "kept", report=said.append))
    assert {"unreadable": [str(broken)]} in said
    train(config, replace(run, split=split, tokens=None, out=tmp_path / "views"))


def test_augmented_views_are_a_function_of_seed_epoch_and_row(run: Run) -> None:
    made = views.Views(run.split.files, 64, "squash", seed=3)
    one, read = made[(2, 0)]
    assert read
    assert torch.equal(one, made[(2, 0)][0])
    assert not torch.equal(one, made[(2, 1)][0])
    black = (one == 0).all(2)
    assert int(black.sum()) >= 32 * 32  # the Cutout rectangle


def test_an_unfrozen_backbone_learns(run: Run) -> None:
    before = {name: value.clone() for name, value in run.source.state_dict().items()}
    train(replace(CONFIG, epochs=1, unfreeze=True), replace(run, tokens=None))
    changed = [n for n, v in run.source.state_dict().items() if not torch.equal(v, before[n])]
    assert any("backbone" in name for name in changed)
    assert not any("running" in name for name in changed)


def test_heads_that_there_are_not(run: Run) -> None:
    with pytest.raises(ModelError, match="no head of the kind 'deep'"):
        build_head(DecoderConfig("deep"), run.source, 8)
    for data, message in (
        ({"rings": 1}, "rings"),
        ({"head": {"rings": 1}}, "rings"),
        ({"head": 3}, "head is not an object"),
        ({"epochs": "many"}, "epochs cannot be 'many'"),
        ({"head": {"queries": True}}, "queries cannot be True"),
    ):
        with pytest.raises(TrainingError, match=message):
            HeadConfig.from_dict(data)
    assert HeadConfig.from_dict({"margin": 0, "head": {"layers": 1}}).head.layers == 1


def test_two_processes_give_the_gradient_of_one(tmp_path: Path) -> None:
    """Every loss, with a batch that does not divide evenly, with labels that nobody judged, with
    and without the backbone."""
    script = Path(__file__).parent / "two_processes.py"
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2".split()
    for name, launch in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launch, str(script), str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, timeout=300)
        assert done.returncode == 0, done.stderr.decode()
    one, two = (torch.load(tmp_path / name / "gradients.pt") for name in ("one", "two"))
    assert one.keys() == two.keys() >= {"asl", "bce", "rank", "asl, unfrozen"}
    for key, gradients in one.items():
        same(gradients, two[key], rtol=1e-2, atol=1e-4)
        assert any(float(value.abs().max()) > 0 for value in gradients.values())


def test_torchrun_makes_one_model(tmp_path: Path) -> None:
    root = miniatures.folder(tmp_path / "photos", 24)
    options = ["train", "--dataset", "folder", "--root", root, "--out", tmp_path / "out"]
    options += "--head compact --queries 2 --layers 1 --epochs 2 --threads 1 --unfreeze".split()
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node 2 -m qks_cli".split()
    command = [sys.executable, *torchrun, *map(str, options)]
    done = subprocess.run(command, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model" / "image.onnx").is_file()
    assert len(read_metrics(tmp_path / "out" / "metrics.jsonl")) == 2
