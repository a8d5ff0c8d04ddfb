"""A planned query over a set of photos: from raw scores and tags to scores from 0 to 1.

Every part of a query gives each photo a score; AND multiplies them, OR is 1 - (1 - a)(1 - b) ….

Axes: N photos, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from qks_cli.library import texts
from qks_cli.library.store import Library
from qks_cli.search.filters import Condition
from qks_cli.search.grammar import And, Filter, Node, Not, Or, Sum, Text
from qks_cli.search.passing import passing
from qks_cli.search.plan import Plan
from qks_cli.search.scorer import RawScores, found_among
from qks_cli.search.words import STOP_WORDS, Words
from qks_cli.types import BoolArray, Float32Array, Int64Array

LABELS = 64  # whose photos stay in memory, where a library is remembered
FOLDER = 0.5  # what a folder's name counts: it may be any word
# What text in a photo counts that holds a phrase as it stands, or its words anywhere.
TEXT_PHRASE, TEXT_WORDS = 0.9, 0.5


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase means: its vector [E] in the label space, and how raw scores [N] (the maximum
    over query tokens of the inner product) become 0 to 1. ``worth`` (0 to 1) is what they count
    when they are held against the floor."""

    vector_E: Float32Array
    probabilities: Callable[[Float32Array], Float32Array]
    worth: float = 1.0


class Evaluation:
    """Scores of one set of photos, ids ascending. A meaning that fits less than ``floor`` counts
    nothing. ``by_text``: text that was read in photos counts too.

    Once ``score`` has run, ``parts`` holds what tags and what meaning said of every phrase, [N]
    each, ``in_text`` what text in photos said, and ``passed`` which photos [N] a date or a folder
    in plain words names."""

    def __init__(
        self,
        library: Library,
        plan: Plan,
        meanings: Mapping[Node, Meaning],
        ids_N: Int64Array,
        raw: RawScores,
        *,
        by_tags: bool,
        by_text: bool = False,
        floor: float = 0.0,
    ) -> None:
        self.library = library
        self.plan = plan
        self.meanings = meanings
        self.ids_N = ids_N
        self.raw = raw
        self.by_tags = by_tags
        self.by_text = by_text
        self.floor = floor
        self.parts: dict[Text, tuple[Float32Array, Float32Array]] = {}
        self.in_text: dict[Text, Float32Array] = {}
        self.passed: dict[str, BoolArray] = {}

    def score(self, node: Node, *, boolean: bool = False) -> Float32Array:
        """Scores [N], 0 to 1. ``boolean`` asks tags and filters alone, as NOT does."""
        match node:
            case And(nodes):
                every = [self.score(one, boolean=boolean) for one in nodes]
                return np.asarray(np.prod(every, axis=0), np.float32)
            case Or(nodes):
                rest = [1 - self.score(one, boolean=boolean) for one in nodes]
                return np.asarray(1 - np.prod(rest, axis=0), np.float32)
            case Not(inner):
                return np.asarray(self.score(inner, boolean=True) == 0, np.float32)
            case Filter():
                return self._filter(node)
            case Text():
                return self._text(node, boolean=boolean)
            case Sum():
                return self._meant(node)

    def _text(self, node: Text, *, boolean: bool) -> Float32Array:
        if boolean or node not in self.plan.landmarks:
            return self._phrase(node, boolean=boolean)
        landmark, rest = self.plan.landmarks[node]
        inside_N = self._named(landmark.where)
        self.passed[landmark.shown] = inside_N > 0
        if rest is not None:
            inside_N = inside_N * self._text(rest, boolean=False)
        if landmark.strict:
            return inside_N
        return np.asarray(1 - (1 - self._phrase(node)) * (1 - FOLDER * inside_N), np.float32)

    def _phrase(self, node: Text, *, boolean: bool = False) -> Float32Array:
        words = self.plan.labels[node]
        nothing_N = np.zeros(len(self.ids_N), np.float32)
        tag_N = self._tagged(words) if boolean or self.by_tags else nothing_N
        if boolean:
            return tag_N
        meant_N = self._meant(node)
        self.parts[node] = (tag_N, meant_N)
        missed_N = (1 - tag_N) * (1 - meant_N)
        if self.by_text:
            missed_N = missed_N * (1 - self._in_text(node))
        return np.asarray(1 - missed_N, np.float32)

    def _in_text(self, node: Text) -> Float32Array:
        """How well text in photos holds a phrase, as it was typed."""
        said_N = np.zeros(len(self.ids_N), np.float32)
        for expression, worth in text_expressions(node):
            found = self._named(Condition(f"photos.id IN ({texts.FOUND})", (expression,)))
            said_N = np.maximum(said_N, worth * found)
        self.in_text[node] = said_N
        return said_N

    def _tagged(self, words: Words) -> Float32Array:
        """The mean score of the named labels times the share of the phrase that they cover; 0
        where a photo lacks one of them."""
        if not words.labels:
            return np.zeros(len(self.ids_N), np.float32)
        columns = [self._label(name) for name in words.labels]
        total_N = np.mean(columns, axis=0) * words.covered
        return np.where(np.min(columns, axis=0) > 0, total_N, 0).astype(np.float32)

    def _label(self, name: str) -> Float32Array:
        def read() -> tuple[Int64Array, Float32Array]:
            found = np.array(self.library.tags.carried(name), np.float64).reshape(-1, 2)
            return found[:, 0].astype(np.int64), found[:, 1].astype(np.float32)

        ids, values = self.library.derived(("label", name), read, most=LABELS)
        scores_N = np.zeros(len(self.ids_N), np.float32)
        rows, places = found_among(self.ids_N, ids)
        # A score of 0 still is a tag (cut-off 0).
        np.maximum.at(scores_N, places, np.maximum(values[rows], 1e-6))
        return scores_N

    def _meant(self, node: Text | Sum) -> Float32Array:
        meaning = self.meanings.get(node)
        if meaning is None:
            return np.zeros(len(self.ids_N), np.float32)
        raw_N = self.raw[node]
        there = np.isfinite(raw_N)
        fits_N = meaning.probabilities(np.where(there, raw_N, 0))
        return np.where(there & (fits_N * meaning.worth >= self.floor), fits_N, 0).astype(
            np.float32
        )

    def _filter(self, node: Filter) -> Float32Array:
        if node.name == "tag":
            return self._label(self.plan.named[node])
        if node.name == "like":
            return np.clip(self.raw[node], 0, 1)
        return self._named(self.plan.conditions[node])

    def _named(self, where: Condition) -> Float32Array:
        """1 where a condition holds, else 0."""
        ids = passing(self.library, where)
        _, places = found_among(self.ids_N, ids)
        passed_N = np.zeros(len(self.ids_N), np.float32)
        passed_N[places] = 1
        return passed_N


def text_expressions(node: Text) -> list[tuple[str, float]]:
    """What of a phrase is looked for in text (expressions of FTS5), and what each counts. One
    letter alone, or words that say nothing, are looked for nowhere."""
    telling = text_words(node)
    if not telling:
        return []
    return [
        (texts.phrase(node.written or node.text), TEXT_PHRASE),
        (texts.every_word(telling), TEXT_WORDS),
    ]


def text_words(node: Text) -> list[str]:
    """The words of a phrase, as text is compared, that say something; none where all of them are a
    letter or figure alone."""
    found = texts.words(node.written or node.text)
    telling = [word for word in found if word not in STOP_WORDS]
    return telling if any(len(word) > 1 or not word.isascii() for word in telling) else []
