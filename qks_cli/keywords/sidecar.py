"""Sidecars: which file, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
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
from qks_cli.photos.suffixes import RAW


def path_of(photo: Path, style: str) -> Path:
    """The sidecar of a photo: the one that is there, under either name, else by ``style``."""
    return locate(photo, style)[0]


def locate(photo: Path, style: str) -> tuple[Path, bool]:
    """``path_of``, and whether it is there.

    ``ext``: photo.jpg.xmp (no collision of RAW and JPEG); ``adobe``: photo.xmp, which beside a RAW
    file of that name is the RAW file's.
    """
    names = {
        "ext": photo.with_name(photo.name + ".xmp"),
        "adobe": photo.with_suffix(".xmp"),
    }
    first = names.pop(style)
    if first.exists():
        return first, True
    (other,) = names.values()
    if other.exists() and (style == "adobe" or not _of_raw(photo)):
        return other, True
    return first, False


def _of_raw(photo: Path) -> bool:
    """Whether photo.xmp belongs to a RAW file beside the photo."""
    if photo.suffix.lower() in RAW:
        return False
    suffixes = {one.suffix.lower() for one in photo.parent.glob(f"{escape(photo.stem)}.*")}
    return not RAW.isdisjoint(suffixes)


def read(path: Path) -> bytes | None:
    """A sidecar's bytes; None where there is none. Raises ``Refusal`` where it cannot be read."""
    try:
        if path.stat().st_size > LIMIT:
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
