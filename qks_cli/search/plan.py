"""A query that has been checked: what SQL decides of it, what scores decide, what needs a model.

Everything that can be wrong with a query is found here, before a model is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qks_cli.search.filters import SCORED, Condition, bounds, condition, joined, opposite
from qks_cli.search.grammar import And, Filter, Node, Not, Or, QueryError, Sum, Text, parse_query
from qks_cli.search.landmarks import Landmark, Landmarks
from qks_cli.search.words import Lookup, Words, in_any_number, match_labels

if TYPE_CHECKING:
    from qks_cli.search.translating import Translator
    from qks_cli.vocabulary.languages import Language


@dataclass(frozen=True, slots=True)
class ScoreRange:
    """Which scores, 0 to 1, a query asks for; ``above`` and ``below`` leave the ends out."""

    low: float = 0.0
    high: float = 1.0
    above: bool = False
    below: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A query that can be answered.

    ``where`` is what SQL decides; ``node`` what scores decide, None where SQL decides everything.
    ``phrases`` are what meaning may speak for (nothing below a NOT), ``likes`` the ``like:``
    filters, both in the order of the query. ``labels`` says of every phrase which labels it names,
    ``named`` which label every ``tag:`` filter names, ``conditions`` what every other filter is in
    SQL; ``landmarks`` which words of a phrase are a date or a folder, with the phrase of the other
    words, None where there are none; ``translated`` which phrases were in another language, and
    what they are in English.
    """

    text: str
    where: Condition
    node: Node | None
    scores: ScoreRange
    phrases: tuple[Text | Sum, ...]
    likes: tuple[Filter, ...]
    labels: Mapping[Text, Words]
    named: Mapping[Filter, str]
    conditions: Mapping[Filter, Condition]
    landmarks: Mapping[Text, tuple[Landmark, Text | None]]
    translated: Mapping[str, str] = field(default_factory=dict)


def make_plan(
    text: str,
    lookup: Lookup,
    *,
    landmarks: Landmarks | None = None,
    language: Language | None = None,
    min_score: float = 0.0,
    nearest: Callable[[str], str] = lambda word: "",
) -> Plan:
    """Read and check a query. ``lookup`` tells which label a word names, ``landmarks`` what in
    plain words is a date or a folder, ``language`` in which language it may be beside English.

    Raises ``QueryError`` that points at what cannot be used as it stands: a filter that is not
    there or whose value is none, a NOT of something that only meaning could tell, a score inside OR
    or NOT."""
    translator = None
    if language is not None:
        from qks_cli.search.translating import Translator

        translator = Translator(language, lookup)
    checker = _Checker(text, lookup, landmarks or Landmarks(), nearest, translator)
    parsed = parse_query(text)
    if translator is not None:
        parsed = translator.node(parsed)
    whole, scores = checker.take_scores(parsed, min_score)
    checker.check(whole, negated=False)
    where, node = checker.take_conditions(whole)
    return Plan(
        text,
        where,
        node,
        scores,
        tuple(checker.phrases),
        tuple(checker.likes),
        checker.labels,
        checker.named,
        checker.conditions,
        checker.found,
        {} if translator is None else translator.taken,
    )


