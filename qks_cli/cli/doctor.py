"""``qks doctor``: is everything in order, and if not, what to do."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import typer

from qks_cli.cli.options import Db, Model
from qks_cli.errors import QksError

Finding = tuple[bool, str, str]
"""Whether it is in order, what was found, and what to do."""


def doctor(
    db: Db = None,
    model: Model = "mini",
) -> None:
    """Check the library, the model, engines and helpers. Exit code 1 where something is wrong."""
    from qks_cli import settings

    wrong = 0
    path = db or settings.index_path()
    for check in (_model(model), _library(path), _engines(), _exiftool()):
        for fine, found, advice in check:
            wrong += not fine
            typer.echo(f"{'ok ' if fine else 'BAD'}  {found}")
            if advice:
                typer.echo(f"     {advice}")
    if wrong:
        raise typer.Exit(1)


def _model(name: str) -> Iterator[Finding]:
    from qks_cli.model.bundle import read_bundle

    try:
        bundle = read_bundle(name)
        for file in bundle.config["files"]:
            bundle.file(file)  # compares its hash
        yield True, f"model {bundle.name} {bundle.version}, {bundle.hash[:12]}, whole", ""
    except QksError as error:
        yield False, f"model {name}: {error.message}", error.hint or "install qks again"


def _library(path: Path) -> Iterator[Finding]:
    from qks_cli.library import backups
    from qks_cli.library.store import Library
    from qks_cli.workflows.changes import look

    if not path.is_file():
        yield True, f"no library yet at {path}", "`qks tag FOLDER` makes it"
        return
    try:
        with Library.open(path, create=False) as library:
            errors = backups.check(library)
            found = look(library, None)
            failed = library.photos.failure_count()
    except QksError as error:
        yield False, error.message, error.hint
        return
    advice = "`qks restore BACKUP` puts a copy in its place; `qks tag` can make it anew"
    size = path.stat().st_size / 1e6
    yield (
        not errors,
        f"library {path}, {found.known:,} photos, {size:,.0f} MB, "
        + (f"damaged: {errors[0]}" if errors else "whole"),
        advice if errors else "",
    )
    if failed:
        yield True, f"{failed:,} photos could not be read", "`qks tag` tries them again"
    folders = Counter(_first_gone(file) for _, file in found.gone)
    for folder, count in folders.most_common(10):
        advice = "mount its drive, or `qks tag` where it is now, or `qks prune`"
        yield False, f"{count:,} photos gone from {folder}", advice


def _first_gone(file: Path) -> Path:
    """The topmost folder of a gone file that is gone too, else its folder."""
    gone = file.parent
    while not gone.parent.exists():
        gone = gone.parent
    return gone


def _engines() -> Iterator[Finding]:
    import onnxruntime

    yield True, f"CPU engine: ONNX Runtime {onnxruntime.__version__}", ""
    if find_spec("torch") is None:
        yield True, "torch is not installed: no GPU, no other models, no training", ""
        return
    import torch

    devices = ["cpu"]
    devices += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield True, f"torch {torch.__version__} on {', '.join(devices)}", ""


def _exiftool() -> Iterator[Finding]:
    program = shutil.which("exiftool")
    if program is None:
        yield True, "exiftool is not installed: no keywords inside TIFF and DNG", ""
        return
    done = subprocess.run([program, "-ver"], capture_output=True, text=True, check=False)
    yield done.returncode == 0, f"exiftool {done.stdout.strip()} at {program}", ""
