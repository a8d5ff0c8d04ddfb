"""Tables of photos for people: a header, aligned columns, as wide as the terminal."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from qks_cli.escape import shown

GAP = "  "
LEAST = 12  # columns that a shortened path keeps
SHARE = 0.45  # of the width that paths may take


def nearby(path: Path) -> str:
    """A path as one writes it from where one stands, where it lies below; else in full."""
    here = os.getcwd()  # noqa: PTH109 (a folder that is gone has no path)
    text = str(path)
    return text[len(here) + 1 :] if text.startswith(here.rstrip("/") + "/") else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, shorten: str) -> str:
    """Lines of cells under a header. On a terminal they fit its width: the column ``shorten`` loses
    characters in its middle, the last column at its end. A pipe gets them whole."""
    lines = [[shown(cell) for cell in row] for row in rows]
    if not lines:
        return ""
    lines.insert(0, list(header))
    at = list(header).index(shorten)
    if sys.stdout.isatty():
        wide = shutil.get_terminal_size().columns
        most = max(LEAST, int(wide * SHARE))
        for line in lines:
            line[at] = middle_out(line[at], most)
    widths = [max(columns(line[i]) for line in lines) for i in range(len(header))]
    texts = []
    for line in lines:
        cells = [cell + " " * (widths[i] - columns(cell)) for i, cell in enumerate(line)]
        text = GAP.join(cells).rstrip()
        texts.append(end_off(text, wide) if sys.stdout.isatty() else text)
    return "".join(f"{text}\n" for text in texts)


def clock(seconds: float) -> str:
    """A second of a video as players show it: 0:07, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def columns(text: str) -> int:
    """How many columns of a terminal a text takes: wide letters take two, marks none."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def middle_out(text: str, most: int) -> str:
    """A text of at most so many columns, its middle left out."""
    if columns(text) <= most:
        return text
    head, tail = (most - 1) // 3, most - 1 - (most - 1) // 3
    return f"{end_off(text, head, mark='')}…{end_off(text[::-1], tail, mark='')[::-1]}"


def end_off(text: str, most: int, *, mark: str = "…") -> str:
    """A text of at most so many columns, its end left out."""
    if columns(text) <= most:
        return text
    kept = ""
    for char in text:
        if columns(kept + char) > most - len(mark):
            break
        kept += char
    return kept + mark
