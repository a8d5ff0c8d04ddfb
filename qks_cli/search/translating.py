"""A query in the user's language, in English: what labels are called and what models know."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qks_cli.search.grammar import And, Filter, Node, Not, Or, Sum, Text
from qks_cli.search.words import Lookup, in_any_number, match_labels

if TYPE_CHECKING:
    from qks_cli.vocabulary.languages import Language


@dataclass
class Translator:
    """Translates phrases and ``tag:`` filters. ``taken`` are the phrases that were translated, with
    what they became."""

    language: Language
    lookup: Lookup
    taken: dict[str, str] = field(default_factory=dict)

    def node(self, node: Node) -> Node:
        """A tree with its phrases in English. One that names labels in both languages ("boot")
        stands for both."""
        match node:
            case And(nodes):
                return And(tuple(map(self.node, nodes)))
            case Or(nodes):
                return Or(tuple(map(self.node, nodes)))
            case Not(inner):
                return Not(self.node(inner))
            case Sum(terms):
                return Sum(tuple(map(self.text, terms)))
            case Text():
                return self._either(node)
            case Filter(name="tag"):
                return self._tag(node)
            case _:
                return node

    def text(self, node: Text) -> Text:
        """A phrase in English; what is no word of the language stays."""
        found = self.language.translate(node.text, self._is_label)
        if found.text == node.text:
            return node
        if found.taken:
            self.taken[node.text] = found.text
        return replace(node, text=found.text, written=node.written or node.text)

    def _either(self, node: Text) -> Node:
        translated = self.text(node)
        english = match_labels(node.text, self.lookup)
        other = match_labels(translated.text, self.lookup)
        if english.covered < 1 or english.labels == other.labels:
            return translated
        return Or((translated, node))

    def _tag(self, node: Filter) -> Filter:
        found = self.language.translate(node.value, self._is_label).text
        return replace(node, value=found) if self._is_label(found) else node

    def _is_label(self, word: str) -> bool:
        return in_any_number(word, self.lookup) is not None
