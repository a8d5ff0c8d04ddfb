"""What an unknown archive holds: groups of photos alike in meaning, and the words that fit them.

Axes: N photos, C labels, K groups, M query tokens, E label space.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.library import stacks
from qks_cli.library.store import Library
from qks_cli.search.lookalikes import pooled
from qks_cli.types import Float32Array, Int64Array
from qks_cli.wording import count_of
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.words import choose_words

SAMPLE = 64  # photos of a group whose words are looked for
WORDS = 6
TYPICAL = 3


@dataclass(frozen=True, slots=True)
class Cluster:
    """How many photos it has, the words that set it apart, best first, and its most typical
    photos."""

    photos: int
    words: tuple[str, ...]
    typical: tuple[Path, ...]


def clusters(
    library: Library, count: int, *, labels: Path | None = None, model: str = "mini"
) -> list[Cluster]:
    """At most ``count`` groups of a library's photos, the largest first; words are of ``labels``,
    else of those that the library was last tagged with. A stack is one photo.

    Raises ``UsageError`` where there are fewer photos than groups."""
    opened, model_id = tagged_model(library, model)
    vocabulary = choose_words(opened, library.runs.kept(), labels).vocabulary
    tagger = opened.tagger(vocabulary)
    ids_N, mean_NE = pooled(library, model_id)
    kept_N = np.isin(ids_N, list(stacks.one_each(library, ids_N.tolist())))
    ids_N, mean_NE = ids_N[kept_N], mean_NE[kept_N]
    if len(ids_N) < count:
        raise UsageError(
            f"{count_of(len(ids_N), 'photo')} for {count_of(count, 'group')} are too few",
            hint="give a smaller --count",
        )
    groups = sorted(_grouped(ids_N, mean_NE, count), key=len, reverse=True)
    scores_KC = []
    for own in groups:
        _, tokens_NME = library.tokens.of(own[:SAMPLE].tolist(), model_id)
        assert tokens_NME is not None
        scores_KC.append(tagger.scores(tokens_NME).mean(0))
    # What sets a group apart, not what fits them all.
    apart_KC = np.stack(scores_KC) - np.mean(scores_KC, axis=0)
    found = []
    for own, apart_C in zip(groups, apart_KC, strict=True):
        best = np.argsort(-apart_C)[:WORDS]
        typical = own[:TYPICAL].tolist()
        paths = library.photos.paths_of(typical)
        words = tuple(vocabulary.names[c] for c in best if apart_C[c] > 0)
        found.append(Cluster(len(own), words, tuple(paths[x] for x in typical)))
    return found


def _grouped(ids_N: Int64Array, mean_NE: Float32Array, count: int) -> list[Int64Array]:
    """Ids of each group, the most typical first."""
    from sklearn.cluster import MiniBatchKMeans

    made = MiniBatchKMeans(count, random_state=1, batch_size=4096, n_init=3).fit(mean_NE)
    distance_N = np.linalg.norm(mean_NE - made.cluster_centers_[made.labels_], axis=1)
    rows = [np.flatnonzero(made.labels_ == number) for number in range(count)]
    return [ids_N[own[np.argsort(distance_N[own])]] for own in rows if len(own)]
