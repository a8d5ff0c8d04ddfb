"""Which large files of a model were found whole, so that not every command reads all of them.

A bundle's files are compared with their hashes before they are used: 46 MB, a tenth of a search. A
file that has not changed since (its size, both of its times, its number on the disk) is taken to be
what it was. `qks doctor` and `qks models info` read every byte.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from qks_cli import settings

VERIFIED_FILE = "verified.json"  # in the cache folder
LARGE = 1_000_000  # bytes; what is smaller is read in a millisecond
SETTLED = 2.0  # seconds: what is younger may yet change within one tick of the disk's clock
MOST = 200  # files that are remembered


def is_known(path: Path, digest: str) -> bool:
    """Whether this file was found to have this SHA-256 and has not changed since."""
    with suppress(OSError):
        return _read().get(str(path.absolute())) == [digest, *_state(path)]
    return False


def remember(path: Path, digest: str) -> None:
    """This file has this SHA-256. A cache that cannot be written does without."""
    with suppress(OSError):
        status = path.stat()
        if status.st_size < LARGE or _age(status) < SETTLED:
            return
        known = _read()
        known[str(path.absolute())] = [digest, *_state(path)]
        folder = settings.cache_path()
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f"{VERIFIED_FILE}.{os.getpid()}.partial"
        partial.write_text(json.dumps(dict(list(known.items())[-MOST:])), encoding="utf-8")
        partial.replace(folder / VERIFIED_FILE)


def _age(status: os.stat_result) -> float:
    import time

    return time.time() - max(status.st_ctime, status.st_mtime)


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read() -> dict[str, list[object]]:
    with suppress(OSError, ValueError):
        found = json.loads((settings.cache_path() / VERIFIED_FILE).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}
