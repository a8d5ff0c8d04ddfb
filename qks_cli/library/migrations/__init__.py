"""Numbered migrations, only ever appended. A library's version is how many have been applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qks_cli.library.migrations import (
    m001_initial,
    m002_changes,
    m003_search,
    m004_metadata,
    m005_lookalikes,
    m006_verdicts,
)

if TYPE_CHECKING:
    from sqlite_utils import Database

MIGRATIONS: tuple[Callable[[Database], None], ...] = (
    m001_initial.apply,
    m002_changes.apply,
    m003_search.apply,
    m004_metadata.apply,
    m005_lookalikes.apply,
    m006_verdicts.apply,
)