@dataclass
class _Checker:
    text: str
    lookup: Lookup
    landmarks: Landmarks
    nearest: Callable[[str], str]
    translator: Translator | None = None
    phrases: list[Text | Sum] = field(default_factory=list)
    likes: list[Filter] = field(default_factory=list)
    labels: dict[Text, Words] = field(default_factory=dict)
    named: dict[Filter, str] = field(default_factory=dict)
    conditions: dict[Filter, Condition] = field(default_factory=dict)
    found: dict[Text, tuple[Landmark, Text | None]] = field(default_factory=dict)

    def check(self, node: Node, *, negated: bool) -> None:
        """Collect what a tree holds."""
        match node:
            case And(nodes) | Or(nodes):
                for one in nodes:
                    self.check(one, negated=negated)
            case Not(inner):
                self.check(inner, negated=True)
            case Filter():
                self._filter(node, negated=negated)
            case Text():
                self._text(node, negated=negated)
            case Sum():
                if negated:
                    raise self._refuse("NOT cannot be said of a sum of meanings", node.terms[0].at)
                self.phrases.append(node)

    def take_scores(self, node: Node, min_score: float) -> tuple[Node, ScoreRange]:
        """The query without the ``score`` filters that stand beside the rest, and what they ask."""
        nodes = node.nodes if isinstance(node, And) else (node,)
        scores, rest = ScoreRange(low=min_score), []
        for one in nodes:
            if isinstance(one, Filter) and one.name == "score":
                scores = self._narrowed(scores, one)
            else:
                rest.append(one)
        if not rest:
            raise self._refuse("score alone finds nothing", 0)
        return _and(rest), scores

    def take_conditions(self, node: Node) -> tuple[Condition, Node | None]:
        """What SQL can decide of an AND, and the rest."""
        nodes = node.nodes if isinstance(node, And) else (node,)
        decided, rest = [], []
        for one in nodes:
            found = self._condition(one)
            if found is None:
                rest.append(one)
            else:
                decided.append(found)
        where = joined(decided, "AND") if decided else Condition("1")
        return where, _and(rest) if rest else None

    def _filter(self, node: Filter, *, negated: bool) -> None:
        if node.name == "score":
            raise self._refuse(
                "score stands beside the rest of a query, not inside OR or NOT", node.at
            )
        if not node.value:
            raise self._refuse(f"nothing after '{node.name}'", node.at)
        if node.name == "like":
            if negated:
                raise self._refuse("NOT does not go with like:", node.at)
            self.likes.append(node)
        elif node.name == "tag":
            label = in_any_number(node.value, self.lookup)
            if label is None:
                meant = self.nearest(node.value)
                more = f" ({meant})" if meant else ""
                raise self._refuse(f"no label '{node.value}' in this library{more}", node.at)
            self.named[node] = label
        else:
            self.conditions[node] = condition(node, self.text)

    def _text(self, node: Text, *, negated: bool) -> None:
        words = self.labels[node] = match_labels(node.text, self.lookup)
        written = node.written or node.text
        if not negated:
            self._phrase(node)
        elif words.covered < 1:
            raise self._refuse(
                f"'{written}' is not a label, and NOT leaves out by tags; to subtract a meaning "
                f"write ' - {written}'",
                node.at,
            )

    def _phrase(self, node: Text) -> None:
        """A phrase that meaning may speak for, or what is left of it beside dates."""
        landmark = None if node.quoted else self.landmarks.find(node.written or node.text)
        rest = self._rest(node, landmark)
        if landmark is None and node.written and not node.quoted:  # a month of another language
            landmark = self.landmarks.find(node.text)
            rest = replace(node, text=landmark.rest) if landmark and landmark.rest else None
        if landmark is None:
            self.phrases.append(node)
            return
        self.found[node] = landmark, rest
        if not landmark.strict:
            self.phrases.append(node)
        if rest is not None:
            self._text(rest, negated=False)

    def _rest(self, node: Text, landmark: Landmark | None) -> Text | None:
        """The words of a phrase beside a landmark, in English."""
        if landmark is None or not landmark.rest:
            return None
        rest = replace(node, text=landmark.rest, written="")
        return rest if self.translator is None else self.translator.text(rest)

    def _narrowed(self, scores: ScoreRange, node: Filter) -> ScoreRange:
        def refuse(problem: str) -> QueryError:
            return self._refuse(problem, node.at)

        low, high, above, below = bounds(node.value, refuse)
        try:
            lowest = (float(low), above) if low else (scores.low, scores.above)
            highest = (float(high), below) if high else (scores.high, scores.below)
        except ValueError:
            raise refuse(f"'{node.value}' is not a number from 0 to 1") from None
        return ScoreRange(lowest[0], highest[0], lowest[1], highest[1])

    def _condition(self, node: Node) -> Condition | None:
        match node:
            case Filter(name=name):
                return None if name in SCORED else self.conditions[node]
            case Not(inner):
                found = self._condition(inner)
                return found and opposite(found)
            case And(nodes) | Or(nodes):
                parts = [self._condition(one) for one in nodes]
                known = [part for part in parts if part is not None]
                if len(known) < len(parts):
                    return None
                return joined(known, "AND" if isinstance(node, And) else "OR")
            case _:
                return None

    def _refuse(self, problem: str, at: int) -> QueryError:
        return QueryError(problem, self.text, at)


def _and(nodes: Sequence[Node]) -> Node:
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))
