"""IPTC-IIM keywords (IPTC-NAA Information Interchange Model 4.2), where their encoding is known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from qks_cli.keywords.errors import Refusal

IIM, DIGEST = 0x0404, 0x0425
KEYWORD = (2, 25)
MOST = 64  # bytes of a keyword
UTF8 = b"\x1b%G"

Dataset = tuple[int, int, bytes]


def keywords(resources: bytes) -> list[str] | None:
    """The keywords in Photoshop's image resources; None where there is no IIM that is marked
    UTF-8 or plain ASCII."""
    iim = _find(resources, IIM)
    if iim is None:
        return None
    try:
        sets = _datasets(iim)
        text = [value.decode() for record, number, value in sets if (record, number) == KEYWORD]
    except (Refusal, UnicodeDecodeError):
        return None
    if not _readable(sets):
        return None
    return text


def keywords_of_any(iim: bytes) -> list[str]:
    """The keywords in IIM for reading alone: where it does not say that it is UTF-8, what is no
    UTF-8 is Latin-1 (Windows-1252), as most programs that leave out the mark write it."""
    try:
        sets = _datasets(iim)
    except Refusal:
        return []
    values = [value for record, number, value in sets if (record, number) == KEYWORD]
    return [text for value in values if (text := _decoded(value).strip("\0 "))]


def iim_of(resources: bytes) -> bytes | None:
    """IIM in Photoshop's image resources; None where there is none."""
    return _find(resources, IIM)


def _decoded(value: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")


def with_keywords(resources: bytes, add: Sequence[str], drop: Sequence[str]) -> bytes:
    """Resources with keywords added and dropped, the digest made anew where it was right.

    One that was not right says that another program changed IPTC alone: it goes on saying so.
    A keyword of more than 64 bytes is not added. Raises ``Refusal`` where IIM is not readable.
    """
    iim = _find(resources, IIM)
    if iim is None:
        raise Refusal("it has no IPTC")
    sets = _datasets(iim)
    if not _readable(sets):
        raise Refusal("its IPTC is in an unknown encoding")
    gone = {text.encode() for text in drop}
    sets = [x for x in sets if not ((x[0], x[1]) == KEYWORD and x[2] in gone)]
    have = {value for record, number, value in sets if (record, number) == KEYWORD}
    fresh = [text.encode() for text in add]
    fresh = [value for value in dict.fromkeys(fresh) if value not in have and len(value) <= MOST]
    if any(not value.isascii() for value in fresh) and not _marked(sets):
        fresh = [value for value in fresh if value.isascii()]  # no mark, so no other characters
    place = max((i + 1 for i, x in enumerate(sets) if (x[0], x[1]) <= KEYWORD), default=len(sets))
    sets[place:place] = [(*KEYWORD, value) for value in fresh]
    built = b"".join(_dataset(*one) for one in sets)
    result = _replace(resources, IIM, built)
    if _find(resources, DIGEST) == hashlib.md5(iim, usedforsecurity=False).digest():
        result = _replace(result, DIGEST, hashlib.md5(built, usedforsecurity=False).digest())
    return result


def _readable(sets: Sequence[Dataset]) -> bool:
    return _marked(sets) or all(value.isascii() for record, _, value in sets if record == 2)


def _marked(sets: Sequence[Dataset]) -> bool:
    return any((record, number) == (1, 90) and value == UTF8 for record, number, value in sets)


def _datasets(iim: bytes) -> list[Dataset]:
    found = []
    at = 0
    while at < len(iim):
        if not iim[at:].strip(b"\0"):
            break  # padding
        if at + 5 > len(iim) or iim[at] != 0x1C:
            raise Refusal("its IPTC is damaged")
        size = int.from_bytes(iim[at + 3 : at + 5])
        if size & 0x8000:
            raise Refusal("its IPTC has very long fields")
        if at + 5 + size > len(iim):
            raise Refusal("its IPTC is damaged")
        found.append((iim[at + 1], iim[at + 2], iim[at + 5 : at + 5 + size]))
        at += 5 + size
    return found


def _dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes((0x1C, record, number)) + len(value).to_bytes(2) + value


def _blocks(resources: bytes) -> list[tuple[int, int, int, int]]:
    """Identity, start of the block, start of its data, end of its data."""
    found = []
    at = 0
    while at + 12 <= len(resources):
        if resources[at : at + 4] != b"8BIM":
            raise Refusal("its IPTC is damaged")
        name = resources[at + 6] + 1
        data = at + 6 + name + name % 2 + 4
        size = int.from_bytes(resources[data - 4 : data])
        if data + size > len(resources):
            raise Refusal("its IPTC is damaged")
        found.append((int.from_bytes(resources[at + 4 : at + 6]), at, data, data + size))
        at = data + size + size % 2
    return found


def _find(resources: bytes, identity: int) -> bytes | None:
    try:
        found = [resources[data:end] for i, _, data, end in _blocks(resources) if i == identity]
    except (Refusal, IndexError):
        return None
    return found[0] if len(found) == 1 else None


def _replace(resources: bytes, identity: int, value: bytes) -> bytes:
    for one, _, data, end in _blocks(resources):
        if one == identity:
            rest = resources[end + (end - data) % 2 :]
            size = len(value).to_bytes(4)
            return resources[: data - 4] + size + value + b"\0" * (len(value) % 2) + rest
    raise Refusal("its IPTC is damaged")
