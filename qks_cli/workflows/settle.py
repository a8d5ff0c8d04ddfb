"""What a killed `write`, `untag` or `undo` left open is settled by the command that comes next.

The bytes of files are right whenever a run is killed; what may be missing is what the library knows
of them. The journal names the files, and their bytes tell what happened.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from qks_cli.errors import LibraryError
from qks_cli.keywords import files
from qks_cli.keywords.verify import has_ours
from qks_cli.library import journal, ledger
from qks_cli.library.journal import Unsettled
from qks_cli.library.ledger import Write
from qks_cli.library.lock import writing_lock
from qks_cli.library.store import Library
from qks_cli.photos.fingerprint import fingerprint

EMBED = "embed"


def settle_journal(library: Library) -> None:
    """Settle what a crash left; nothing where the journal is empty, where another process is
    writing now, or where the library cannot be written to."""
    if not journal.unsettled(library):
        return
    with suppress(LibraryError), writing_lock(library):
        settle_left_over(library)


def settle_left_over(library: Library) -> None:
    """Settle what a crash left, under the lock: sweep temporary files, bring the ledger and the
    photos' sizes and times in step with the files, and empty the journal."""
    for entry in journal.unsettled(library):
        files.sweep([entry.temporary])
        _settle(library, entry)


def _settle(library: Library, entry: Unsettled) -> None:
    chain = ledger.chain_of(library, entry.file)
    digest = _digest(entry.file)
    if entry.write_id is not None:
        written = next((one for one in chain if one.id == entry.write_id), None)
        if written is not None and digest != written.sha_after:
            journal.settle(library, entry, undone=[written])
        else:
            journal.settle(library, entry, touched=_touched(written))
        return
    undone = _taken_back(entry, chain, digest)
    last = chain[-1] if chain else None
    # Bytes that the ledger does not know may be another program's: then the photo is read again.
    known = undone and undone[0].sha_before == digest
    journal.settle(library, entry, undone=undone, touched=_touched(last) if known else None)


def _taken_back(entry: Unsettled, chain: list[Write], digest: bytes | None) -> list[Write]:
    """The writes that were taken back, as the file's bytes tell."""
    if not chain or digest in (chain[-1].sha_after, entry.sha256):
        return []
    for place, write in enumerate(chain):
        if write.sha_before == digest and write.existed == (digest is not None):
            return chain[place:]
    if digest is None or not has_ours(entry.file):
        return chain
    return []


def _touched(write: Write | None) -> tuple[int, os.stat_result, bytes | None] | None:
    if write is None or write.kind != EMBED:
        return None
    with suppress(OSError):
        return write.photo_id, write.file.stat(), fingerprint(write.file)
    return None


def _digest(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return None
