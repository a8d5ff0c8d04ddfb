"""Names and messages as people may see them: nothing in them steers a terminal."""

from __future__ import annotations

import unicodedata
from pathlib import Path

# Marks that turn the direction of what follows, and so can make a name look like another.
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Bytes 80 to 9F of names that are not UTF-8: C1 controls where a character has one byte.
_LONE_CONTROLS = frozenset(map(chr, range(0xDC80, 0xDCA0)))


def shown(text: Path | str) -> str:
    """A name on one line: control characters, line ends and direction marks as escapes. Bytes that
    are not UTF-8 (lone surrogates) stay, but for those that can be control characters."""
    return "".join(_escaped(char) if _steers(char) else char for char in str(text))


def _steers(char: str) -> bool:
    if char.isprintable():
        return False
    if char in _DIRECTIONS or char in _LONE_CONTROLS:
        return True
    return unicodedata.category(char) in ("Cc", "Zl", "Zp")


def _escaped(char: str) -> str:
    if char in _LONE_CONTROLS:
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
