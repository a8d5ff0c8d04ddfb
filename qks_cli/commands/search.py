"""``qks search``: photos by tags and by meaning, in well under a second, without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.commands.options import Db, Model, Null, RowFormat
from qks_cli.commands.output import Row, Writer, say
from qks_cli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from qks_cli.bundle import Bundle
    from qks_cli.index.search import Meaning

MIN_SCORE = 0.005  # words without meaning stay below it, weak answers above


def search(
    query: Annotated[list[str], typer.Argument(help="Words or a phrase.")],
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
) -> None:
    """Find photos by tags and by meaning.

    Words that are labels or synonyms match tags; the whole phrase matches by meaning.

    Exit code 0 where photos were found, 1 where none was, 2 on an error.
    """
    if tags_only and semantic_only:
        raise UsageError("--tags-only and --semantic-only exclude each other")
    phrase = " ".join(query).strip()
    if not phrase:
        raise UsageError("an empty query")
    writer = Writer(format, nul=nul)
    from qks_cli import settings
    from qks_cli.bundle import read_bundle
    from qks_cli.index.search import Words, match_labels
    from qks_cli.index.search import search as find
    from qks_cli.index.store import Library
    from qks_cli.vocabulary.labels_file import parse_labels

    with Library.open(db or settings.index_path(), create=False) as library:
        words = Words((), 0.0)
        text = library.latest_vocabulary()
        if not semantic_only and text is not None:
            words = match_labels(phrase, parse_labels(text, "the library's labels")[0])
        meaning, model_id = None, None
        if not tags_only:
            bundle = read_bundle(model)
            model_id = library.stored_model(bundle.hash)
            if model_id is not None:
                meaning = _meaning(bundle, phrase)
            elif semantic_only:
                raise ModelError(
                    f"no photo in this library was tagged with this {bundle.name} model",
                    hint="run `qks tag` again, or give --model",
                )
            elif library.photo_count():
                say(f"qks: tagged with another model than {bundle.name}: matching tags only")
        hits = find(
            library,
            words=words,
            meaning=meaning,
            model_id=model_id,
            limit=limit,
            min_score=min_score,
        )
    writer.write(
        Row(
            hit.path,
            hit.tags,
            {
                "score": round(hit.score, 4),
                "tag_score": round(hit.tag_score, 4),
                "meaning_score": round(hit.meaning_score, 4),
            },
            f"{hit.score:.2f}  ",
        )
        for hit in hits
    )
    if not hits:
        raise typer.Exit(1)


def _meaning(bundle: Bundle, phrase: str) -> Meaning:
    """How well photos fit ``phrase``, on the same scale as tags."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from qks_cli.index.search import closeness
    from qks_cli.inference.choose import open_engine
    from qks_cli.tagging.calibration import Calibration
    from qks_cli.types import Float16Array, Float32Array
    from qks_cli.vocabulary.embeddings import embed_labels
    from qks_cli.vocabulary.labels_file import Label

    # Reading the reference bank and loading the text tower leave Python alone: at the same time.
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(Calibration.read, bundle)
        query_1E = embed_labels(
            [Label(phrase)],
            templates=bundle.templates,
            embed=open_engine(bundle, "cpu").text_embeddings,
            model_hash=bundle.hash,
            cache=None,
            length=bundle.label_length,
        )
        calibration = read.result()
    stats = calibration.label_stats(query_1E)
    raw = closeness(query_1E[0])

    def fits(tokens_NME: Float16Array) -> Float32Array:
        return np.asarray(
            calibration.probabilities(raw(tokens_NME)[:, None], stats)[:, 0], np.float32
        )

    return fits
