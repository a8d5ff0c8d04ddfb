"""Sidecars: what they hold."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import (
    HIERARCHY,
    LIMIT,
    SUBJECT,
    TAGS_LIST,
    Keyword,
    Packet,
    Source,
)


def read(path: Path) -> bytes | None:
    """A sidecar's bytes; None where there is none. Raises ``Refusal`` where it cannot be read."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for
            raise Refusal("its sidecar is not a regular file", sidecar=False)
        if status.st_size > LIMIT:
            raise Refusal(f"its sidecar is larger than {LIMIT >> 20} MB", sidecar=False)
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"its sidecar cannot be read: {error.strerror}", sidecar=False) from error


def with_keywords(
    old: bytes | None,
    keywords: Sequence[Keyword],
    source: Source,
    *,
    theirs: Sequence[str] = (),
    immich: bool = False,
) -> bytes | None:
    """The sidecar with ``keywords`` as ours, checked by reading it again; None where it is new and
    there is nothing to say.

    A new one has all three lists and starts with ``theirs``, the keywords inside the photo, since
    readers may take the sidecar alone. Raises ``Refusal``.
    """
    packet = Packet(old)
    new_lists = (HIERARCHY, TAGS_LIST) if old is None else (TAGS_LIST,) if immich else ()
    seeds = theirs if old is None else ()
    if not packet.restate(keywords, source, create=new_lists, seeds=seeds):
        return old
    labels = [label for label, _ in packet.ours()]
    new = packet.document(packet=False)
    if not set(Packet(new).keywords(SUBJECT)).issuperset(labels):
        raise Refusal("the keywords would not read back", sidecar=False)
    return new
