"""``qks clusters``: what an unknown archive holds, in groups with typical photos and words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qks_cli.cli.options import Db, Labels, Model, RecordFormat
from qks_cli.cli.output import Records
from qks_cli.errors import UsageError

SAMPLE = 64  # photos of a group whose words are looked for
WORDS = 6
TYPICAL = 3


def clusters(
    count: Annotated[int, typer.Option(min=2, help="Groups.")] = 24,
    labels: Labels = None,
    db: Db = None,
    model: Model = "mini",
    format: RecordFormat = None,
) -> None:
    """Group photos by meaning; show each group's typical photos and the words that fit it best.

    The words come from --labels, else from the model's own: what fits many groups is worth a line
    in your labels file.
    """
    writer = Records(format, ("cluster", "photos", "words", "typical"))
    import numpy as np

    from qks_cli.cli.labels import read_vocabulary
    from qks_cli.search.lookalikes import pooled
    from qks_cli.workflows.session import open_library, stored_tagger, tagged_model

    with open_library(db, create=False) as library:
        bundle, model_id = tagged_model(library, model)
        vocabulary = read_vocabulary(labels, bundle, quiet=True)
        tagger = stored_tagger(bundle, vocabulary)
        ids_N, mean_NE = pooled(library, model_id)
        if len(ids_N) < count:
            raise UsageError(
                f"{len(ids_N):,} photos make no {count:,} groups", hint="give a smaller --count"
            )
        from sklearn.cluster import MiniBatchKMeans

        kept = MiniBatchKMeans(count, random_state=1, batch_size=4096, n_init=3).fit(mean_NE)
        distance_N = np.linalg.norm(mean_NE - kept.cluster_centers_[kept.labels_], axis=1)
        groups = []
        for number in range(count):
            rows = np.flatnonzero(kept.labels_ == number)
            if len(rows):
                groups.append(ids_N[rows[np.argsort(distance_N[rows])]])
        scores_KC = []
        for own in groups:
            _, tokens_NME = library.tokens.of(own[:SAMPLE].tolist(), model_id)
            assert tokens_NME is not None
            scores_KC.append(tagger.scores(tokens_NME.astype(np.float32)).mean(0))
        # What sets a group apart, not what fits them all.
        apart_KC = np.stack(scores_KC) - np.mean(scores_KC, axis=0)
        records: list[dict[str, Any]] = []
        for own, apart_C in sorted(
            zip(groups, apart_KC, strict=True), key=lambda item: -len(item[0])
        ):
            best = np.argsort(-apart_C)[:WORDS]
            paths = library.photos.paths_of(own[:TYPICAL].tolist())
            typical: list[Path] = [paths[photo_id] for photo_id in own[:TYPICAL].tolist()]
            records.append(
                {
                    "cluster": len(records) + 1,
                    "photos": len(own),
                    "words": [vocabulary.names[c] for c in best if apart_C[c] > 0],
                    "typical": [str(path) for path in typical],
                }
            )
    writer.write(records)
