"""One folding for words that are compared without regard to case and composition."""

from __future__ import annotations

import re
import unicodedata

_STRAY = re.compile("[\udc80-\udcff]")


def fold(text: str) -> str:
    """``text`` in the form in which equal words are equal: NFC and casefolded (Unicode 3.13).

    A byte of a file name that is not UTF-8 (a lone surrogate, PEP 383) counts as the Latin-1
    character that it most likely was; the result can be encoded.
    """
    if text.isascii():
        return text.lower()
    text = _STRAY.sub(lambda found: chr(ord(found[0]) - 0xDC00), text)
    text = text.encode("utf-8", "replace").decode()
    # Folding can undo the composition (ǰ), and some letters fold only when decomposed (ᾷ).
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return folded.replace("i\u0307", "i")  # of İ: people type Istanbul
