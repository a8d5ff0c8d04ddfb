"""Whether what we wrote is still there. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from qks_cli.keywords import embed
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import NAMESPACES, SUBJECT, Packet


def verify(
    file: Path, sha_after: bytes, labels: Sequence[str], *, embedded: bool
) -> tuple[str, tuple[str, ...]]:
    """``ok``, ``changed``, ``lost`` or ``gone``, and the keywords that are lost."""
    try:
        data = _plain(file)
    except OSError:
        return "gone", tuple(labels)
    if hashlib.sha256(data).digest() == sha_after:
        return "ok", ()
    try:
        packet = embed.packet_of(embed.parse(data)) if embedded else Packet(data)
        have = {word.casefold() for word in packet.keywords(SUBJECT)}
    except Refusal:
        have = set()
    lost = tuple(label for label in labels if label.casefold() not in have)
    return ("lost" if lost else "changed"), lost


def _plain(file: Path) -> bytes:
    """The bytes of a plain file. Raises ``OSError`` for another, which may be waited for without
    end."""
    if not file.is_file():
        raise OSError("it is not a regular file")
    return file.read_bytes()


def mentions_us(file: Path) -> bool:
    """Whether a sidecar has the name of our part of XMP in it, readable or not."""
    name = NAMESPACES["qks"]
    try:
        data = _plain(file)
    except OSError:
        return True
    return any(name.encode(encoding) in data for encoding in ("utf-8", "utf-16-le", "utf-16-be"))


def has_ours(file: Path) -> bool:
    """Whether keywords of ours stand in a photo or sidecar; True where that cannot be told."""
    try:
        data = _plain(file)
        try:
            packet = embed.packet_of(embed.parse(data))
        except Refusal:
            packet = Packet(data)
        return bool(packet.ours())
    except (OSError, Refusal):
        return True
