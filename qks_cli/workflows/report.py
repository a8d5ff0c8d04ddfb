"""What a workflow tells whoever started it, while it goes on. The command line prints it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def _ignore_problem(path: Path, reason: str) -> None:
    return None


def _ignore_note(text: str) -> None:
    return None


def never() -> bool:
    """A ``stop`` that never asks to stop."""
    return False


Problem = Callable[[Path, str], None]
"""A path, and why it was not read or not written to."""

Note = Callable[[str], None]
"""A line about the run as a whole."""

Stop = Callable[[], bool]
"""Whether the run was asked to stop: it ends after what it has in hand."""


@dataclass(frozen=True, slots=True)
class Report:
    """Where problems and notes go; by default nowhere."""

    problem: Problem = _ignore_problem
    note: Note = _ignore_note


SILENT = Report()
