"""The best photos of a library for a query, or beside another photo. numpy only.

In a large library photos are first judged by compact vectors (search/compact.py); the best are
judged again by their query tokens.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from qks_cli.library import names, texts
from qks_cli.library.moments import any_moments, video_ids
from qks_cli.library.store import Library
from qks_cli.search.compact import EXACT
from qks_cli.search.evaluation import Evaluation, Meaning, text_words
from qks_cli.search.filters import Condition, add_functions
from qks_cli.search.folding import Stacked, fold_stacks, stacked
from qks_cli.search.grammar import Filter, Node
from qks_cli.search.moments import best_moments
from qks_cli.search.passing import passing
from qks_cli.search.plan import Plan, ScoreRange
from qks_cli.search.scorer import (
    Compared,
    Part,
    RawScores,
    compact_scores,
    exact_scores,
    found_among,
    ids_of,
    mean_token,
)
from qks_cli.search.sorting import Sort
from qks_cli.types import BoolArray, Float32Array, Int64Array, Tag

# Of N photos in a large library, so many times √N are judged exactly, and at least so many: as many
# as the worst of 180 phrases needs (docs/experiments/search.md).
ROOTS = 8
LEAST = 3000
THERE = "status = 'ok' AND missing_since IS NULL"
GONE = ("status < 'ok'", "status > 'ok'", "missing_since IS NOT NULL")  # all others, by indices


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a model says of a plan's phrases and photos: ``meanings`` of those that meaning speaks
    for, the query tokens [M, E] of every ``like:`` photo. ``by_tags`` False leaves tags out,
    ``by_text`` True lets text that was read in photos answer too. A meaning that fits less than
    ``floor`` (0 to 1) is none."""

    model_id: int | None = None
    meanings: Mapping[Node, Meaning] = field(default_factory=dict)
    likes: Mapping[Filter, Float32Array] = field(default_factory=dict)
    by_tags: bool = True
    by_text: bool = False
    floor: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo that was found. All scores are 0 to 1; the tags are all that the photo has.

    ``tag_score`` and ``meaning_score`` are means over the phrases of the query. ``matched`` are the
    dates and folders among its plain words that name the photo ("date 2023", "folder Paris"), and
    "text" where it was found by ``text`` in it: the line that holds what was looked for.
    ``moment`` is the second of a video that answers best."""

    path: Path
    score: float
    tag_score: float
    meaning_score: float
    tags: tuple[Tag, ...]
    matched: tuple[str, ...] = ()
    names: tuple[Path, ...] = ()  # other paths that lead to it
    taken_at: str | None = None  # ISO 8601 by the camera's clock
    camera: str | None = None
    text: str = ""
    stack: Stacked | None = None
    moment: float | None = None


class Found(list[Hit]):
    """The photos that are shown; ``total`` counts all that were found."""

    def __init__(self, hits: Iterable[Hit] = (), total: int = 0) -> None:
        super().__init__(hits)
        self.total = total


@dataclass(frozen=True, slots=True)
class _Judged:
    """Photos that a query may find, ids ascending, and what it says of them, 0 to 1."""

    ids_N: Int64Array
    score_N: Float32Array
    evaluation: Evaluation | None = None


def search(
    library: Library,
    plan: Plan,
    evidence: Evidence,
    *,
    limit: int = 20,
    exact: bool = False,
    sort: Sort = Sort.score,
    every_member: bool = False,
) -> Found:
    """The best photos, best first, ties by path, or the first in the order of ``sort``. ``exact``
    judges every photo by its query tokens. A stack is one of them, unless ``every_member`` is."""
    judged = _judged(library, plan, evidence, limit, exact=exact)
    return _hits(
        library,
        judged.ids_N,
        judged.score_N,
        plan.scores,
        limit,
        judged.evaluation,
        sort=sort,
        looked_for=_looked_for(plan, judged.evaluation),
        every_member=every_member,
        moments_of=lambda ids: _moments(library, plan, evidence, ids),
    )


def search_ids(
    library: Library,
    plan: Plan,
    evidence: Evidence,
    *,
    limit: int,
    sort: Sort = Sort.score,
    every_member: bool = False,
) -> list[int]:
    """Ids of all photos that are found, one a stack unless ``every_member``, in the order of
    ``sort``: nothing else is read of them. In a large library ``limit`` says how many are looked
    for by meaning."""
    judged = _judged(library, plan, evidence, limit, exact=False)
    kept, score_N = np.flatnonzero(_within(judged.score_N, plan.scores)), judged.score_N
    if not every_member:
        kept, score_N = fold_stacks(library, judged.ids_N, score_N, kept)
    rows = _rows_by(library, judged.ids_N, kept, Sort.name if sort is Sort.score else sort)
    if sort is Sort.score:
        rows = rows[np.argsort(-score_N[rows], kind="stable")]
    return [int(photo_id) for photo_id in judged.ids_N[rows]]


def _judged(
    library: Library, plan: Plan, evidence: Evidence, limit: int, *, exact: bool
) -> _Judged:
    add_functions(library)
    ids_N = _present(library, plan.where)
    if plan.node is None:
        return _Judged(ids_N, np.ones(len(ids_N), np.float32))
    node, compared = plan.node, _compared(library, evidence)

    def evaluate(ids_N: Int64Array, raw: RawScores, floor: float = 0.0) -> Evaluation:
        return Evaluation(
            library,
            plan,
            evidence.meanings,
            ids_N,
            raw,
            by_tags=evidence.by_tags,
            by_text=evidence.by_text,
            floor=floor,
        )

    raw: RawScores = {}
    if compared is not None:
        if not exact:
            ids_N = _best(
                library, compared, ids_N, limit, lambda ids, raw: evaluate(ids, raw).score(node)
            )
        raw = exact_scores(library, compared, ids_N)
    last = evaluate(ids_N, raw, evidence.floor)
    return _Judged(ids_N, last.score(node), last)


def most_similar(
    library: Library,
    model_id: int,
    tokens_ME: Float32Array,
    *,
    limit: int = 20,
    min_score: float = 0.0,
    exact: bool = False,
    every_member: bool = False,
) -> Found:
    """The photos most like one with these query tokens, best first, ties by path. Their score is
    the cosine of all query tokens around the library's mean, 0 where it is negative."""
    ids_N = _ids(library, THERE)
    compared = Compared(
        model_id, tokens={None: tokens_ME}, mean_token_E=mean_token(library, model_id)
    )

    def score(ids_N: Int64Array, raw: RawScores) -> Float32Array:
        return np.clip(raw[None], 0, 1)

    if not exact:
        ids_N = _best(library, compared, ids_N, limit, score)
    score_N = score(ids_N, exact_scores(library, compared, ids_N))
    return _hits(
        library,
        ids_N,
        score_N,
        ScoreRange(low=min_score),
        limit,
        every_member=every_member,
        moments_of=lambda ids: best_moments(library, ids, (), compared),
    )


