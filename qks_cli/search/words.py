"""Which labels a phrase names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from qks_cli.folding import fold
from qks_cli.vocabulary.plurals import plural, singular

LONGEST_LABEL = 6  # words of a phrase that may name one label
# Words that say nothing about what is in a photo.
STOP_WORDS = frozenset("a an the of in on at with and or to my our some this that is are".split())

Lookup = Callable[[str], str | None]
"""A word or synonym, in any case, to the label that it names."""


@dataclass(frozen=True, slots=True)
class Words:
    """``labels`` that a phrase names, and the share of its words that they cover."""

    labels: tuple[str, ...]
    covered: float


def match_labels(phrase: str, lookup: Lookup) -> Words:
    """The labels that a phrase names, by name, synonym or plain plural, longest first."""
    words = re.findall(r"[\w'-]+", fold(phrase))
    meant = [word for word in words if word not in STOP_WORDS] or words
    found: list[str] = []
    covered = at = 0
    while at < len(words):
        for end in range(min(len(words), at + LONGEST_LABEL), at, -1):
            label = in_any_number(" ".join(words[at:end]), lookup)
            if label is not None:
                found.append(label)
                covered += sum(word in meant for word in words[at:end])
                at = end
                break
        else:
            at += 1
    return Words(tuple(dict.fromkeys(found)), covered / len(meant) if meant else 0.0)


def in_any_number(phrase: str, lookup: Lookup) -> str | None:
    """The label of this name, else of its singular or plural."""
    for wanted in (phrase, singular(phrase), plural(phrase)):
        label = lookup(wanted)
        if label is not None:
            return label
    return None
