"""Which everyday words a dictionary puts beside a rarer one: the same thing ("lorry": truck), or
what it is a kind of ("fridge": refrigerator).

``relatives.txt.gz`` holds them for the nouns of WordNet 3.0 (copyright 2006 by Princeton
University; its licence stands in ``english-LICENSE.txt``): a noun, a tab, and words with commas
between them. They share one of the noun's two commonest meanings, or stand right above it.
``benchmarks/make_relatives.py`` makes the file.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.vocabulary.plurals import singular

FILE = Path(__file__).with_name("relatives.txt.gz")


def relatives_of(phrase: str) -> tuple[str, ...]:
    """The words beside a word or phrase, in lower case; none where WordNet does not know it."""
    for form in dict.fromkeys((fold(phrase), singular(fold(phrase)))):
        # A search asks for a few words: looking through the text is faster than parting it.
        found = f"\n{form}\t".encode()
        at = _text().find(found)
        if at >= 0:
            end = _text().index(b"\n", at + 1)
            return tuple(_text()[at + len(found) : end].decode().split(","))
    return ()


@cache
def _text() -> bytes:
    return b"\n" + gzip.decompress(FILE.read_bytes())
