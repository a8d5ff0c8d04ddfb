"""Archives of many machines: tagged by a Ray Data job into a Parquet data set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from qks_cli.errors import UsageError
from qks_cli.model.model import Model
from qks_cli.model.selection import TOP
from qks_cli.search import compact
from qks_cli.vocabulary.labels_file import format_labels
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import read_vocabulary

if TYPE_CHECKING:
    from qks_cli.distributed.dataset import DataSet
    from qks_cli.distributed.manifest import Manifest
    from qks_cli.vocabulary.labels_file import Vocabulary


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """``labels`` are a labels file, or its words (None: the model's own). ``address`` is a Ray
    cluster (None: this machine alone, with ``workers`` processors, 0 for all). ``batch`` photos are
    lost with a worker; ``partition_size`` as of a data set."""

    model: str = "mini"
    labels: Path | Vocabulary | None = None
    min_score: float | None = None
    top: int = TOP
    address: str | None = None
    workers: int = 0
    batch: int = 64
    partition_size: int = 20_000


@dataclass(frozen=True, slots=True)
class Archived:
    """Photos of an archive, and how many of them this run tagged."""

    photos: int
    tagged: int


def tag_archive(
    sources: Iterable[str],
    url: str,
    options: ArchiveOptions | None = None,
    report: Report = SILENT,
    names: Iterable[str] = (),
) -> Archived:
    """Tag photos into the Parquet data set at ``url``. A run that was cut off goes on with the
    photos that it listed at first, and reads no photo again that has its row.

    ``sources`` are folders, photos, URLs, and lists: text files (``.txt``) with a path or URL a
    line, and Parquet files with a column ``path``. ``names`` are paths and URLs as of a list.
    Raises ``UsageError`` where the data set was made with another model, other words or cut-offs,
    and where nothing is at a URL."""
    from qks_cli.distributed import tagging
    from qks_cli.distributed.cluster import cluster
    from qks_cli.distributed.dataset import DataSet
    from qks_cli.distributed.sources import listed, write_list

    options = options or ArchiveOptions()
    model = Model.open(options.model)
    wanted = _manifest(model, options, report)
    if DataSet.exists(url):
        target = continued(DataSet.open(url), wanted)
    else:
        target = DataSet.create(url, wanted)
    if target.manifest.photos is None:
        photos = write_list(target, listed(sources, report.problem, names))
        target = target.keep(replace(target.manifest, photos=photos))
    else:
        report.note("qks: going on with the photos that were listed at first")
    with cluster(options.address, options.workers) as sizes:
        tagged = tagging.tag(target, model, sizes, options.batch)
    return Archived(target.manifest.photos or 0, tagged)


class Chosen(TypedDict):
    """What of a manifest says how tags are chosen."""

    vocabulary_digest: str
    vocabulary: str
    selection: str
    min_score: float | None
    top: int | None


def chosen(model: Model, options: ArchiveOptions, report: Report) -> Chosen:
    """How tags are chosen with these options. Raises ``VocabularyError``."""
    words = read_vocabulary(options.labels, model, report)
    tagger = model.tagger(words, min_score=options.min_score, top=options.top)
    return {
        "vocabulary_digest": words.digest,
        "vocabulary": format_labels(words),
        "selection": tagger.selection,
        "min_score": options.min_score,
        "top": options.top,
    }


def _manifest(model: Model, options: ArchiveOptions, report: Report) -> Manifest:
    from qks_cli.distributed.manifest import Manifest, stored_basis

    bundle = model.bundle
    return Manifest(
        bundle.name,
        bundle.version,
        bundle.hash,
        bundle.queries,
        bundle.width,
        # The reference photos of a model stand for those that it will read.
        basis=stored_basis(compact.directions(model.calibration.bank_RME)),
        partition_size=options.partition_size,
        **chosen(model, options, report),
    )


def continued(target: DataSet, wanted: Manifest) -> DataSet:
    """The data set, if a run with ``wanted`` may go on with it."""
    for field, name in (
        ("model_hash", "model"),
        ("vocabulary_digest", "labels"),
        ("selection", "cut-off, or number of tags"),
    ):
        if getattr(target.manifest, field) != getattr(wanted, field):
            raise UsageError(
                f"{target.url} was made with another {name}",
                hint="give it as it was, or another folder",
            )
    return target
