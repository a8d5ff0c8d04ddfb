"""What searches derive from a library and store in it, for the next search."""

from __future__ import annotations

from contextlib import suppress

from qks_cli.errors import LibraryError
from qks_cli.library.database import Database


def data_version(library: Database) -> int:
    """Changes when another connection commits."""
    return int(library.value("PRAGMA data_version"))


def keep(
    library: Database, sql: str, values: tuple[object, ...], *, version: int | None = None
) -> None:
    """Store what was derived, unless another run is writing or the library is read-only.

    With ``version``, only if no other run has committed since: it may have changed these photos."""
    # The answer is right without it, and the next run stores it.
    with suppress(LibraryError), library.impatient(), library.atomic():
        if version is None or data_version(library) == version:
            library.execute(sql, values)
