"""Which label somebody means, after renames and merges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qks_cli.errors import UsageError
from qks_cli.folding import fold
from qks_cli.library import labels
from qks_cli.library.database import Database
from qks_cli.library.store import Library
from qks_cli.search.lookup import vocabulary_words
from qks_cli.vocabulary.labels_file import Label, Vocabulary

if TYPE_CHECKING:
    from qks_cli.vocabulary.languages import Language


class LabelNames:
    """The labels of a vocabulary under the names that a library shows them as.

    Of labels that were merged, and so are shown as one, the one whose own name is shown stands for
    all of them, else the first in the vocabulary."""

    def __init__(self, library: Database, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._shown: Mapping[str, str | None] = labels.shown_names(library)
        self._main: dict[str, Label] = {}
        self._folded: dict[str, Label] = {}
        for label in vocabulary.labels:
            name = self.shown(label)
            if label.name == name or name not in self._main:
                self._main[name] = label
        for name, label in self._main.items():
            self._folded.setdefault(fold(name), label)

    def shown(self, label: Label) -> str:
        """The name that a label is shown as; its own where it is not shown."""
        return self._shown.get(label.name, label.name) or label.name

    def find(self, word: str) -> Label | None:
        """The label that is shown under this name, else the one of this name or synonym, or the one
        that it was merged into. Without regard to case; None where there is none."""
        exact = self._main.get(word) or self._folded.get(fold(word))
        if exact is not None:
            return exact
        named = self._vocabulary.lookup(word)
        return None if named is None else self._main[self.shown(named)]


def label_of(library: Database, vocabulary: Vocabulary, wanted: str) -> Label:
    """``LabelNames.find``. Raises ``UsageError`` where there is none."""
    found = LabelNames(library, vocabulary).find(wanted)
    if found is None:
        raise UsageError(
            f"'{wanted}' is not one of the words that this library was tagged with",
            hint="a label that was only given by hand has no cut-off",
        )
    return found


class TypedLabels:
    """The labels of a library, as they are shown, by the words that name them: those of the
    vocabulary, those that labels got since, and those of a language."""

    def __init__(self, library: Library, language: Language | None = None) -> None:
        self.language = language
        shown = labels.shown_names(library)
        words = {word: shown.get(label, label) for word, label in vocabulary_words(library).items()}
        words |= {fold(name): name for name in shown.values() if name is not None}
        self.words: Mapping[str, str] = {word: x for word, x in words.items() if x is not None}
        self._exact = set(self.words.values())

    def find(self, typed: str) -> str:
        """The label that is meant; what names none stays as it is. Only whole names count of a
        language: "unsere Küche" may become a label of its own."""
        for english in () if self.language is None else self.language.english(typed):
            if fold(english) in self.words:
                return self.words[fold(english)]
        return typed if typed in self._exact else self.words.get(fold(typed), typed)

    def name_of(self, label: str) -> str:
        """What a label is called: its name in the language, where that finds it again."""
        name = label if self.language is None else self.language.shown(label)
        return name if self.find(name) == label else label


def meant(library: Library, typed: str, language: Language | None = None) -> str:
    """The label that somebody means: as it is shown, by its name, a synonym, or a name in a
    language."""
    return TypedLabels(library, language).find(typed)
