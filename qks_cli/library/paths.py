"""How paths are stored: text where they are UTF-8, else the bytes that they are."""

from __future__ import annotations

import os
from pathlib import Path

from qks_cli.folding import fold


def path_key(path: Path) -> str | bytes:
    """How a path is stored: text, or its bytes where the name is not UTF-8."""
    return text_key(str(path))


def text_key(text: str) -> str | bytes:
    """The same of a path as text."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def key_path(key: str | bytes) -> Path:
    """The path that ``path_key`` stored."""
    return Path(os.fsdecode(key))


def fold_key(key: str | bytes | None) -> str | None:
    """A stored path, or any other text, folded for comparing; SQL calls it ``qks_fold``."""
    return None if key is None else fold(os.fsdecode(key))


def below(folder: Path) -> tuple[str, list[str | bytes]]:
    """An SQL condition for stored paths (``path``) below a folder, at any depth, and its values.

    All names below a folder lie between "folder/" and "folder0", the sign that follows "/". Text
    and bytes are two ranges: SQLite puts every text before every blob."""
    low = os.fsencode(folder).rstrip(b"/") + b"/"
    high = low[:-1] + b"0"
    sql, values = "(path >= ? AND path < ?)", [low, high]
    try:
        return f"({sql} OR {sql})", [*values, low.decode(), high.decode()]
    except UnicodeDecodeError:  # then no name below it is text either
        return sql, list(values)
