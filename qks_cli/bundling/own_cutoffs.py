"""A labels file in which labels have cut-offs of their own, fitted on labelled photos.

Axes: N photos, M query tokens, E label space, C labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qks_cli.model.cutoffs import CutoffReport, fit_cutoffs
from qks_cli.model.model import Model
from qks_cli.types import BoolArray, Float32Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary, format_labels


def write_own_cutoffs(
    model: Model,
    names: Sequence[str],
    tokens_NME: Float32Array,
    present_NC: BoolArray,
    known_NC: BoolArray,
    path: Path,
) -> CutoffReport:
    """Fit on the scores that tagging gives, and write ``path``. Of labels that share a name (as
    MIDs do) the first counts. Returns what was fitted, for the labels of the file."""
    first = {name.casefold(): c for c, name in reversed(list(enumerate(names)))}
    columns = sorted(first.values())
    labels = [Label(names[c]) for c in columns]
    tagger = model.tagger(Vocabulary(tuple(labels)))
    said_NC = tagger.scores(tokens_NME)
    report = fit_cutoffs(said_NC, present_NC[:, columns], known_NC[:, columns], model.cutoff)
    written = [
        Label(label.name, cutoff=None if np.isnan(value) else round(float(value), 4))
        for label, value in zip(labels, report.cutoffs_C, strict=True)
    ]
    path.write_text(format_labels(Vocabulary(tuple(written))), encoding="utf-8")
    return report
