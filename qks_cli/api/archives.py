"""Archives as Parquet data sets: tagged, tagged anew and searched on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.archive import Archived, ArchiveOptions
    from qks_cli.workflows.archive_scores import Match


def tag_archive(
    sources: Iterable[str | Path],
    archive: str | Path,
    *,
    model: str | Path = "mini",
    labels: Sequence[str] | Path | None = None,
    min_score: float | None = None,
    top: int = 20,
    address: str | None = None,
    workers: int = 0,
    batch_size: int = 64,
    partition_size: int = 20_000,
    report: Report = SILENT,
) -> Archived:
    """Tag photos on a Ray cluster into the Parquet data set at ``archive``, a folder or URL; a run
    that was cut off goes on (docs/scale.md). Needs the extra ``ray``.

    ``sources`` are folders, photos, URLs, and lists (.txt, .parquet). ``model`` is a name or folder
    that all machines know; ``labels``, ``min_score`` and ``top`` as for ``Model.tag``. ``address``
    is the cluster's; without one this machine is it, with ``workers`` processors (0: all). Raises
    ``UsageError`` where nothing is at a URL, or ``archive`` was made otherwise."""
    from qks_cli.workflows.archive import tag_archive as tag

    options = _archiving(model, labels, min_score, top, address, workers)
    options = replace(options, batch=batch_size, partition_size=partition_size)
    return tag(map(str, sources), str(archive), options, report)


def retag_archive(
    archive: str | Path,
    out: str | Path,
    *,
    model: str | Path = "mini",
    labels: Sequence[str] | Path | None = None,
    min_score: float | None = None,
    top: int = 20,
    address: str | None = None,
    workers: int = 0,
    report: Report = SILENT,
) -> int:
    """Choose the tags of a data set anew, from its query tokens, into a new one at ``out``; returns
    how many rows were written. No photo is read. Parameters and errors as of ``tag_archive``."""
    from qks_cli.workflows.archive_scores import retag_archive as retag

    options = _archiving(model, labels, min_score, top, address, workers)
    return retag(str(archive), str(out), options, report)


def search_archive(
    archive: str | Path,
    text: str,
    *,
    limit: int = 20,
    weak: bool = False,
    model: str | Path = "mini",
    address: str | None = None,
    workers: int = 0,
) -> list[Match]:
    """Find the photos of a data set that fit a text best, best first, at most ``limit``; none where
    not even the best fits well, unless ``weak``. Other parameters and errors as of
    ``tag_archive``."""
    from qks_cli.workflows.archive_scores import search_archive as search

    options = _archiving(model, None, None, 20, address, workers)
    found, sure = search(str(archive), text, options, limit=limit)
    return found if sure or weak else []


def _archiving(
    model: str | Path,
    labels: Sequence[str] | Path | None,
    min_score: float | None,
    top: int,
    address: str | None,
    workers: int,
) -> ArchiveOptions:
    from qks_cli.vocabulary.labels_file import parse_labels
    from qks_cli.workflows.archive import ArchiveOptions

    if labels is not None and not isinstance(labels, Path):
        own: Path | Vocabulary | None = parse_labels("\n".join(labels), "the given labels")[0]
    else:
        own = labels
    return ArchiveOptions(str(model), own, min_score, top, address, workers)
