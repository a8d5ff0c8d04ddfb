"""Is everything in order, and if not, what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from qks_cli import settings
from qks_cli.errors import QksError
from qks_cli.library import backups
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.wording import count_of
from qks_cli.workflows.changes import look

# What reads more than photos: of what, the module, its package, and what installs it.
_READERS = (
    ("RAW", "rawpy", "rawpy", "pip install rawpy"),
    ("JPEG XL", "pillow_jxl", "pillow-jxl-plugin", "pip install '.[jxl]'"),
    ("videos", "av", "av", "pip install '.[video]'"),
    ("text in photos", "rapidocr", "rapidocr", "pip install '.[text]'"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether it is in order, what was found, and what to do ('' where nothing)."""

    fine: bool
    found: str
    advice: str = ""


def examine(db: Path | None = None, model: str = "mini") -> Iterator[Finding]:
    """Look at the model, the library, the engines and the helpers, one after the other."""
    yield from _model(model)
    yield from _library(db or settings.index_path())
    yield from _engines()
    yield from map(_reader, _READERS)
    yield from _exiftool()


def _model(name: str) -> Iterator[Finding]:
    try:
        bundle = read_bundle(name)
        for file in bundle.config["files"]:
            bundle.file(file, anew=True)  # compares its hash
        yield Finding(True, f"model {bundle.name} {bundle.version}, {bundle.hash[:12]}, whole")
    except QksError as error:
        yield Finding(False, f"model {name}: {error.message}", error.hint or "install qks again")


def _library(path: Path) -> Iterator[Finding]:
    if not path.is_file():
        yield Finding(True, f"no library yet at {path}", "`qks tag FOLDER` makes it")
        return
    try:
        with Library.open(path, create=False) as library:
            errors = backups.check(library)
            found = look(library, None)
            failed = library.photos.failure_count()
            library.runs.settle()
            killed = library.runs.last_killed()
            unpacked = library.tokens.unpacked()
    except QksError as error:
        yield Finding(False, error.message, error.hint)
        return
    size = path.stat().st_size / 1e6
    held = f"library {path}, {count_of(found.known, 'photo')}, {size:,.0f} MB, "
    if errors:
        advice = "`qks restore BACKUP` puts a copy in its place; `qks tag` can make it anew"
        yield Finding(False, f"{held}damaged: {errors[0]}", advice)
    else:
        yield Finding(True, f"{held}whole")
    if unpacked and not errors:
        yield Finding(
            True,
            f"{count_of(unpacked, 'photo')} as an older qks stored them",
            "`qks doctor --repair` makes the library half as large",
        )
    if failed:
        yield Finding(
            True, f"{count_of(failed, 'photo')} could not be read", "`qks tag` tries again"
        )
    if killed:
        yield Finding(
            True,
            "the latest run (`qks {}`, {}) was killed".format(*killed),
            "what it had stored is kept: run it again",
        )
    folders = Counter(_first_gone(file) for _, file in found.gone)
    for folder, count in folders.most_common(10):
        advice = "mount its drive, or `qks tag` where it is now, or `qks prune`"
        yield Finding(False, f"{count_of(count, 'photo')} gone from {folder}", advice)


def _first_gone(file: Path) -> Path:
    """The topmost folder of a gone file that is gone too, else its folder."""
    gone = file.parent
    while not gone.parent.exists():
        gone = gone.parent
    return gone


def _engines() -> Iterator[Finding]:
    import onnxruntime

    yield Finding(True, f"CPU engine: ONNX Runtime {onnxruntime.__version__}")
    if find_spec("torch") is None:
        yield Finding(True, "torch is not installed: no GPU, no other models, no training")
        return
    import torch

    devices = ["cpu"]
    devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield Finding(True, f"torch {torch.__version__} on {', '.join(devices)}")


def _reader(reader: tuple[str, str, str, str]) -> Finding:
    """Whether an optional package is there. It is not imported: that takes longer than the rest."""
    of, module, package, install = reader
    if find_spec(module) is None:
        return Finding(True, f"not read: {of}", f"`{install}`")
    return Finding(True, f"read: {of}, by {package} {version(package)}")


def _exiftool() -> Iterator[Finding]:
    program = shutil.which("exiftool")
    if program is None:
        yield Finding(
            True,
            "exiftool is not installed: no keywords inside TIFF and DNG, and no dates of raw files "
            "without Exif",
            "`apt-get install libimage-exiftool-perl`",
        )
        return
    done = subprocess.run([program, "-ver"], capture_output=True, text=True, check=False)
    yield Finding(done.returncode == 0, f"exiftool {done.stdout.strip()} at {program}")