def _ids(library: Library, where: str, values: tuple[object, ...] = ()) -> Int64Array:
    def read() -> Int64Array:
        return ids_of(library, f"SELECT id FROM photos WHERE {where}", values)

    def read_all() -> Int64Array:
        # Mostly few ids are missing. Those are asked for, in a tenth of the time.
        first, last, count = (
            library.value(f"SELECT {what} FROM photos")
            for what in ("min(id)", "max(id)", "count(*)")
        )
        if not count or last - first + 1 != count:
            return read()
        gone = ids_of(library, " UNION ".join(f"SELECT id FROM photos WHERE {x}" for x in GONE))
        ids_N = np.arange(first, last + 1, dtype=np.int64)
        return np.delete(ids_N, gone - first)

    if where in (THERE, f"{THERE} AND 1"):
        return library.derived("ids", read_all)
    return read()


def _present(library: Library, where: Condition) -> Int64Array:
    """Ids, ascending, of the photos that are there and pass a condition."""
    if not library.remembers or where.sql == "1":
        return _ids(library, f"{THERE} AND {where.sql}", where.values)
    ids_N = passing(library, where)
    rows, _ = found_among(_ids(library, THERE), ids_N)
    return ids_N[rows]


def _compared(library: Library, evidence: Evidence) -> Compared | None:
    if evidence.model_id is None or not (evidence.meanings or evidence.likes):
        return None
    vectors: dict[Part, Float32Array] = {
        node: meaning.vector_E for node, meaning in evidence.meanings.items()
    }
    if not evidence.likes:
        return Compared(evidence.model_id, vectors)
    tokens: dict[Part, Float32Array] = dict(evidence.likes.items())
    return Compared(evidence.model_id, vectors, tokens, mean_token(library, evidence.model_id))


def _best(
    library: Library,
    compared: Compared,
    ids_N: Int64Array,
    limit: int,
    score: Callable[[Int64Array, RawScores], Float32Array],
) -> Int64Array:
    """Of many photos, ids ascending, those that compact vectors put first."""
    if len(ids_N) <= EXACT:
        return ids_N
    about_N = score(ids_N, compact_scores(library, compared, ids_N))
    count = min(len(ids_N), max(LEAST, 2 * limit, int(ROOTS * len(ids_N) ** 0.5)))
    best = np.argpartition(-about_N, count - 1)[:count]
    chosen = ids_N[best[about_N[best] > 0]]
    # Compact vectors know one frame of a video: all videos are looked at.
    videos = np.array(video_ids(library, compared.model_id), np.int64)
    _, places = found_among(ids_N, videos)
    return np.union1d(chosen, ids_N[places])


