"""Without torch, which the light install leaves out, and without what only training needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qks_cli.model import engine
from qks_cli.model.bundle import read_bundle
from qks_cli.model.onnx_engine import OnnxEngine

HEAVY = ("torch", "torchvision", "open_clip", "timm")
TRAIN = ("onnx", "onnxscript", "transformers", "matplotlib")


# Started before qks: what is named is nowhere on the path, as if it were not installed.
HIDE = """
import sys
from importlib.machinery import PathFinder
look = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name in {names!r} else look(name, *rest)
from qks_cli.app import main
sys.argv[0] = "qks"
main()
"""


@pytest.fixture(autouse=True)
def model() -> None:
    """These tests are about the shipped model's engine."""


def qks(without: tuple[str, ...], *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line, with packages that cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(names=without), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_everyday_commands_need_neither(photos: Path, tmp_path: Path) -> None:
    for arguments in (
        ("tag", photos),
        ("search", "cat"),
        ("similar", photos / "cat.jpg"),
        ("duplicates", "--near", "0.9"),
        ("clusters", "--count", "2"),
        ("report", "--out", tmp_path / "report"),
        ("labels", "audit"),
        ("write", photos),
        ("untag", photos),
        ("doctor",),
    ):
        done = qks(HEAVY + TRAIN, *arguments)
        # 1 says that nothing was found: what is found depends on the model.
        assert done.returncode <= (arguments[0] in ("search", "duplicates")), done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("tag", "photos", "--device", "cuda"),
        ("models", "pull", "ViT-B-32/weights.bin"),
        ("eval", "--dataset", "folder", "--root", "photos", "--model", "mini"),
        ("train", "--dataset", "folder", "--root", "photos", "--out", "out"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_torch_says_so(
    arguments: tuple[str, ...], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ViT-B-32").mkdir()
    (tmp_path / "weights.bin").touch()
    done = qks(HEAVY, *arguments)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()[-2:]
    assert first == "qks: this needs torch and open_clip, which the light install leaves out"
    assert "pip install torch torchvision open_clip_torch" in second
    assert "Traceback" not in done.stderr


def test_training_without_its_extra_says_so_before_it_starts(photos: Path, tmp_path: Path) -> None:
    done = qks(TRAIN, "train", "--dataset", "folder", "--root", photos, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "needs onnx" in done.stderr and "pip install '.[train]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_driver_without_torch_means_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "version"
    driver.touch()
    monkeypatch.setattr(engine, "NVIDIA_DRIVER", driver)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    assert isinstance(engine.open_engine(read_bundle("mini")), OnnxEngine)
