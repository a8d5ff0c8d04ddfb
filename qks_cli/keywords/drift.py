"""Whether what we wrote is still there, and which keywords are the user's own. Reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from qks_cli.keywords import embed, sidecar
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import SUBJECT, Packet


def drift(
    file: Path, sha_after: bytes, labels: Sequence[str], *, embedded: bool
) -> tuple[str, tuple[str, ...]]:
    """``ok``, ``changed``, ``lost`` or ``gone``, and the keywords that are lost."""
    try:
        data = file.read_bytes()
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


def own_keywords(photo: Path) -> dict[str, list[str]]:
    """The user's keywords by where they stand: ``file`` and ``sidecar``; ours are left out."""
    found = {"file": embed.keywords_in(photo), "sidecar": []}
    try:
        data = sidecar.read(sidecar.path_of(photo, "ext"))
        if data is not None:
            found["sidecar"] = Packet(data).own_labels()
    except Refusal:
        pass
    return found
