"""Rank a library's photos for a query: filters, tags and meaning. numpy only.

Every part of a query gives each photo a score from 0 to 1; AND multiplies them, OR is
1 - (1 - a)(1 - b) …. In a large library meanings are first judged by compact vectors
(search/compact.py); the best photos are judged again by their query tokens.

Axes: N photos, M query tokens, E label space, K phrases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qks_cli.library.database import Library, base_name
from qks_cli.search import compact
from qks_cli.search.compact import EXACT
from qks_cli.search.filters import SCORED, Condition, bounds, condition, haversine_km
from qks_cli.search.grammar import And, Filter, Node, Not, Or, QueryError, Sum, Text
from qks_cli.search.words import Lookup, Words, in_any_number, match_labels
from qks_cli.types import Float16Array, Float32Array, Tag

Int64Array = npt.NDArray[np.int64]

SHARE = 25  # of more photos, one in so many is judged exactly
BLOCK = 64  # photos widened to single precision at a time


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase means: its vector [E] in the label space, and how raw scores [N] (the maximum
    over query tokens of the inner product) become 0 to 1."""

    vector_E: Float32Array
    probabilities: Callable[[Float32Array], Float32Array]


@dataclass(frozen=True, slots=True)
class Question:
    """A query and what its words mean.

    ``meanings`` has an entry for every ``Text`` and ``Sum`` that meaning speaks for, ``likes`` the
    query tokens [M, E] of every ``like:`` photo. ``by_tags`` False leaves tags out of ``Text``.
    """

    node: Node
    text: str
    lookup: Lookup
    by_tags: bool = True
    model_id: int | None = None
    meanings: Mapping[Node, Meaning] = field(default_factory=dict)
    likes: Mapping[Filter, Float32Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo that was found. All scores are 0 to 1; the tags are all that the photo has.

    ``tag_score`` and ``meaning_score`` are means over the phrases of the query."""

    path: Path
    score: float
    tag_score: float
    meaning_score: float
    tags: tuple[Tag, ...]


def search(
    library: Library,
    question: Question,
    *,
    limit: int = 20,
    min_score: float = 0.0,
    exact: bool = False,
) -> list[Hit]:
    """The best photos, best first, ties by path.

    ``exact`` judges every photo by its query tokens. Raises ``QueryError`` where a filter or a NOT
    cannot be used as it stands.
    """
    whole, lowest = _split_score(question, min_score)
    connection = library.connection
    connection.create_function("qks_haversine", 4, haversine_km, deterministic=True)
    connection.create_function("qks_name", 1, base_name, deterministic=True)
    where, node = _split_sharp(whole, question)
    sql = "SELECT id FROM photos WHERE status = 'ok' AND missing_since IS NULL"
    rows = connection.execute(f"{sql} AND {where.sql} ORDER BY id", where.values)
    ids_N: Int64Array = np.fromiter((row[0] for row in rows), np.int64)
    if node is None:
        return _hits(library, question, _Pass(library, question, ids_N), None, limit, lowest)
    judged = bool(question.meanings or question.likes)
    middle_E = np.empty(0, np.float32)
    if question.likes and question.model_id is not None:
        middle_E = middle(library, question.model_id)
    if judged and not exact and len(ids_N) > EXACT:
        first = _Pass(library, question, ids_N)
        first.read_compact(middle_E)
        about_N = first.score(node)
        count = min(len(ids_N), max(EXACT, 2 * limit, len(ids_N) // SHARE))
        best = np.argpartition(-about_N, count - 1)[:count]
        ids_N = np.sort(ids_N[best[about_N[best] > 0]])
    last = _Pass(library, question, ids_N)
    if judged:
        last.read_tokens(middle_E)
    return _hits(library, question, last, node, limit, lowest)


def closeness(query_E: Float32Array) -> Callable[[Float16Array], Float32Array]:
    """Raw scores [N] of a phrase's vector over query tokens [N, M, E]: the maximum over tokens.

    Half-precision tokens are widened a block at a time into one buffer that the processor's cache
    holds: call the function from one thread at a time."""
    buffer = np.empty((0, 0), np.float32)

    def raw(tokens_NME: Float16Array) -> Float32Array:
        nonlocal buffer
        count, queries, width = tokens_NME.shape
        if buffer.shape != (BLOCK * queries, width):
            buffer = np.empty((BLOCK * queries, width), np.float32)
        best_N = np.empty(count, np.float32)
        for at in range(0, count, BLOCK):
            part = tokens_NME[at : at + BLOCK].reshape(-1, width)
            wide = buffer[: len(part)]
            np.copyto(wide, part)
            (wide @ query_E).reshape(-1, queries).max(axis=1, out=best_N[at : at + BLOCK])
        return best_N

    return raw


def alikeness(
    tokens_NME: Float16Array, tokens_ME: Float32Array, middle_E: Float32Array
) -> Float32Array:
    """Cosine [N] of all query tokens of photos with those of one, around ``middle_E``."""
    own = (tokens_ME - middle_E).ravel()
    found = np.empty(len(tokens_NME), np.float32)
    for at in range(0, len(tokens_NME), BLOCK):
        part = tokens_NME[at : at + BLOCK].astype(np.float32) - middle_E
        flat = part.reshape(len(part), -1)
        lengths = np.linalg.norm(flat, axis=1) * np.linalg.norm(own)
        found[at : at + BLOCK] = flat @ own / np.maximum(lengths, 1e-6)
    return found


class _Pass:
    """Scores of one set of photos, ids ascending."""

    def __init__(self, library: Library, question: Question, ids_N: Int64Array) -> None:
        self.library = library
        self.question = question
        self.ids_N = ids_N
        self.raw: dict[Node, Float32Array] = {}  # -inf where a photo has no tokens
        self.parts: dict[Text, tuple[Float32Array, Float32Array]] = {}  # by tags, by meaning

    def read_compact(self, middle_E: Float32Array) -> None:
        """Judge meanings and likes by compact vectors."""
        nodes = list(self.question.meanings)
        vectors = [meaning.vector_E for meaning in self.question.meanings.values()]
        self._empty()
        assert self.question.model_id is not None
        for block, basis_ED in compact.blocks(self.library, self.question.model_id):
            rows, places = self._places(block.ids)
            if not len(rows):
                continue
            if nodes:
                raw_NK = compact.raw_scores(block, basis_ED, np.stack(vectors))
                for column, node in enumerate(nodes):
                    self.raw[node][places] = raw_NK[rows, column]
            for like, tokens_ME in self.question.likes.items():
                alike_N = compact.likeness(block, basis_ED, tokens_ME, middle_E)
                self.raw[like][places] = alike_N[rows]

    def read_tokens(self, middle_E: Float32Array) -> None:
        """Judge them by query tokens."""
        self._empty()
        assert self.question.model_id is not None
        judges = {
            node: closeness(meaning.vector_E) for node, meaning in self.question.meanings.items()
        }
        chunks = [self.ids_N[at : at + EXACT].tolist() for at in range(0, len(self.ids_N), EXACT)]
        for chunk in chunks:
            have, tokens_NME = self.library.tokens_of(chunk, self.question.model_id)
            if tokens_NME is None:
                continue
            rows, places = self._places(np.array(have, np.int64))
            for node, judge in judges.items():
                self.raw[node][places] = judge(tokens_NME)[rows]
            for like, tokens_ME in self.question.likes.items():
                self.raw[like][places] = alikeness(tokens_NME, tokens_ME, middle_E)[rows]

    def score(self, node: Node, *, sharp: bool = False) -> Float32Array:
        """Scores [N], 0 to 1. ``sharp`` asks tags and filters alone, as NOT does."""
        match node:
            case And(nodes):
                every = [self.score(one, sharp=sharp) for one in nodes]
                return np.asarray(np.prod(every, axis=0), np.float32)
            case Or(nodes):
                rest = [1 - self.score(one, sharp=sharp) for one in nodes]
                return np.asarray(1 - np.prod(rest, axis=0), np.float32)
            case Not(inner):
                return np.asarray(self.score(inner, sharp=True) == 0, np.float32)
            case Filter():
                return self._filter(node, sharp=sharp)
            case Text():
                return self._text(node, sharp=sharp)
            case Sum():
                if sharp:
                    raise self._refuse("NOT cannot be said of a sum of meanings", node.terms[0].at)
                return self._meant(node)

    def _text(self, node: Text, *, sharp: bool) -> Float32Array:
        words = match_labels(node.text, self.question.lookup)
        if sharp and words.covered < 1:
            raise self._refuse(
                f"'{node.text}' is no label, and NOT leaves out by tags; to subtract a meaning "
                f"write ' - {node.text}'",
                node.at,
            )
        empty_N = np.zeros(len(self.ids_N), np.float32)
        tag_N = self._tagged(words) if sharp or self.question.by_tags else empty_N
        if sharp:
            return tag_N
        meant_N = self._meant(node) if node in self.question.meanings else empty_N
        self.parts[node] = (tag_N, meant_N)
        return np.asarray(1 - (1 - tag_N) * (1 - meant_N), np.float32)

    def _tagged(self, words: Words) -> Float32Array:
        """The mean score of the named labels times the share of the phrase that they cover; 0
        where a photo lacks one of them."""
        if not words.labels:
            return np.zeros(len(self.ids_N), np.float32)
        columns = [self._label(name) for name in words.labels]
        total_N = np.mean(columns, axis=0) * words.covered
        return np.where(np.min(columns, axis=0) > 0, total_N, 0).astype(np.float32)

    def _label(self, name: str) -> Float32Array:
        found = self.library.tagged_with(name)
        scores_N = np.zeros(len(self.ids_N), np.float32)
        if found:
            ids = np.fromiter((photo_id for photo_id, _ in found), np.int64, len(found))
            rows, places = self._places(ids)
            values = np.fromiter((score for _, score in found), np.float32, len(found))
            # A score of 0 still is a tag (cut-off 0).
            np.maximum.at(scores_N, places, np.maximum(values[rows], 1e-6))
        return scores_N

    def _meant(self, node: Text | Sum) -> Float32Array:
        meaning = self.question.meanings.get(node)
        if meaning is None:
            return np.zeros(len(self.ids_N), np.float32)
        raw_N = self.raw[node]
        there = np.isfinite(raw_N)
        return np.where(there, meaning.probabilities(np.where(there, raw_N, 0)), 0).astype(
            np.float32
        )

    def _filter(self, node: Filter, *, sharp: bool) -> Float32Array:
        if node.name == "tag":
            label = in_any_number(node.value, self.question.lookup)
            if label is None:
                raise self._refuse(f"no label '{node.value}' in this library", node.at)
            return self._label(label)
        if node.name == "like":
            if sharp:
                raise self._refuse("NOT cannot be said of likeness", node.at)
            return np.clip(self.raw[node], 0, 1)
        if node.name == "score":
            raise self._refuse(
                "score stands beside the rest of a query, not inside OR or NOT", node.at
            )
        where = condition(node, self.question.text)
        rows = self.library.connection.execute(
            f"SELECT id FROM photos WHERE {where.sql} ORDER BY id", where.values
        )
        _, places = self._places(np.fromiter((row[0] for row in rows), np.int64))
        passed_N = np.zeros(len(self.ids_N), np.float32)
        passed_N[places] = 1
        return passed_N

    def _empty(self) -> None:
        for node in (*self.question.meanings, *self.question.likes):
            self.raw[node] = np.full(len(self.ids_N), -np.inf, np.float32)

    def _places(self, ids: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Rows of ``ids`` that are among these photos, and where they stand here."""
        if not len(self.ids_N):
            none = np.empty(0, np.int64)
            return none, none
        places = np.searchsorted(self.ids_N, ids)
        places[places == len(self.ids_N)] = 0
        rows = np.flatnonzero(self.ids_N[places] == ids)
        return rows, places[rows]

    def _refuse(self, problem: str, at: int) -> QueryError:
        return QueryError(problem, self.question.text, at)


def middle(library: Library, model_id: int) -> Float32Array:
    """The mean query token [E] over a fixed sample of one model's photos."""
    _, tokens_NME = library.tokens_of(library.sample_ids(model_id, 512), model_id)
    assert tokens_NME is not None
    width = tokens_NME.shape[2]
    return np.asarray(tokens_NME.reshape(-1, width).astype(np.float32).mean(0), np.float32)


def _split_score(question: Question, min_score: float) -> tuple[Node, tuple[float, ...]]:
    """The query without its ``score`` filters, and (lowest, highest, strict low, strict high)."""
    nodes = question.node.nodes if isinstance(question.node, And) else (question.node,)
    low, high, strict_low, strict_high = min_score, 1.0, False, False
    rest = []
    for node in nodes:
        if not (isinstance(node, Filter) and node.name == "score"):
            rest.append(node)
            continue

        def refuse(problem: str, at: int = node.at) -> QueryError:
            return QueryError(problem, question.text, at)

        first, last, above, below = bounds(node.value, refuse)
        try:
            if first:
                low, strict_low = float(first), above
            if last:
                high, strict_high = float(last), below
        except ValueError:
            raise refuse(f"'{node.value}' is no number from 0 to 1") from None
    if not rest:
        raise QueryError("score alone finds nothing", question.text, 0)
    kept = rest[0] if len(rest) == 1 else And(tuple(rest))
    return kept, (low, high, strict_low, strict_high)


def _split_sharp(node: Node, question: Question) -> tuple[Condition, Node | None]:
    """What SQL can decide of an AND, and the rest."""
    nodes = node.nodes if isinstance(node, And) else (node,)
    sharp, rest = [], []
    for one in nodes:
        found = _sharp(one, question)
        if found is None:
            rest.append(one)
        else:
            sharp.append(found)
    where = _join(sharp, "AND") if sharp else Condition("1")
    if not rest:
        return where, None
    return where, rest[0] if len(rest) == 1 else And(tuple(rest))


def _sharp(node: Node, question: Question) -> Condition | None:
    match node:
        case Filter(name=name):
            return None if name in SCORED else condition(node, question.text)
        case Not(inner):
            found = _sharp(inner, question)
            # What is unknown of a photo does not pass a filter, so it passes its opposite.
            return found and Condition(f"NOT coalesce(({found.sql}), 0)", found.values)
        case And(nodes) | Or(nodes):
            parts = [_sharp(one, question) for one in nodes]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            return _join(known, "AND" if isinstance(node, And) else "OR")
        case _:
            return None


def _join(parts: Sequence[Condition], word: str) -> Condition:
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    return Condition(f"({sql})", tuple(value for part in parts for value in part.values))


def _hits(
    library: Library,
    question: Question,
    found: _Pass,
    node: Node | None,
    limit: int,
    bounds: tuple[float, ...],
) -> list[Hit]:
    low, high, strict_low, strict_high = bounds
    size = len(found.ids_N)
    score_N = np.ones(size, np.float32) if node is None else found.score(node)
    kept = (score_N > 0) & (score_N > low if strict_low else score_N >= low)
    kept &= score_N < high if strict_high else score_N <= high
    rows = np.flatnonzero(kept)
    if len(rows) > limit:
        # Ties at the limit are broken by path, so all of the last score's photos are looked at.
        last = -np.partition(-score_N[rows], limit - 1)[limit - 1]
        better = rows[score_N[rows] > last]
        tied = found.ids_N[rows[score_N[rows] == last]].tolist()
        chosen = set(library.first_by_path(tied, limit - len(better)))
        rows = np.array(
            [*better, *(r for r in rows if score_N[r] == last and int(found.ids_N[r]) in chosen)],
            np.int64,
        )
    ids = [int(found.ids_N[row]) for row in rows]
    paths = library.paths_of(ids)
    tags = library.tags_of(ids)
    order = sorted(range(len(ids)), key=lambda i: (-score_N[rows[i]], str(paths[ids[i]])))
    return [
        Hit(
            paths[ids[i]],
            float(score_N[rows[i]]),
            _mean(parts[0][rows[i]] for parts in found.parts.values()),
            _mean(parts[1][rows[i]] for parts in found.parts.values()),
            tuple(tags[ids[i]]),
        )
        for i in order
    ]


def _mean(values: Iterable[float]) -> float:
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers) if numbers else 0.0
