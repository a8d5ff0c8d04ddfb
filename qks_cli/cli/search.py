"""``qks search``: photos by tags and by meaning, in well under a second, without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Model, Null, RowFormat
from qks_cli.cli.output import Row, Writer, say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qks_cli.library.store import Library
    from qks_cli.model.bundle import Bundle
    from qks_cli.search.evaluation import Meaning
    from qks_cli.search.grammar import Node, Sum, Text
    from qks_cli.search.plan import Plan
    from qks_cli.search.ranking import Evidence, Hit
    from qks_cli.search.words import Lookup
    from qks_cli.types import Float32Array

MIN_SCORE = 0.005  # words without meaning stay below it, weak answers above


def _help_query(wanted: bool) -> None:
    if wanted:
        from qks_cli.search.grammar import HELP

        typer.echo(HELP, nl=False)
        raise typer.Exit


def search(
    query: Annotated[list[str], typer.Argument(help="Words, phrases, filters: --help-query.")],
    db: Db = None,
    model: Model = "mini",
    limit: Annotated[int, typer.Option(min=1, help="Photos at most.")] = 20,
    min_score: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Photos that fit less are not shown.")
    ] = MIN_SCORE,
    format: RowFormat = None,
    nul: Null = False,
    tags_only: Annotated[
        bool, typer.Option("--tags-only", help="Match tags, ignore meaning.")
    ] = False,
    semantic_only: Annotated[
        bool, typer.Option("--semantic-only", help="Match meaning, ignore tags.")
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Judge every photo in full, however many there are.")
    ] = False,
    help_query: Annotated[
        bool,
        typer.Option(
            "--help-query", callback=_help_query, is_eager=True, help="Describe the query language."
        ),
    ] = False,
) -> None:
    """Find photos by tags, by meaning and by what cameras noted.

    Words that are labels or synonyms match tags; the whole phrase matches by meaning. Filters,
    OR, NOT and more: --help-query.

    Exit code 0 where photos were found, 1 where none was, 2 on an error.
    """
    if tags_only and semantic_only:
        raise UsageError("--tags-only and --semantic-only exclude each other")
    writer = Writer(format, nul=nul)
    # Read when numpy is first imported: waiting for a second thread takes longer than one thread.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from qks_cli.search.plan import make_plan
    from qks_cli.search.ranking import search as find
    from qks_cli.workflows.session import open_library

    text = " ".join(query)
    with open_library(db, create=False) as library:
        plan = make_plan(text, label_lookup(library), min_score=min_score)
        evidence = evidence_for(
            library, plan, model, by_tags=not semantic_only, by_meaning=not tags_only
        )
        hits = find(library, plan, evidence, limit=limit, exact=exact)
    writer.write(hit_row(hit) for hit in hits)
    writer.close()
    if not hits:
        raise typer.Exit(1)


def evidence_for(
    library: Library, plan: Plan, model: str, *, by_tags: bool, by_meaning: bool
) -> Evidence:
    """What the model says of a query's phrases and photos; nothing is opened that it can do
    without."""
    from qks_cli.model.bundle import read_bundle
    from qks_cli.search.ranking import Evidence
    from qks_cli.workflows.session import tagged_model

    phrases = plan.phrases if by_meaning else ()
    if not (phrases or plan.likes):
        return Evidence(by_tags=by_tags)
    if plan.likes or not by_tags:
        bundle, model_id = tagged_model(library, model)
    else:
        bundle = read_bundle(model)
        stored = library.models.stored(bundle.hash)
        if stored is None:
            if library.photos.count():
                say(f"qks: tagged with another model than {bundle.name}: matching tags only")
            return Evidence(by_tags=by_tags)
        model_id = stored
    return Evidence(
        model_id,
        meanings_of(bundle, phrases) if phrases else {},
        {like: tokens_of_photo(library, bundle, model_id, Path(like.value)) for like in plan.likes},
        by_tags,
    )


def label_lookup(library: Library) -> Lookup:
    """Words and synonyms of the library's vocabulary, and every label that its tags have."""
    from qks_cli.folding import fold
    from qks_cli.vocabulary.labels_file import Vocabulary, parse_labels

    text = library.vocabularies.latest()
    vocabulary = Vocabulary(())
    if text is not None:
        vocabulary = parse_labels(text, "the library's labels")[0]
    others = {fold(name): name for name in library.tags.names()}

    def lookup(word: str) -> str | None:
        label = vocabulary.lookup(word)
        return label.name if label is not None else others.get(fold(word))

    return lookup


def hit_row(hit: Hit) -> Row:
    """What a found photo prints."""
    return Row(
        hit.path,
        hit.tags,
        {
            "score": round(hit.score, 4),
            "tag_score": round(hit.tag_score, 4),
            "meaning_score": round(hit.meaning_score, 4),
        },
        f"{hit.score:.2f}  ",
    )


def meanings_of(bundle: Bundle, nodes: Sequence[Text | Sum]) -> dict[Node, Meaning]:
    """How well photos fit each phrase or sum of phrases, on the same scale as tags."""
    from qks_cli.model.model import Model, Phrase
    from qks_cli.search.evaluation import Meaning
    from qks_cli.search.grammar import Text

    terms = {node: (node,) if isinstance(node, Text) else node.terms for node in nodes}
    meant = Model(bundle).meanings(
        [[Phrase(x.text, x.weight) for x in own] for own in terms.values()]
    )
    return {
        node: Meaning(one.vector_E, one.probabilities)
        for node, one in zip(terms, meant, strict=True)
    }


def tokens_of_photo(library: Library, bundle: Bundle, model_id: int, photo: Path) -> Float32Array:
    """Query tokens [M, E] of a photo, from the library where it is there.

    Raises ``UsageError`` where it cannot be read."""
    import numpy as np

    from qks_cli.photos.walk import absolute

    path = absolute(photo.expanduser())
    known = library.photos.known([path]).get(path)
    if known is not None:
        _, stored_NME = library.tokens.of([known.id], model_id)
        if stored_NME is not None:
            return np.asarray(stored_NME[0], np.float32)
    from qks_cli.errors import PhotoError
    from qks_cli.model.engine import open_engine
    from qks_cli.photos.readers import read_one

    try:
        pixels_HW3 = read_one(path, bundle.resize, bundle.image_size)
    except PhotoError as error:
        raise UsageError(f"{path}: {error.reason}", hint=error.hint) from error
    return np.asarray(open_engine(bundle, "cpu").query_tokens(pixels_HW3[None])[0], np.float32)
