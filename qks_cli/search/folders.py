"""The folders that the photos of a library lie in.

Reading a million paths takes a second, so what was found is kept in the library; triggers drop it
when a photo comes, goes or moves.
"""

from __future__ import annotations

import json

from qks_cli.library.database import Database
from qks_cli.search.derived import data_version, keep


def folders(library: Database) -> list[str]:
    """Paths of all folders that a photo, or another name of one, lies in; but for those whose names
    are not UTF-8."""
    held = library.value("SELECT held FROM folders")
    if held is not None:
        found: list[str] = json.loads(held)
        return found
    version = data_version(library)
    rows = library.rows("SELECT path FROM photos") + library.rows("SELECT path FROM names")
    found = sorted({path.rpartition("/")[0] for (path,) in rows if isinstance(path, str)})
    values = (json.dumps(found, ensure_ascii=False),)
    keep(library, "INSERT INTO folders VALUES (?)", values, version=version)
    return found
