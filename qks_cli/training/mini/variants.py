"""Other words for a label: its plural, a WordNet synonym, the bare name without a prompt.

A user may write any of them, so the image model learns to answer to all. Axes: V variants, the
first of them the name in the prompt pool; T label names, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qks_cli.vocabulary.plurals import plural
from qks_cli.vocabulary.prompts import SHORT_POOL


def read_synonyms(wordnet: Path) -> dict[str, str]:
    """For nouns, another lemma of the first sense that has one; empty without WordNet's files."""
    try:
        index = (wordnet / "index.noun").read_text(encoding="utf-8").splitlines()
        data = (wordnet / "data.noun").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    members = {}
    for line in data:
        if not line.startswith(" "):
            fields = line.split()
            # The count of lemmas is hexadecimal; each is followed by a sense number.
            members[fields[0]] = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
    found = {}
    for line in index:
        if line.startswith(" "):
            continue
        fields = line.split()
        first = fields[6 + int(fields[3])]
        others = [lemma for lemma in members.get(first, ()) if lemma.lower() != fields[0]]
        if others:
            found[fields[0].replace("_", " ")] = others[0].replace("_", " ").lower()
    return found


@dataclass(frozen=True, slots=True)
class Variants:
    """``hidden`` words, which an evaluation calls unseen, are never given to a label."""

    synonyms: dict[str, str]
    hidden: frozenset[str] = frozenset()

    def of(self, names: Sequence[str]) -> list[tuple[list[str], Sequence[str]]]:
        """For each kind of variant the names [T] to say instead, and the templates to say them in.

        A name without such a variant stands for itself.
        """
        plurals = [self._allowed(plural(name), name) for name in names]
        others = [self._allowed(self.synonyms.get(name, name), name) for name in names]
        return [(plurals, SHORT_POOL), (others, SHORT_POOL), (list(names), SHORT_POOL[:1])]

    def _allowed(self, variant: str, name: str) -> str:
        return name if variant in self.hidden else variant
