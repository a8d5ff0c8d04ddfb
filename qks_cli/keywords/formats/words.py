"""Keywords as bytes that are no XML held them: what no XML can hold is left out."""

from __future__ import annotations

import re

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def keyword_of(text: str) -> str:
    """A keyword on one line, without control characters; '' where nothing is left of it."""
    return " ".join(_NO_XML.sub("", text).split())
