"""A checkpoint that is damaged ends with one line, whatever happened to it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from qks_cli.errors import TrainingError
from qks_cli.training import checkpoints


def made(folder: Path) -> bytes:
    checkpoints.save(folder, {"model": {"weight": torch.arange(9.0)}}, {"step": 3})
    return (folder / "state.pt").read_bytes()


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    made(tmp_path / "last")
    found = checkpoints.load(tmp_path / "last")
    assert found is not None
    assert torch.equal(found[0]["model"]["weight"], torch.arange(9.0))
    assert found[1] == {"step": 3}
    assert checkpoints.load(tmp_path / "best") is None


def test_the_one_before_is_loaded_where_the_swap_was_cut_off(tmp_path: Path) -> None:
    made(tmp_path / "last")
    (tmp_path / "last").rename(tmp_path / "last.old")
    found = checkpoints.load(tmp_path / "last")
    assert found is not None and found[1] == {"step": 3}
    checkpoints.save(tmp_path / "last", {"model": {}}, {"step": 4})
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize("damage", ["empty", "another file", "cut off", "other bytes"])
def test_damaged_tensors(tmp_path: Path, damage: str) -> None:
    whole = made(tmp_path / "last")
    spoilt = {
        "empty": b"",
        "another file": b"no tensors " * 99,
        "cut off": whole[: len(whole) // 2],
        "other bytes": whole[:80] + b"\xff" * 40 + whole[120:],
    }
    (tmp_path / "last" / "state.pt").write_bytes(spoilt[damage])
    with pytest.raises(TrainingError, match="cannot be read") as raised:
        checkpoints.load(tmp_path / "last")
    assert raised.value.hint == "remove it to start again"


@pytest.mark.parametrize("text", ["", "{", "3", '["step"]', "\x00"])
def test_damaged_progress(tmp_path: Path, text: str) -> None:
    made(tmp_path / "last")
    (tmp_path / "last" / "progress.json").write_text(text)
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoints.load(tmp_path / "last")
