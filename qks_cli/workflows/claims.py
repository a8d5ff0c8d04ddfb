"""Which photo a sidecar holds keywords of, as the ledger says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.keywords.names import Claim
from qks_cli.library import ledger

if TYPE_CHECKING:
    from qks_cli.library.store import Library


def claim_of(library: Library, photo_id: int, real: Path) -> Claim:
    """The claim of a photo, whose file ``real`` is, on sidecars that could be its."""

    def claim(file: Path) -> bool | None:
        owner = ledger.owner_of(library, file)
        if owner is None or owner == photo_id:
            return None if owner is None else True
        path = library.photos.paths_of([owner])[owner].resolve()
        if path == real:
            return True
        # A photo that was moved away has left its sidecar to the one that has the name now.
        is_its_name = path.parent == file.parent and file.stem in (path.name, path.stem)
        return False if is_its_name and path.exists() else None

    return claim
