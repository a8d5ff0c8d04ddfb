"""A run's folder: what it depends on, and that nothing else goes on with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from qks_cli.errors import TrainingError
from qks_cli.network.config import DecoderConfig
from qks_cli.network.decoder import ReferenceDecoder
from qks_cli.training import run as runs
from qks_cli.training.datasets.labelled import Split
from qks_cli.training.head.config import HeadConfig
from qks_cli.training.head.data import partition
from qks_cli.training.head.loop import load_best, refit, train
from qks_cli.training.run import Clock, RunFolder, differences, read_metrics, set_learning_rate
from tests.training import tiny

ABOUT: dict[str, Any] = {
    "data": {"name": "coco", "digest": "one"},
    "labels": ["cat", "dog"],
    "prompts": ["a {}"],
    "base": {"hash": "1"},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"name": "coco", "digest": "two"}}, 'data.digest is "two", was "one"'),
        ({"labels": ["cat", "dogs"]}, r"labels \(1 new: dogs; 1 gone: dog\)"),
        ({"labels": ["dog", "cat"]}, r"labels \(in another order\)"),
        ({"prompts": ["a {}", "the {}"]}, r"prompts \(1 new: the {}\)"),
        ({"base": {"hash": "2"}}, "base.hash"),
    ],
)
def test_a_run_goes_on_with_the_same_things_only(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    config = replace(tiny.CONFIG, epochs=1)
    train(config, tiny.run(tmp_path, about=ABOUT))
    train(replace(config, epochs=2), tiny.run(tmp_path, about=dict(ABOUT)))
    assert len(read_metrics(tmp_path / "run" / "metrics.jsonl")) == 2
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(TrainingError, match=message):
        train(replace(config, epochs=3), tiny.run(tmp_path, about=ABOUT | change))
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_other_versions_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(replace(tiny.CONFIG, epochs=1), tiny.run(tmp_path))
    monkeypatch.setattr(runs, "versions", lambda: {"torch": "0.1"})
    said: list[dict[str, Any]] = []
    train(replace(tiny.CONFIG, epochs=1), tiny.run(tmp_path, report=said.append))
    assert any('versions.torch is "0.1"' in row.get("resumed", "") for row in said)


def test_a_run_that_says_nothing_of_itself(tmp_path: Path) -> None:
    train(replace(tiny.CONFIG, epochs=1), tiny.run(tmp_path))
    manifest = tmp_path / "run" / "run.json"
    manifest.write_text("{")
    with pytest.raises(TrainingError, match=r"run\.json cannot be read"):
        train(tiny.CONFIG, tiny.run(tmp_path))
    manifest.unlink()
    with pytest.raises(TrainingError, match=r"a run without run\.json"):
        train(tiny.CONFIG, tiny.run(tmp_path))


def test_differences_in_words() -> None:
    found = differences({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "e": None})
    assert [(one.key, one.before, one.now) for one in found] == [("a.c", 2, 3), ("d", [1], None)]
    long = differences({"x": "y" * 99}, {"x": "z"})[0]
    assert len(str(long)) < 90


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch", -1),
        ("batch", 0),
        ("rate", float("nan")),
        ("rate", 0.0),
        ("rate", float("inf")),
        ("epochs", 0),
        ("weight_decay", -1e-4),
        ("factor", 1.0),
        ("validation_photos", 1.0),
        ("validation_photos", 0.0),
        ("validation_labels", 1.5),
        ("margin", -0.1),
        ("gamma_absent", -1.0),
        ("seed", -1),
        ("gradient_clip", float("nan")),
        ("precision", "fp8"),
        ("unknown", "present"),
        ("head.dropout", 2.0),
        ("head.queries", 0),
        ("head.layers", -3),
        ("head.heads", 5),
        ("head.ffn_ratio", 0.0),
    ],
)
def test_values_that_cannot_be(name: str, value: Any) -> None:
    part, _, key = name.rpartition(".")
    given = {"head": {key: value}} if part else {name: value}
    with pytest.raises(TrainingError, match="cannot be"):
        HeadConfig.from_dict(given)


def test_a_refit_trains_on_what_was_kept_out(tmp_path: Path) -> None:
    run = tiny.run(tmp_path, photos=24, about=ABOUT)
    config = replace(tiny.CONFIG, epochs=3, stop_after=3, validation_labels=0.3)
    best = train(config, run)
    parts = partition(run.split, config)
    assert len(parts.valid_C) == 1
    seen: list[int] = []
    own = tiny.run(tmp_path, photos=24, about=ABOUT)
    original = own.split.__class__.labels

    def labels(split: Any, columns: Any) -> Any:
        seen.append(len(columns))
        return original(split, columns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(own.split.__class__, "labels", labels)
        folder = refit(config, own, best)
    assert seen == [len(parts.train_C) + 1]
    assert folder == run.out / "refit"
    rows = read_metrics(folder / "metrics.jsonl")
    chosen = read_metrics(run.out / "metrics.jsonl")[: best["epoch"]]
    assert [row["rate"] for row in rows] == [row["rate"] for row in chosen]
    assert json.loads((folder / "run.json").read_text())["refit"]["epochs"] == best["epoch"]
    selected, refitted = (tiny_head(run) for _ in range(2))
    load_best(run.out, selected)
    load_best(folder, refitted)
    memory = torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(selected(memory), refitted(memory))
    assert refit(config, tiny.run(tmp_path, photos=24, about=ABOUT), best) == folder  # done already


def tiny_head(run: Any) -> torch.nn.Module:
    from qks_cli.network.head import build_head

    return build_head(tiny.DECODER, run.source, 16)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_single_precision_weights(tmp_path: Path, precision: str) -> None:
    config = replace(tiny.CONFIG, epochs=1, precision=precision)
    train(config, tiny.run(tmp_path / "half"))
    train(replace(tiny.CONFIG, epochs=1), tiny.run(tmp_path / "full"))
    half, full = (
        RunFolder(tmp_path / name / "run").load("last")[0]["model"]  # type: ignore[index]
        for name in ("half", "full")
    )
    assert all(value.dtype == torch.float32 for value in half.values())
    assert any(not torch.equal(half[name], full[name]) for name in half)
    for name in half:
        torch.testing.assert_close(half[name], full[name], rtol=0, atol=2e-2)


def test_every_photo_of_an_epoch_is_used_by_some_process(tmp_path: Path) -> None:
    from qks_cli.training.head.data import Batches

    run = tiny.run(tmp_path, tokens=None)
    parts = partition(run.split, tiny.CONFIG)
    shares = [Batches(run, parts, tiny.CONFIG, rank, 3)._rows(0) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    used = [int(r) for share in shares for rows, counts in share for r in rows[counts]]
    assert sorted(used) == parts.train_N.tolist()


def test_every_image_draws_its_own_dropout() -> None:
    torch.manual_seed(1)
    config = DecoderConfig(queries=4, width=16, layers=0, heads=1, dropout=0.5)
    decoder = ReferenceDecoder(config, 16, 8).train()
    one, two = decoder(torch.zeros(2, 3, 16))
    assert not torch.equal(one, two)


def test_the_clock_and_the_rate() -> None:
    clock = Clock(0.0)
    assert clock.due()
    assert clock.speed(10) > 0
    assert not Clock(1e6).due()
    weight = torch.nn.Parameter(torch.zeros(1))
    other = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([{"params": [weight]}, {"params": [other]}], lr=1.0)
    set_learning_rate(optimiser, 0.5, (1.0, 0.1))
    assert [group["lr"] for group in optimiser.param_groups] == [0.5, 0.05]


def test_the_plateau_looks_for_more_not_less(tmp_path: Path) -> None:
    """A rate that falls although every epoch is better than the one before would be upside down."""
    from qks_cli.training.head import loop

    judged = iter(np.linspace(0.1, 0.9, 8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            loop._Judge,
            "__call__",
            lambda self: dict.fromkeys(("map_trained", "map_held_out", "selection"), next(judged)),
        )
        config = replace(tiny.CONFIG, epochs=6, patience=0)
        train(config, tiny.run(tmp_path))
    rates = {row["rate"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")}
    assert rates == {config.rate}


def test_weight_decay_reaches_the_optimiser(tmp_path: Path) -> None:
    from qks_cli.training.head.loop import Learner

    run = tiny.run(tmp_path)
    config = replace(tiny.CONFIG, weight_decay=0.25)
    learner = Learner(config, run, partition(run.split, config), RunFolder(run.out))
    assert [group["weight_decay"] for group in learner.optimiser.param_groups] == [0.25]
    assert HeadConfig().weight_decay == 1e-4  # the paper's


def test_a_run_that_nothing_judges_keeps_its_first_epoch(tmp_path: Path) -> None:
    run = tiny.run(tmp_path)
    kept_out = partition(run.split, tiny.CONFIG).valid_N
    truth = run.split.truth.toarray()
    truth[kept_out] = 0  # nobody says what these show
    run.split = Split(run.split.files, csr_matrix(truth), False)
    best = train(tiny.CONFIG, run)
    assert (best["epoch"], best["selection"]) == (1, 0.0)
    rows = read_metrics(run.out / "metrics.jsonl")
    assert [row["map_trained"] for row in rows] == [None, None]
    assert RunFolder(run.out).load("best") is not None
