"""Training photos streamed from tar shards by webdataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qks_cli.errors import TrainingError, UsageError, missing_package
from qks_cli.training import checkpoints, datasets, losses
from qks_cli.training import run as runs
from qks_cli.training.datasets.labelled import DataSet
from qks_cli.training.head.data import Run
from qks_cli.training.head.loop import train
from qks_cli.training.run import read_metrics
from qks_cli.training.streams import Chunk, Shards, Stream
from qks_cli.training.views import Views
from tests.cli.test_train import SMALL, run
from tests.training import miniatures, tiny

TWO = Stream(workers=2, shuffle=20)


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Thirty training photos in five shards."""
    return datasets.read("webdataset", miniatures.webdataset(tmp_path / "data", shards=5))


def shards(data: DataSet, stream: Stream, rank: int = 0, world: int = 1) -> Shards:
    rows = np.delete(np.arange(len(data.train)), [3, 17])  # two are kept out
    return Shards(Views(data.train.files, 32, "squash", 1), rows, stream, rank, world)


def kept(data: DataSet, *but: int) -> list[int]:
    """The rows that are trained on."""
    return sorted({*range(len(data.train))} - {3, 17, *but})


def rows_of(batches: list[Chunk]) -> list[int]:
    return [int(row) for rows, _, read, _ in batches for row in rows[read]]


def test_two_workers_give_every_photo_once_in_another_order(data: DataSet) -> None:
    read = shards(data, TWO)
    first, again, second = (list(read.batches(epoch, [8])) for epoch in (0, 0, 1))
    assert sorted(rows_of(first)) == sorted(rows_of(second)) == kept(data)
    assert [len(rows) for rows, *_ in first] == [8, 8, 8, 4]
    assert rows_of(first) == rows_of(again) != rows_of(second)
    assert all(torch.equal(one[1], other[1]) for one, other in zip(first, again, strict=True))
    shard_of = [data.train.files[row].archive.name for row in rows_of(first)]
    assert len({*shard_of[:8]}) > 2  # of a batch, photos come from several shards
    numbers = [int(data.train.files[row].name[:4]) for row in rows_of(first)]
    assert numbers != sorted(numbers)


def test_a_streamed_photo_is_augmented_like_any_other(data: DataSet) -> None:
    views = Views(data.train.files, 32, "squash", 1)
    for rows, pixels, _, _ in shards(data, Stream(0, 4)).batches(2, [8]):
        for row, own in zip(rows.tolist(), pixels, strict=True):
            assert torch.equal(own, views[(row, 2)][0])


def test_processes_share_the_shards_and_take_the_same_steps(data: DataSet) -> None:
    both = [list(shards(data, TWO, rank, 2).batches(0, [2, 2])) for rank in (0, 1)]
    assert len(both[0]) == len(both[1])
    one, other = map(rows_of, both)
    assert sorted(one + other) == kept(data)
    assert len(one) > len(other)
    assert not both[1][-1][2].any()  # it has fewer photos: its last counts for nothing
    with pytest.raises(TrainingError, match="5 shards cannot be shared by 6 processes"):
        shards(data, TWO, 0, 6)


def test_a_photo_that_cannot_be_read_counts_for_nothing(tmp_path: Path, data: DataSet) -> None:
    file = data.train.files[9]
    with file.archive.open("r+b") as stream:
        stream.seek(file.offset)
        stream.write(b"\0" * file.size)
    batches = list(shards(data, TWO).batches(0, [8]))
    assert sorted(rows_of(batches)) == kept(data, 9)


