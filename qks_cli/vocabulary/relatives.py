"""Which everyday words a dictionary puts beside a rarer one: the same thing ("lorry": truck), or
what it is a kind of ("fridge": refrigerator).

``relatives.txt.gz`` holds them for the nouns of WordNet 3.0 (copyright 2006 by Princeton
University; its licence stands in ``english-LICENSE.txt``): a noun, a tab, and words with commas
between them. They share one of the noun's two commonest meanings, or stand right above it.
``benchmarks/make_relatives.py`` makes the file.
"""

from __future__ import annotations

import gzip
from bisect import bisect_left
from functools import cache
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.vocabulary.plurals import singular

FILE = Path(__file__).with_name("relatives.txt.gz")


def relatives_of(phrase: str) -> tuple[str, ...]:
    """The words beside a word or phrase, in lower case; none where WordNet does not know it."""
    for form in dict.fromkeys((fold(phrase), singular(fold(phrase)))):
        start = f"{form}\t".encode()
        at = bisect_left(_lines(), start)
        if at < len(_lines()) and _lines()[at].startswith(start):
            return tuple(_lines()[at][len(start) :].decode().split(","))
    return ()


@cache
def _lines() -> list[bytes]:
    """The lines of the file, which are sorted."""
    return gzip.decompress(FILE.read_bytes()).splitlines()
