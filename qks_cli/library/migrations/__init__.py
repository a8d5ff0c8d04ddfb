"""Named migrations, only ever appended, applied by sqlite-utils.

``PRAGMA user_version`` counts them too: whether a library is up to date is then known without
importing sqlite-utils, which takes a tenth of a second.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

NAMES = (
    "m001_initial",
    "m002_changes",
    "m003_search",
    "m004_metadata",
    "m005_lookalikes",
    "m006_verdicts",
    "m007_names",
    "m008_dates",
    "m009_chosen",
    "m010_places",
    "m011_learned",
    "m012_languages",
    "m013_texts",
    "m014_packed",
    "m015_stacks",
    "m016_folders",
    "m017_videos",
    "m018_scoring",
)
COUNT = len(NAMES)


def apply(connection: sqlite3.Connection) -> None:
    """Apply what is missing. To be called in a transaction; all or nothing."""
    with _without("pandas"):
        from sqlite_utils import Database, Migrations

    migrations = Migrations("qks")
    for name in NAMES:
        migrations(name=name)(import_module(f"{__name__}.{name}").apply)
    db = Database(connection)
    # Libraries of qks 0.1 have a count alone.
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    if done and not migrations.applied(db):
        migrations.ensure_migrations_table(db)
        connection.executemany(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('qks', ?, datetime('now'))",
            [(name,) for name in NAMES[:done]],
        )
    migrations.apply(db)
    connection.execute(f"PRAGMA user_version = {COUNT}")


@contextmanager
def _without(package: str) -> Iterator[None]:
    """Have a package seem not to be installed: sqlite-utils imports pandas where it is, for half a
    second and 50 MB, to know types that qks never stores."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]
