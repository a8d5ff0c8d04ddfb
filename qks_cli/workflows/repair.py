"""Bring a library into the best form there is: everything that it holds stays as it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from qks_cli.errors import LibraryError
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.workflows.report import Stop, never

GROUP = 2000  # photos a transaction
WORTH = 0.1  # the share of the file that has to be free before it is rewritten


@dataclass(frozen=True, slots=True)
class Repaired:
    """Photos whose query tokens were packed, and bytes that the file became smaller by. ``full``
    says why it could not be made smaller, '' where it was, or need not be."""

    packed: int
    freed: int = 0
    full: str = ""


def repair(
    library: Library,
    *,
    advance: Callable[[int, int], None] = lambda done, of: None,
    stop: Stop = never,
) -> Repaired:
    """Pack query tokens that an older qks stored, make compact vectors that are missing, and give
    room that is not used back to the disk.

    Every ``GROUP`` photos are one transaction: a repair that is cut off, or asked to ``stop``, lost
    nothing and goes on where it stopped. ``advance`` hears how many photos are done, of how many.
    Raises ``LibraryError`` where the library is damaged, locked, or cannot be written to.
    """
    if library.read_only:
        raise LibraryError(
            f"{library.path} can only be read where it lies",
            hint="copy it elsewhere, and give that copy as --db; nothing was changed",
        )
    of, done = library.tokens.unpacked(), 0
    while done < of and not stop():
        advance(done, of)
        with library.atomic():
            packed = library.tokens.pack_some(GROUP)
        if not packed:
            break
        done += packed
    if stop():
        return Repaired(done)
    for (model_id,) in library.rows("SELECT id FROM models"):
        compact.refresh(library, model_id)
    return _smaller(library, done)


def _smaller(library: Library, packed: int) -> Repaired:
    """SQLite writes the whole file anew: to a temporary file, then to its journal."""
    pages, free, size = (
        int(library.value(f"PRAGMA {name}"))
        for name in ("page_count", "freelist_count", "page_size")
    )
    if free < WORTH * pages:
        return Repaired(packed)
    needed = 2 * (pages - free) * size
    there = shutil.disk_usage(library.path.parent).free
    if there < needed:
        return Repaired(
            packed,
            full=f"{library.path} has {free * size / 1e6:,.0f} MB that are not used; to give them "
            f"back takes {needed / 1e6:,.0f} MB of free disk, and there are {there / 1e6:,.0f}",
        )
    library.execute("VACUUM")
    library.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Repaired(packed, freed=(pages - int(library.value("PRAGMA page_count"))) * size)
