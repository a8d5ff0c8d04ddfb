"""Find photos of a library: by a query, or by a photo that they look like.

Axes: M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.errors import PhotoError, UsageError
from qks_cli.folding import fold
from qks_cli.library.store import Library
from qks_cli.model.bundle import read_bundle
from qks_cli.model.model import Model, Phrase
from qks_cli.search.evaluation import Meaning
from qks_cli.search.grammar import Node, Sum, Text
from qks_cli.search.plan import Plan, make_plan
from qks_cli.search.ranking import Evidence, Hit, most_similar
from qks_cli.search.ranking import search as rank
from qks_cli.search.words import Lookup
from qks_cli.types import Float32Array
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import library_vocabulary, tagged_model

MIN_SCORE = 0.005  # words without meaning stay below it, weak answers above


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search. ``model`` is a name or folder. ``limit`` bounds the hits; those with a score
    below ``min_score`` (0 to 1) are left out. ``by_tags`` and ``by_meaning`` say what may answer.
    ``exact`` judges every photo in full, however many there are."""

    model: str = "mini"
    limit: int = 20
    min_score: float = MIN_SCORE
    by_tags: bool = True
    by_meaning: bool = True
    exact: bool = False


def search(
    library: Library,
    query: str,
    options: SearchOptions = SearchOptions(),
    report: Report = SILENT,
) -> list[Hit]:
    """Photos that answer a query of the query language, best first.

    Raises ``QueryError`` for a query that cannot be used, before a model is opened, and
    ``ModelError`` where only a model that tagged nothing here could answer."""
    plan = make_plan(query, label_lookup(library), min_score=options.min_score)
    evidence = _evidence(library, plan, options, report)
    return rank(library, plan, evidence, limit=options.limit, exact=options.exact)


def similar(
    library: Library,
    photo: Path,
    options: SearchOptions = SearchOptions(min_score=0.0),
) -> list[Hit]:
    """Photos that look like one, in the library or not, best first; it is left out itself.

    Raises ``UsageError`` where it cannot be read."""
    from qks_cli.photos.walk import absolute

    model, model_id = tagged_model(library, options.model)
    hits = most_similar(
        library,
        model_id,
        _tokens_of(library, model, model_id, photo),
        limit=options.limit + 1,
        min_score=options.min_score,
        exact=options.exact,
    )
    own = absolute(photo)
    return [hit for hit in hits if hit.path != own][: options.limit]


def label_lookup(library: Library) -> Lookup:
    """Words and synonyms of the library's vocabulary, and every label that its tags have."""
    vocabulary = library_vocabulary(library)
    others = {fold(name): name for name in library.tags.names()}

    def lookup(word: str) -> str | None:
        label = vocabulary.lookup(word)
        return label.name if label is not None else others.get(fold(word))

    return lookup


def _evidence(library: Library, plan: Plan, options: SearchOptions, report: Report) -> Evidence:
    """What the model says of a query's phrases and photos; nothing is opened that it can do
    without."""
    phrases = plan.phrases if options.by_meaning else ()
    if not (phrases or plan.likes):
        return Evidence(by_tags=options.by_tags)
    if plan.likes or not options.by_tags:
        model, model_id = tagged_model(library, options.model)
    else:
        model = Model(read_bundle(options.model))
        stored = library.models.stored(model.hash)
        if stored is None:
            if library.photos.count():
                report.note(f"qks: tagged with another model than {model.name}: matching tags only")
            return Evidence(by_tags=options.by_tags)
        model_id = stored
    tokens = {x: _tokens_of(library, model, model_id, Path(x.value)) for x in plan.likes}
    meanings = _meanings(model, phrases) if phrases else {}
    return Evidence(model_id, meanings, tokens, options.by_tags)


def _meanings(model: Model, nodes: Sequence[Text | Sum]) -> dict[Node, Meaning]:
    terms = [(node,) if isinstance(node, Text) else node.terms for node in nodes]
    meant = model.meanings([[Phrase(x.text, x.weight) for x in own] for own in terms])
    return {
        node: Meaning(one.vector_E, one.probabilities)
        for node, one in zip(nodes, meant, strict=True)
    }


def _tokens_of(library: Library, model: Model, model_id: int, photo: Path) -> Float32Array:
    """Query tokens [M, E] of a photo, from the library where it is there."""
    from qks_cli.photos.walk import absolute

    path = absolute(photo.expanduser())
    known = library.photos.known([path]).get(path)
    if known is not None:
        _, stored_NME = library.tokens.of([known.id], model_id)
        if stored_NME is not None:
            return np.asarray(stored_NME[0], np.float32)
    try:
        return model.tokens_of_photo(path)
    except PhotoError as error:
        raise UsageError(f"{path}: {error.reason}", hint=error.hint) from error
