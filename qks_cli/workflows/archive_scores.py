"""Data sets of archives scored again: with other words, or for a search. No photo is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.model.model import Model, Phrase
from qks_cli.types import Tag
from qks_cli.vocabulary.english import is_understood
from qks_cli.workflows.archive import ArchiveOptions, chosen, continued
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.distributed.dataset import DataSet


@dataclass(frozen=True, slots=True)
class Match:
    """A photo of an archive that fits a search: its path or URL, 0 to 1, and its tags."""

    path: str
    score: float
    tags: Sequence[Tag]


def retag_archive(
    url: str, out: str, options: ArchiveOptions | None = None, report: Report = SILENT
) -> int:
    """Choose the tags of a data set anew, from its query tokens, into another one at ``out``; how
    many rows were written. A run that was cut off goes on with the partitions that are missing.

    Raises ``UsageError`` where the data set is of another model, or one is at ``out`` that was made
    otherwise."""
    from qks_cli.distributed import scoring
    from qks_cli.distributed.cluster import cluster
    from qks_cli.distributed.dataset import DataSet

    options = options or ArchiveOptions()
    source = DataSet.open(url)
    model = _model_of(source, options)
    wanted = replace(source.manifest, **chosen(model, options, report))
    if DataSet.exists(out):
        target = continued(DataSet.open(out), wanted)
        if target.root == source.root:
            raise UsageError("--out is the data set itself", hint="give another folder")
    else:
        target = DataSet.create(out, wanted)
    with cluster(options.address, options.workers) as sizes:
        return scoring.retag(source, target, str(model.bundle.path), sizes)


def search_archive(
    url: str, text: str, options: ArchiveOptions | None = None, *, limit: int = 20
) -> tuple[list[Match], bool]:
    """The photos of a data set that fit a text best, best first, and whether the best of them means
    something: of an archive that shows nothing of the kind some photo fits best too.

    Raises ``UsageError`` where the data set is of another model."""
    from qks_cli.distributed import scoring
    from qks_cli.distributed.cluster import cluster
    from qks_cli.distributed.dataset import DataSet

    options = options or ArchiveOptions()
    source = DataSet.open(url)
    model = _model_of(source, options)
    [meaning] = model.meanings([[Phrase(text)]])
    photos = max(1, source.manifest.photos or 1)
    with cluster(options.address, options.workers) as sizes:
        found = scoring.search(source, meaning.vector_E, sizes, limit=limit, photos=photos)
    scores_N = meaning.probabilities(np.array([one.raw for one in found], np.float32))
    matches = [
        Match(one.path, float(score), one.tags) for one, score in zip(found, scores_N, strict=True)
    ]
    sure = bool(matches) and matches[0].score * meaning.worth >= model.floor.of(photos)
    return matches, sure and is_understood(text, model.unknown_words(text))


def _model_of(source: DataSet, options: ArchiveOptions) -> Model:
    model = Model.open(options.model)
    if model.hash != source.manifest.model_hash:
        raise UsageError(
            f"{source.url} was made with another model than {model.name}",
            hint=f"--model names it: {source.manifest.model} {source.manifest.model_version}",
        )
    return model
