"""Real photos (scikit-image's public-domain ones), real libraries, and a model that knows them.

No test of commands, library or search depends on what a trained model says: ``fake_model`` stands
in its place.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from PIL import Image

from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.types import UInt8Array

# A shell lets its background jobs ignore Ctrl-C, and what they start inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example that takes long says that the machine is busy, not that something is wrong.
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")

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
    monkeypatch.setenv("QKS_SOCKET", str(tmp_path / "qks.sock"))
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
    """Runs the command line in this process; returns code, stdout and stderr as bytes."""
    return run_qks


def run_qks(
    *arguments: object, stdin: bytes = b"", stdout: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """``qks`` as a user runs it, but for the start of a new Python: the same file descriptors, the
    same exit code, a traceback where one would be shown. ``stdout`` takes what is printed."""
    from qks_cli.app import main

    given = ["qks", *(str(one) for one in arguments)]
    files = [tempfile.TemporaryFile() for _ in range(3)]  # noqa: SIM115 - closed below
    files[0].write(stdin)
    files[0].seek(0)
    kept = [os.dup(number) for number in range(3)]
    before = sys.argv, sys.stdin, sys.stdout, sys.stderr
    sys.stdout.flush()
    sys.stderr.flush()
    if stdout is not None:
        files[1].close()
        files[1] = stdout.open("wb", buffering=0)
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
    sys.argv = given
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        for number, mode in enumerate(("r", "w", "w"))
    )
    code: object = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # shown, as in a process of its own
            main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.argv, sys.stdin, sys.stdout, sys.stderr = before
        for number, one in enumerate(kept):
            os.dup2(one, number)
            os.close(one)
    outputs = []
    for file in files:
        if file.readable():
            file.seek(0)
        outputs.append(file.read() if file.readable() else b"")
        file.close()
    return subprocess.CompletedProcess(given, int(str(code)), outputs[1], outputs[2])
