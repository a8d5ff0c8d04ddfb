"""Which label of a vocabulary somebody means, after renames and merges."""

from __future__ import annotations

from collections.abc import Mapping

from qks_cli.errors import UsageError
from qks_cli.folding import fold
from qks_cli.library import labels
from qks_cli.library.database import Database
from qks_cli.vocabulary.labels_file import Label, Vocabulary


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
