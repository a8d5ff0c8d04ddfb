"""Rank a library's photos for a query, by their tags and by meaning. numpy only.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.index.store import Library
from qks_cli.types import Float16Array, Float32Array, Tag
from qks_cli.vocabulary.labels_file import Vocabulary
from qks_cli.vocabulary.number import plural, singular

BLOCK = 64  # photos widened to single precision at a time
LONGEST_LABEL = 6  # words of a query that may name one label
# Words that say nothing about what is in a photo.
STOP_WORDS = frozenset("a an the of in on at with and or to my our some this that is are".split())

Meaning = Callable[[Float16Array], Float32Array]
"""Query tokens [N, M, E] to how well each photo fits the phrase, 0 to 1: [N]."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A photo that was found. All scores are 0 to 1; the tags are all that the photo has."""

    path: Path
    score: float
    tag_score: float
    meaning_score: float
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """``labels`` that the query names, and the share of its words that they cover."""

    labels: tuple[str, ...]
    covered: float


def match_labels(query: str, vocabulary: Vocabulary) -> Words:
    """The labels that a query names, by name, synonym or plain plural, longest first."""
    words = re.findall(r"[\w'-]+", query.casefold())
    meant = [word for word in words if word not in STOP_WORDS] or words
    found: list[str] = []
    covered = at = 0
    while at < len(words):
        for end in range(min(len(words), at + LONGEST_LABEL), at, -1):
            label = _lookup(" ".join(words[at:end]), vocabulary)
            if label is not None:
                found.append(label)
                covered += sum(word in meant for word in words[at:end])
                at = end
                break
        else:
            at += 1
    return Words(tuple(dict.fromkeys(found)), covered / len(meant) if meant else 0.0)


def search(
    library: Library,
    *,
    words: Words = Words((), 0.0),
    meaning: Meaning | None = None,
    model_id: int | None = None,
    limit: int = 20,
    min_score: float = 0.0,
) -> list[Hit]:
    """The best photos, best first, ties by path.

    The tag score is the mean score of the named labels (0 for one that the photo lacks), times the
    share of the query that they cover. ``meaning`` judges the query tokens of ``model_id``. Where
    both speak, a photo is found by either: 1 - (1 - tag)(1 - meaning).
    """
    by_tag = _tag_scores(library, words)
    by_meaning: dict[int, float] = {}
    if meaning is not None and model_id is not None:
        for ids, fits in _judged(library.iter_tokens(model_id), meaning):
            kept = np.flatnonzero(fits >= min_score) if not by_tag else range(len(ids))
            by_meaning.update((ids[row], float(fits[row])) for row in kept)
    combined = {
        photo_id: 1 - (1 - by_tag.get(photo_id, 0.0)) * (1 - by_meaning.get(photo_id, 0.0))
        for photo_id in by_tag.keys() | by_meaning.keys()
    }
    wanted = [photo_id for photo_id, score in combined.items() if score > 0 and score >= min_score]
    best = sorted(wanted, key=lambda photo_id: -combined[photo_id])
    # Ties at the limit are broken by path, so all of the last score's photos are looked at.
    if len(best) > limit:
        last = combined[best[limit - 1]]
        best = [photo_id for photo_id in best if combined[photo_id] >= last]
    paths = library.paths_of(best)
    best = sorted(best, key=lambda photo_id: (-combined[photo_id], str(paths[photo_id])))[:limit]
    tags = library.tags_of(best)
    return [
        Hit(
            paths[photo_id],
            combined[photo_id],
            by_tag.get(photo_id, 0.0),
            by_meaning.get(photo_id, 0.0),
            tuple(tags[photo_id]),
        )
        for photo_id in best
    ]


def _judged(
    chunks: Iterator[tuple[list[int], Float16Array]], meaning: Meaning
) -> Iterator[tuple[list[int], Float32Array]]:
    """One chunk is judged on a thread while the next is read."""
    with ThreadPoolExecutor(1) as pool:
        waiting: tuple[list[int], Future[Float32Array]] | None = None
        for ids, tokens_NME in chunks:
            judging = pool.submit(meaning, tokens_NME)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = (ids, judging)
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _lookup(phrase: str, vocabulary: Vocabulary) -> str | None:
    tries = (phrase, singular(phrase), plural(phrase))
    for wanted in tries:
        label = vocabulary.lookup(wanted)
        if label is not None:
            return label.name
    return None


def _tag_scores(library: Library, words: Words) -> dict[int, float]:
    sums: dict[int, float] = {}
    for name in words.labels:
        for photo_id, score in library.tagged_with(name):
            sums[photo_id] = sums.get(photo_id, 0.0) + score
    share = words.covered / max(1, len(words.labels))
    return {photo_id: total * share for photo_id, total in sums.items()}


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
