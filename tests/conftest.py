"""Real photos (scikit-image's public-domain ones), real libraries, the real bundled model."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Qks = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(autouse=True)
def private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the user's own library, cache or models."""
    monkeypatch.setenv("QKS_DB", str(tmp_path / "library" / "library.db"))
    monkeypatch.setenv("QKS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("QKS_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("QKS_CONFIG", str(tmp_path / "config.toml"))
    for name in ("QKS_LABELS", "QKS_MODEL", "QKS_MIN_SCORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of four photos, one of them in a sub-folder."""
    from skimage import data

    folder = tmp_path / "photos"
    (folder / "space").mkdir(parents=True)
    pictures = {
        "cat.jpg": data.chelsea(),
        "coffee.jpg": data.coffee(),
        "space/astronaut.jpg": data.astronaut(),
        "space/rocket.png": data.rocket(),
    }
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def qks() -> Qks:
    """Runs the command line as a user does; returns code, stdout and stderr as bytes."""

    def run(*arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "qks_cli", *(os.fsencode(str(a)) for a in arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, timeout=120)

    return run