def _hits(
    library: Library,
    ids_N: Int64Array,
    score_N: Float32Array,
    scores: ScoreRange,
    limit: int,
    found: Evaluation | None = None,
    *,
    sort: Sort = Sort.score,
    looked_for: Sequence[Sequence[str]] = (),
    every_member: bool = False,
    moments_of: Callable[[Sequence[int]], Mapping[int, float]] = lambda ids: {},
) -> Found:
    every = np.flatnonzero(_within(score_N, scores))
    if not every_member:
        every, score_N = fold_stacks(library, ids_N, score_N, every)
    if sort is Sort.score:
        rows = _first_rows(library, ids_N, score_N, every, limit)
    else:
        rows = _rows_by(library, ids_N, every, sort)[:limit]
    ids = ids_N[rows].tolist()
    paths, tags = library.photos.paths_of(ids), library.tags.of(ids)
    others = names.of(library, ids)
    parts = list(found.parts.values()) if found else []
    passed = found.passed if found else {}
    order = list(range(len(ids)))
    if sort is Sort.score:
        order.sort(key=lambda i: (-score_N[rows[i]], str(paths[ids[i]])))
    lines = _lines(library, ids, looked_for)
    noted, stack_of = library.photos.dates_of(ids), stacked(library, ids)
    moments = moments_of(ids)
    hits = (
        Hit(
            paths[ids[i]],
            float(score_N[rows[i]]),
            _mean(tag_N[rows[i]] for tag_N, _ in parts),
            _mean(meant_N[rows[i]] for _, meant_N in parts),
            tuple(tags[ids[i]]),
            (
                *(shown for shown, passed_N in passed.items() if passed_N[rows[i]]),
                *(["text"] if ids[i] in lines else []),
            ),
            tuple(others.get(ids[i], ())),
            *noted[ids[i]],
            lines.get(ids[i], ""),
            stack_of.get(ids[i]),
            moments.get(ids[i]),
        )
        for i in order
    )
    return Found(hits, len(every))


def _moments(
    library: Library, plan: Plan, evidence: Evidence, ids: Sequence[int]
) -> dict[int, float]:
    """The moments of videos that answer a query best, by id."""
    if not any_moments(library):
        return {}
    phrases = [words.labels for words in plan.labels.values()] if evidence.by_tags else []
    labels = [*(label for own in phrases for label in own), *plan.named.values()]
    return best_moments(library, ids, labels, _compared(library, evidence), evidence.meanings)


def _looked_for(plan: Plan, found: Evaluation | None) -> list[list[str]]:
    """The words that a query looks for in text: of its ``text:`` filters, and of its phrases."""
    filters = [
        [*wanted[:-1], wanted[-1] + "*" * one.value.endswith("*")]
        for one in plan.conditions
        if one.name == "text" and (wanted := texts.words(one.value))
    ]
    return filters + [text_words(node) for node in (found.in_text if found else ())]


def _lines(
    library: Library, ids: Sequence[int], looked_for: Sequence[Sequence[str]]
) -> dict[int, str]:
    """By photo, the line of its text that holds what was looked for."""
    if not looked_for:
        return {}
    found = {}
    for photo_id, text in texts.of(library, ids).items():
        lines = (texts.line_with(text, wanted) for wanted in looked_for)
        line = next((line for line in lines if line), "")
        if line:
            found[photo_id] = line
    return found


def _within(score_N: Float32Array, scores: ScoreRange) -> BoolArray:
    """Which photos [N] were found."""
    kept_N = (score_N > 0) & (score_N > scores.low if scores.above else score_N >= scores.low)
    kept_N &= score_N < scores.high if scores.below else score_N <= scores.high
    return np.asarray(kept_N)


def _rows_by(library: Library, ids_N: Int64Array, rows: Int64Array, sort: Sort) -> Int64Array:
    """These rows in the order of a column."""
    place = {photo_id: row for photo_id, row in zip(ids_N[rows].tolist(), rows, strict=True)}
    ordered = library.photos.in_order(list(place), sort.value)
    return np.array([place[photo_id] for photo_id in ordered], np.int64)


def _first_rows(
    library: Library, ids_N: Int64Array, score_N: Float32Array, rows: Int64Array, limit: int
) -> Int64Array:
    """Of these rows the ``limit`` with the best scores, ties at the limit by path."""
    if len(rows) <= limit:
        return rows
    # All of the last score's photos are looked at: any of them may be the first by path.
    last = -np.partition(-score_N[rows], limit - 1)[limit - 1]
    better, tied = rows[score_N[rows] > last], rows[score_N[rows] == last]
    chosen = set(library.photos.first_by_path(ids_N[tied].tolist(), limit - len(better)))
    return np.array([*better, *(row for row in tied if int(ids_N[row]) in chosen)], np.int64)


def _mean(values: Iterable[float]) -> float:
    numbers = [float(value) for value in values]
    return sum(numbers) / len(numbers) if numbers else 0.0
