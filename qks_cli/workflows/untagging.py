"""Taking keywords of ours out again: all of some photos', or what one run wrote."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.library import ledger
from qks_cli.library.ledger import Write
from qks_cli.workflows.photo_writer import Options, Outcome, PhotoWriter, writing
from qks_cli.workflows.writing import source_of

if TYPE_CHECKING:
    from qks_cli.library.store import Library


def untag_all(
    library: Library, photos: Sequence[tuple[int, Path]], options: Options, *, run_id: int
) -> Generator[Outcome, None, None]:
    """Take all our keywords out of photos (id and path) and their sidecars."""
    by_id = dict(photos)
    with writing(library, run_id, source_of(library), options) as hand:
        written = ledger.writes_of(library, list(by_id))
        for file, chain in written.items():
            yield _untagged(library, hand, file, chain, by_id)
        known = {write.photo_id for chain in written.values() for write in chain}
        for photo_id, path in photos:
            if photo_id not in known:
                yield from hand.erase(photo_id, path)


def undo_run(
    library: Library, wanted: int | None, options: Options, *, run_id: int
) -> Generator[Outcome, None, None]:
    """Take back what one run wrote, by default the latest that wrote.

    Raises ``UsageError`` where a file was written again by a later run."""
    with writing(library, run_id, source_of(library), options) as hand:
        wanted = ledger.last_run(library) if wanted is None else wanted
        written = {} if wanted is None else ledger.writes_of(library, run_id=wanted)
        for file, chain in written.items():
            if chain[-1].run_id != wanted:
                raise UsageError(
                    f"{shown(file)} was written again by run {chain[-1].run_id}",
                    hint=f"qks undo {chain[-1].run_id}",
                )
        ids = {write.photo_id for chain in written.values() for write in chain}
        paths = library.photos.paths_of(sorted(ids))
        for chain in written.values():
            outcome = None
            # Versions before 0.2 let two photos share a sidecar in one run.
            while chain and chain[-1].run_id == wanted and outcome is None:
                outcome = hand.undo(paths[chain[-1].photo_id], chain, one=True)
                chain.pop()
                if outcome.status == "removed" and chain and chain[-1].run_id == wanted:
                    outcome = None
            if outcome is not None:
                yield outcome


def _untagged(
    library: Library, hand: PhotoWriter, file: Path, chain: Sequence[Write], by_id: dict[int, Path]
) -> Outcome:
    """Take back the ``chain`` of writes of chosen photos into one file.

    Versions before 0.2 let two photos share a sidecar: what another one wrote later stays."""
    path = by_id[chain[-1].photo_id]
    whole = ledger.chain_of(library, file)
    if len(whole) == len(chain):
        return hand.undo(path, chain)
    last = whole[-1].photo_id
    if last not in by_id:
        other = library.photos.paths_of([last])[last].name
        reason = f"{other} shares its sidecar: name both photos"
        return Outcome(path, "refused", file, reason=reason)
    place = max(i for i, write in enumerate(whole) if write.photo_id not in by_id)
    return hand.undo(path, whole[place + 1 :])
