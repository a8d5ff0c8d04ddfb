"""Which words are English, as far as WordNet 3.0 knows.

The small models' text towers learnt WordNet's words (training/text_corpus.py): of any other word
they make something too, but by its spelling. ``english.txt.gz`` holds the single words of WordNet's
lemmas and irregular forms, one a line (copyright 2006 by Princeton University; its licence stands
in ``english-LICENSE.txt``).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.vocabulary.plurals import singular

HALF = 4  # letters of each part of a compound that WordNet lacks ("sandcastle"), at least
# Endings with what stands in their place in the word itself.
_ENDINGS = (
    ("ing", ("", "e")),
    ("ed", ("", "e")),
    ("er", ("", "e")),
    ("est", ("", "e")),
    ("ly", ("",)),
    ("ies", ("y",)),
    ("ier", ("y",)),
    ("iest", ("y",)),
    ("ness", ("",)),
    ("less", ("",)),
    ("y", ("", "e")),
)


def words_of(phrase: str) -> list[str]:
    """The words of a phrase, folded; numbers and single letters are none, but one of Chinese or
    Japanese is a word."""
    pattern = r"[^\W\d_]{2,}|[\u3040-\u30ff\u3400-\u9fff]"
    return re.findall(pattern, fold(phrase).replace("'s", ""))


def is_understood(phrase: str, unknown: Sequence[str]) -> bool:
    """Whether a phrase is understood of which these words are ``unknown``: most must be known."""
    return 2 * len(unknown) < max(1, len(words_of(phrase)))


@lru_cache(4096)
def is_english(word: str) -> bool:
    """Whether a folded word, or what it is a form or compound of, is in WordNet."""
    if any(_has(form) for form in (word, singular(word), *_stems(word))):
        return True
    cuts = range(HALF, len(word) - HALF + 1)
    return any(_has(word[:cut]) and _has(singular(word[cut:])) for cut in cuts)


def _stems(word: str) -> list[str]:
    found = []
    for ending, others in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        found += [stem + other for other in others]
        if stem[-1] == stem[-2]:  # running
            found.append(stem[:-1])
    return found


def _has(word: str) -> bool:
    # A search asks for a few words: looking through the text is faster than parting it.
    return f"\n{word}\n".encode() in _words()


@cache
def _words() -> bytes:
    return gzip.decompress(Path(__file__).with_name("english.txt.gz").read_bytes())
