"""IPTC-IIM keywords (IPTC-NAA Information Interchange Model 4.2), where their encoding is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats.words import keyword_of

IIM, DIGEST = 0x0404, 0x0425
KEYWORD, CHARACTERS = (2, 25), (1, 90)
MARK, LONG = 0x1C, 0x8000  # the first byte of a dataset; a size in more than two bytes
MOST = 64  # bytes of a keyword
UTF8 = b"\x1b%G"
# What else may name the characters (ISO 2022), as G1 or G2.
NAMED = {
    b"\x1b" + plane + letter: encoding
    for plane in (b"-", b".")
    for letter, encoding in (
        (b"A", "cp1252"),
        (b"B", "iso8859-2"),
        (b"C", "iso8859-3"),
        (b"D", "iso8859-4"),
        (b"F", "iso8859-7"),
        (b"G", "iso8859-6"),
        (b"H", "iso8859-8"),
        (b"L", "iso8859-5"),
        (b"M", "iso8859-9"),
    )
}
# Whose image resources they are: Photoshop's, ImageReady's, PhotoDeluxe's, Lightroom's.
SIGNATURES = frozenset((b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"))

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
    """The keywords in IIM for reading alone, as far as it can be read: in the characters that it
    names; where it names none, what is no UTF-8 is Latin-1 (Windows-1252), as most programs that
    leave out the mark write it."""
    sets = list(_whole_datasets(iim))
    marks = [value for record, number, value in sets if (record, number) == CHARACTERS]
    named = next((NAMED[mark] for mark in marks if mark in NAMED), "")
    values = [value for record, number, value in sets if (record, number) == KEYWORD]
    return [text for value in values if (text := keyword_of(_decoded(value, named)))]


def iims_of(segments: Sequence[bytes]) -> list[bytes]:
    """All IIM in Photoshop's image resources, for reading alone: what is too long for one segment
    of a JPEG goes on in the next."""
    whole = b"".join(segments)
    parts = [whole] if len(segments) < 2 or _is_whole(whole) else segments
    return [
        part[data:end] for part in parts for one, _, data, end in _whole_blocks(part) if one == IIM
    ]


def _decoded(value: bytes, named: str) -> str:
    if value[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return value.decode("utf-16", "replace")
    for encoding in ("utf-8", named, "cp1252"):
        if encoding:
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
    return any((record, number) == CHARACTERS and value == UTF8 for record, number, value in sets)


def _datasets(iim: bytes) -> list[Dataset]:
    walked = list(_walk(iim))
    end = walked[-1][1] if walked else 0
    if iim[end:].strip(b"\0"):  # padding may follow
        raise Refusal("its IPTC is damaged, or has very long fields")
    return [one for one, _ in walked]


def _whole_datasets(iim: bytes) -> Iterator[Dataset]:
    """Those that can be read: behind zeros that some programs put first, up to what is broken."""
    start = iim.find(b"\x1c")
    for one, _ in _walk(iim[start:] if start >= 0 else b"", long=True):
        yield one


def _walk(iim: bytes, *, long: bool = False) -> Iterator[tuple[Dataset, int]]:
    """Datasets, each with where it ends, up to the first byte that begins none. ``long``: also
    those whose size is too large for two bytes."""
    at = 0
    while at + 5 <= len(iim) and iim[at] == MARK:
        size, start = int.from_bytes(iim[at + 3 : at + 5]), at + 5
        if size & LONG:
            if not long or size ^ LONG > 4:
                return
            start += size ^ LONG
            size = int.from_bytes(iim[at + 5 : start])
        if start + size > len(iim):
            return
        yield (iim[at + 1], iim[at + 2], iim[start : start + size]), start + size
        at = start + size


def _dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes((0x1C, record, number)) + len(value).to_bytes(2) + value


def _blocks(resources: bytes) -> list[tuple[int, int, int, int]]:
    """Identity, start of the block, start of its data, end of its data."""
    found = list(_whole_blocks(resources))
    end = found[-1][3] + (found[-1][3] - found[-1][2]) % 2 if found else 0
    if end + 12 <= len(resources):
        raise Refusal("its IPTC is damaged")
    return found


def _is_whole(resources: bytes) -> bool:
    try:
        return bool(_blocks(resources))
    except Refusal:
        return False


def _whole_blocks(resources: bytes) -> Iterator[tuple[int, int, int, int]]:
    """The same, up to the first that is damaged."""
    at = 0
    while at + 12 <= len(resources) and resources[at : at + 4] in SIGNATURES:
        name = resources[at + 6] + 1
        data = at + 6 + name + name % 2 + 4
        size = int.from_bytes(resources[data - 4 : data])
        if data + size > len(resources):
            return
        yield int.from_bytes(resources[at + 4 : at + 6]), at, data, data + size
        at = data + size + size % 2


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
