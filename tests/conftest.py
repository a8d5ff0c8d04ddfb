"""Real photos (scikit-image's public-domain ones), real libraries, and a model that knows them.

No test of commands, library or search depends on what a trained model says: ``fake_model`` stands
in its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.types import UInt8Array

# What the fake model sees in each of ``photos``: words with cosines. From 0.6 on a score is over
# one half, which is the default cut-off; 0.58 gives 0.38.
SEEN = {
    "cat.jpg": {"cat": 0.95, "animal": 0.8},
    "coffee.jpg": {"coffee": 0.95, "cup": 0.9, "hot drink": 0.8, "breakfast": 0.7},
    "space/astronaut.jpg": {"person": 0.95, "astronaut": 0.9, "flag": 0.58},
    "space/rocket.png": {"sky": 0.95, "rocket": 0.9, "tree": 0.58},
}
LABELS = (
    "animal > cat | kitten\nanimal > dog\ncoffee\ncup | mug\nperson\nperson > astronaut\nflag\n"
    "sky\nrocket\ntree\nbeach\nwater\nblack\nwhite\nred\ngreen\nblue\nyellow\ngrey\n"
).splitlines()
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


@pytest.fixture(scope="session")
def pictures() -> dict[str, UInt8Array]:
    """Four public-domain pictures, by the names that ``photos`` gives them."""
    from skimage import data

    return {
        "cat.jpg": data.chelsea(),
        "coffee.jpg": data.coffee(),
        "space/astronaut.jpg": data.astronaut(),
        "space/rocket.png": data.rocket(),
    }


@pytest.fixture(scope="session")
def fake_bundle(pictures: dict[str, UInt8Array], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle that sees in ``photos`` what ``SEEN`` says."""
    known = [Picture(pixels, SEEN[name]) for name, pixels in pictures.items()]
    return write_fake_bundle(tmp_path_factory.mktemp("fake") / "mini", known, LABELS, name="mini")


@pytest.fixture
def fake_model(private_folders: None, fake_bundle: Path) -> Path:
    """Whoever asks for the model mini gets the fake one: the user's own models come first."""
    return Path(shutil.copytree(fake_bundle, Path(os.environ["QKS_MODELS"]) / "mini"))


@pytest.fixture
def photos(tmp_path: Path, pictures: dict[str, UInt8Array]) -> Path:
    """A folder of four photos, two of them in a sub-folder."""
    folder = tmp_path / "photos"
    (folder / "space").mkdir(parents=True)
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
