"""Labels that typed text may mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qks_cli.folding import fold
from qks_cli.library import labels
from qks_cli.library.store import Library
from qks_cli.workflows.naming import TypedLabels

if TYPE_CHECKING:
    from qks_cli.vocabulary.languages import Language

SUGGESTED = 12  # labels for what somebody types


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A label that typed text may mean, its name in the user's language, the word that it was found
    by ('' for that name), and how many photos carry it."""

    label: str
    name: str
    synonym: str
    photos: int


def suggest(library: Library, typed: str, language: Language | None = None) -> list[Suggestion]:
    """Labels whose names or synonyms hold typed text; those that begin with it first, then those
    that more photos carry."""
    wanted = fold(typed.strip())
    counts = labels.tag_counts(library)
    known = TypedLabels(library, language)
    pairs = [(word, label) for word, label in known.words.items()]
    if language is not None:
        every = set(known.words.values())
        pairs += [(fold(name), label) for label in every for name in language.names(label)]
    best: dict[str, tuple[bool, bool, str]] = {}  # the best word of a label, False first
    for word, label in pairs:
        if wanted in word:
            own = fold(known.name_of(label))
            found = (not word.startswith(wanted), word != own, word)
            best[label] = min(found, best.get(label, found))
    order = sorted(best, key=lambda label: (best[label][0], -counts.get(label, 0), label))
    return [
        Suggestion(label, known.name_of(label), best[label][2] if best[label][1] else "", count)
        for label in order[:SUGGESTED]
        for count in (counts.get(label, 0),)
    ]
