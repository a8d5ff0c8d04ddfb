"""Which words name labels in a library."""

from __future__ import annotations

from qks_cli.folding import fold
from qks_cli.library.store import Library
from qks_cli.search.words import Lookup


def label_lookup(library: Library) -> Lookup:
    """Words and synonyms of the vocabulary that the library was tagged with last, every label that
    its tags have, and the user's keywords."""
    words = vocabulary_words(library)
    others = {fold(name): name for name in library.tags.names()}

    def lookup(word: str) -> str | None:
        folded = fold(word)
        return words.get(folded) or others.get(folded)

    return lookup


def vocabulary_words(library: Library) -> dict[str, str]:
    """Every word and synonym, folded, of the vocabulary that the library was tagged with last, with
    its label; none where it never was."""
    kept = library.runs.kept()
    if kept is None:
        return {}
    words = library.vocabularies.words(kept.digest)
    if not words:  # parsed once in the life of a vocabulary
        from qks_cli.vocabulary.labels_file import parse_labels

        vocabulary, _ = parse_labels(kept.text, "the library's labels")
        words = {word: label.name for word, label in vocabulary.by_word.items()}
        library.vocabularies.keep_words(kept.digest, words)
    return words