def test_shards_that_changed_end_the_run(data: DataSet) -> None:
    path = data.train.files[0].archive
    whole = path.read_bytes()
    file = data.train.files[0]
    path.write_bytes(whole[: file.offset + file.size // 2])
    with pytest.raises(TrainingError, match=r"train-000000\.tar cannot be read") as raised:
        list(shards(data, TWO).batches(0, [8]))
    assert raised.value.hint == "mend the shard and run the same command again"
    later = max((f for f in data.train.files if f.archive == path), key=lambda f: f.offset)
    path.write_bytes(whole[: later.offset - 1536] + b"\0" * 1024)  # the end of a whole archive
    with pytest.raises(TrainingError, match=r"holds no striped/\d+\.jpg any more"):
        list(shards(data, TWO).batches(0, [8]))
    path.unlink()
    with pytest.raises(TrainingError, match="cannot be read"):
        list(shards(data, TWO).batches(0, [8]))


def test_photos_outside_of_shards_are_refused(tmp_path: Path) -> None:
    folder = datasets.read("folder", miniatures.folder(tmp_path / "folder"))
    with pytest.raises(TrainingError, match="lies in no tar shard"):
        shards(folder, TWO)


def streamed(data: DataSet, out: Path, **given: Any) -> Run:
    """A run on the tiny model."""
    split = data.train.labels(np.flatnonzero(data.seen_C))
    labels_CE = (
        np.random.default_rng(1).normal(0, 1, (int(data.seen_C.sum()), 16)).astype(np.float32)
    )
    made = replace(tiny.run(out), split=split, labels_CE=labels_CE, tokens=None, stream=TWO)
    return replace(made, **given)


def test_a_stopped_run_goes_on_within_an_epoch_and_ends_with_the_same_weights(
    tmp_path: Path, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = streamed(data, tmp_path / "straight")
    best = train(tiny.CONFIG, straight)
    monkeypatch.setattr(runs, "SAVE_EVERY", 0.0)
    whole, count = losses.choose("asl"), 0

    def dying(*given: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return losses.asymmetric(*given)

    fatal = whole._replace(total=dying)
    monkeypatch.setattr(losses, "choose", lambda *a, **k: fatal)
    stopped = streamed(data, tmp_path / "stopped")
    with pytest.raises(KeyboardInterrupt):
        train(tiny.CONFIG, stopped)
    monkeypatch.undo()
    assert train(tiny.CONFIG, streamed(data, tmp_path / "stopped"))["loss"] == pytest.approx(
        best["loss"], rel=1e-6
    )
    found = [checkpoints.load(one.out / "last") for one in (straight, stopped)]
    assert found[0] is not None
    assert found[1] is not None
    for name, value in found[0][0]["model"].items():
        torch.testing.assert_close(found[1][0]["model"][name], value, rtol=0, atol=0)


def test_a_run_by_command_streams_and_refuses_another_number_of_workers(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    root = miniatures.webdataset(tmp_path / "data", shards=3)
    data = ("--dataset", "webdataset", "--root", root, "--out", tmp_path / "out", *SMALL)
    command = ("train", *data, "--stream", "--epochs", "1")
    run(*command, "--workers", "2")
    assert len(read_metrics(tmp_path / "out" / "metrics.jsonl")) == 1
    assert not (tmp_path / "out" / "tokens").exists()
    assert b"ready: qks tag PHOTOS --model" in capfdbinary.readouterr().err
    with pytest.raises(TrainingError, match=r"another run: stream\.workers is 1, was 2"):
        run(*command, "--workers", "1")
    with pytest.raises(TrainingError, match="another run: stream is null"):
        run("train", *data, "--no-cache-tokens")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--dataset", "folder"), "--stream reads tar shards"),
        (("--dataset", "webdataset", "--cache-tokens"), "no tokens are kept"),
    ],
)
def test_what_cannot_be_streamed(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("train", *options, "--root", tmp_path, "--out", tmp_path / "out", "--stream")
    assert not (tmp_path / "out").exists()


def test_streaming_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "webdataset" else found(name)
    )
    given = ("--dataset", "webdataset", "--root", tmp_path, "--out", tmp_path / "out")
    with pytest.raises(UsageError, match="needs the package webdataset") as raised:
        run("train", *given, "--stream")
    assert raised.value.hint == "pip install '.[train]' where qks came from"
    said = missing_package(ModuleNotFoundError(name="webdataset.tariterators"))
    assert said is not None
    assert "the extra 'train'" in str(said)
