"""The error tree. Libraries raise these; only ``app.py`` turns them into an exit code.

QksError
├── UsageError        an option, path or input list that cannot be used
├── VocabularyError   a labels file that cannot be read (carries line numbers)
├── ModelError        a bundle or backbone that is missing, damaged or unusable
├── LibraryError      the SQLite index cannot be opened, written or understood
├── PhotoError        one photo cannot be read; a run records it and goes on
└── TrainingError     a data set or training run that cannot go on
"""

from __future__ import annotations

from pathlib import Path


class QksError(Exception):
    """What happened, and ``hint``: what the user can do about it ('' where nothing is known)."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


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


class PhotoError(QksError):
    """One photo cannot be read.

    ``kind`` is one of ``missing``, ``unreadable``, ``empty``, ``truncated``, ``unsupported``,
    ``too-large``, ``corrupt`` and is what the index stores.
    """

    def __init__(self, path: Path, kind: str, reason: str, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.path = path
        self.kind = kind
        self.reason = reason
