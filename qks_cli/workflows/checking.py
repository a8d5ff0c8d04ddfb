"""Whether what was written into photos and sidecars is still there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.keywords.verify import verify
from qks_cli.library import ledger
from qks_cli.library.ledger import Write
from qks_cli.workflows.photo_writer import Outcome

if TYPE_CHECKING:
    from qks_cli.library.store import Library

SIDECAR = "sidecar"


def verify_all(library: Library, photos: Sequence[tuple[int, Path]]) -> Iterator[Outcome]:
    """Check that the keywords written for photos (id and path) are still there, file by file.

    ``status``: ``ok``; ``changed``: by another program, but the keywords are there; ``lost``: some
    keywords are not there; ``gone``: the file is not there; ``shared``: the keywords are there, but
    a later photo was written into the same sidecar."""
    paths = dict(photos)
    written = ledger.writes_of(library, list(paths))
    latest: dict[int, int] = {}  # of each photo, the last write into a sidecar
    for chain in written.values():
        for write in chain:
            if write.kind == SIDECAR:
                latest[write.photo_id] = max(write.id, latest.get(write.photo_id, 0))
    for file, chain in written.items():
        last = {write.photo_id: write for write in chain}
        owner = ledger.owner_of(library, file)
        for photo_id, write in last.items():
            if photo_id == owner:
                status, lost = _compared(write)
            elif write.id < latest.get(photo_id, 0):
                continue  # it has a sidecar of its own by now
            else:
                status, lost = _compared(write)
                status = "shared" if status in ("ok", "changed") else status
            yield Outcome(paths[photo_id], status, file, lost)


def _compared(write: Write) -> tuple[str, tuple[str, ...]]:
    return verify(write.file, write.sha_after, write.keywords, embedded=write.kind == "embed")
