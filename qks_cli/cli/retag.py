"""``qks retag``: other words for the whole library, without reading a photo."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Labels, MinScore, Model, Top
from qks_cli.cli.output import say

GROUP = 4096  # photos scored and stored together; what a kill can lose


def retag(
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = 20,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Choose the tags of all photos anew, with other labels or another cut-off.

    Works on what the library keeps of every photo, also of those that are missing. A run that was
    cut off goes on where it stopped.
    """
    began = time.monotonic()
    import numpy as np

    from qks_cli.cli.labels import read_vocabulary
    from qks_cli.workflows.session import begin, open_library, stored_tagger, tagged_model

    with open_library(db, create=False) as library:
        bundle, _ = tagged_model(library, model)
        vocabulary = read_vocabulary(labels, bundle, quiet=quiet)
        tagger = stored_tagger(bundle, vocabulary, min_score=min_score, top=top)
        target, run = begin(library, bundle, vocabulary, "retag")
        ids = library.photos.stale_ids(target.model_id, target.vocabulary_id, tagger.selection)
        done, status = 0, "interrupted"
        try:
            for at in range(0, len(ids), GROUP):
                have, tokens_NME = library.tokens.of(ids[at : at + GROUP], target.model_id)
                if tokens_NME is not None:
                    library.retag(
                        zip(have, tagger(tokens_NME.astype(np.float32)), strict=True),
                        model_id=target.model_id,
                        vocabulary_id=target.vocabulary_id,
                        selection=tagger.selection,
                    )
                done += len(have)
            status = "done"
        finally:
            library.runs.finish(run, tagged=done, failed=0, status=status)
        same = library.photos.count() - len(ids)
    if not quiet:
        say(
            f"{done:,} photos tagged again, {same:,} left as they were, "
            f"in {time.monotonic() - began:.1f} s"
        )
