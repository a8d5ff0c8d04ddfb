"""Between a library and Parquet data sets: out of one, into the other. No photo is read.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qks_cli.errors import LibraryError, UsageError
from qks_cli.library import current as tagged
from qks_cli.library.database import Row
from qks_cli.library.paths import key_path
from qks_cli.library.photos import DETAILS
from qks_cli.library.runs import Chosen
from qks_cli.library.store import Library
from qks_cli.search import compact
from qks_cli.types import Details, Photo, PhotoFailure, TaggedPhoto
from qks_cli.workflows.changes import tell_apart
from qks_cli.workflows.report import SILENT, Report, Stop, never

if TYPE_CHECKING:
    from qks_cli.distributed.dataset import DataSet
    from qks_cli.distributed.table import Entry

GROUP = 1024  # photos that are stored together, and a row group of Parquet
Advance = Callable[[int], None]
Folders = Mapping[str, Path]
"""Beginnings of URLs, and the folders in which those photos lie on this machine."""


def export_library(
    library: Library,
    url: str,
    *,
    partition_size: int | None = None,
    advance: Advance = lambda photos: None,
    report: Report = SILENT,
) -> int:
    """Write a library as a new Parquet data set at ``url``, a folder or what fsspec writes to; how
    many photos are in it.

    Photos whose tags are of other words or another model than the latest are left out, and
    ``report`` hears how many. ``advance`` hears of every lot that was written. Raises
    ``LibraryError`` where nothing is tagged, ``UsageError`` where ``url`` cannot be written."""
    from qks_cli.distributed.dataset import PARTITION_SIZE, DataSet
    from qks_cli.distributed.manifest import Manifest, stored_basis

    found = tagged.current(library)
    if found is None:
        raise LibraryError("no photo is tagged in this library", hint="`qks tag FOLDER` does")
    sample = library.tokens.sample_ids(found.model_id, compact.SAMPLE)
    _, tokens_NME = library.tokens.of(sample, found.model_id)
    if tokens_NME is None:
        raise LibraryError("no photo is tagged in this library", hint="`qks tag FOLDER` does")
    size = partition_size or PARTITION_SIZE
    manifest = Manifest(
        found.model,
        found.model_version,
        found.model_hash,
        found.queries,
        found.width,
        found.digest,
        found.text,
        found.selection,
        found.chosen.min_score,
        found.chosen.top,
        stored_basis(compact.directions(tokens_NME)),
        size,
    )
    target = DataSet.create(url, manifest)
    if stale := tagged.left_out(library, found):
        report.note(
            f"qks: {stale:,} photos are left out: their tags are of other words or of another "
            "model; `qks retag` brings them up to date"
        )
    total = 0
    lots = tagged.rows(library, found, size=min(GROUP, size))
    for partition in count():
        part = list(islice(lots, max(1, size // GROUP)))
        if not part:
            break
        total += target.write(
            partition,
            _tables(library, target, found.model_id, part, advance),
        )
    target.keep(replace(manifest, photos=total))
    return total


def merge(
    library: Library,
    url: str,
    *,
    partitions: Sequence[int] | None = None,
    folders: Folders | None = None,
    advance: Advance = lambda photos: None,
    report: Report = SILENT,
    stop: Stop = never,
) -> Counter[str]:
    """Put the rows of a data set, or of some of its partitions, into a library, as if its photos
    had been tagged here; how many were ``tagged``, ``failed``, left as they were because the
    library knows a ``newer`` file, or are ``elsewhere``.

    Photos under URLs are of this machine only where ``folders`` say in which folder: others are
    elsewhere. Raises ``UsageError`` for a partition that is not there."""
    from qks_cli.vocabulary.labels_file import parse_labels

    source = open_data_set(url)
    made = source.manifest
    there = source.partitions()
    if missing := sorted(set(partitions or ()) - set(there)):
        raise UsageError(
            f"{url} has no partition {missing[0]}",
            hint=f"it has {len(there):,}, the last is {max(there, default=-1)}",
        )
    parse_labels(made.vocabulary, f"the labels of {url}")  # damaged ones are told of here
    model_id = library.models.id_of(
        made.model, made.model_version, made.model_hash, made.queries, made.width
    )
    vocabulary_id = library.vocabularies.id_of(made.vocabulary_digest, made.vocabulary)
    counts: Counter[str] = Counter()
    chosen = Chosen(None, made.min_score, made.top)
    with library.runs.recorded("tag", model_id, vocabulary_id, chosen) as run:
        for partition in there if partitions is None else dict.fromkeys(partitions):
            for path in there[partition]:
                for table in source.read(path):
                    if stop():
                        break
                    entries = list(source.shape.entries(table))
                    counts += _put(
                        library,
                        entries,
                        folders or {},
                        report,
                        model_id,
                        vocabulary_id,
                        made.selection,
                    )
                    advance(len(entries))
        run.tagged, run.failed = counts["tagged"], counts["failed"]
        run.interrupted = stop()
        if not stop() and counts["tagged"]:
            compact.refresh(library, model_id)
    return counts


def open_data_set(url: str) -> DataSet:
    """The data set in a folder or at a URL. Raises ``UsageError`` where there is none."""
    from qks_cli.distributed.dataset import DataSet

    return DataSet.open(url)


def _put(
    library: Library,
    entries: Sequence[Entry],
    folders: Folders,
    report: Report,
    model_id: int,
    vocabulary_id: int,
    selection: str,
) -> Counter[str]:
    """Store rows in one transaction; how many became of what."""
    counts: Counter[str] = Counter()
    here = [(path, one) for one in entries if (path := local_path(one.path, folders)) is not None]
    counts["elsewhere"] = len(entries) - len(here)
    known = library.photos.known([path for path, _ in here])
    photos: list[TaggedPhoto] = []
    failures: list[PhotoFailure] = []
    for path, one in here:
        if path in known and known[path].mtime_ns > (one.mtime_ns or 0):
            counts["newer"] += 1
            continue
        photo = Photo(path, one.size or 0, one.mtime_ns or 0)
        if one.tokens_ME is not None:
            photos.append(
                TaggedPhoto(
                    photo,
                    tuple(one.tags),
                    one.tokens_ME,
                    one.picture,
                    one.fingerprint,
                    one.details or Details(),
                )
            )
        elif one.error is not None:
            failures.append(PhotoFailure(photo, *one.error))
            report.problem(path, one.error[1])
    library.save(
        photos, failures, model_id=model_id, vocabulary_id=vocabulary_id, selection=selection
    )
    tell_apart(library, photos)
    counts["tagged"], counts["failed"] = len(photos), len(failures)
    return counts


def local_path(path: str, folders: Folders) -> Path | None:
    """The path on this machine of a photo of a data set; None where it has none. The longest of
    the beginnings that fit counts."""
    from qks_cli.distributed.table import is_url

    for start in sorted(folders, key=len, reverse=True):
        rest = path.removeprefix(start)
        if rest != path and (start.endswith("/") or rest.startswith("/")):
            parts = [part for part in rest.split("/") if part]
            # A key in a store may be anything; it must not lead out of the folder.
            return None if ".." in parts else folders[start].absolute().joinpath(*parts)
    return None if is_url(path) else Path(path)


def _tables(
    library: Library,
    target: DataSet,
    model_id: int,
    lots: Sequence[Sequence[Row]],
    advance: Advance,
) -> Iterator[Any]:
    for lot in lots:
        yield target.shape.table(_entries(library, model_id, lot))
        advance(len(lot))


def _entries(library: Library, model_id: int, rows: Sequence[Row]) -> list[Entry]:
    from qks_cli.distributed.table import Entry

    ids = [row[0] for row in rows]
    have, tokens_NME = library.tokens.of(ids, model_id)
    tokens_of = {} if tokens_NME is None else dict(zip(have, tokens_NME, strict=True))
    tags_of = library.tags.of(ids)
    entries = []
    for photo_id, key, size, mtime_ns, width, height, digest, status, kind, error, *noted in rows:
        failed = status != "ok"
        if not failed and photo_id not in tokens_of:
            continue
        entries.append(
            Entry(
                str(key_path(key)),
                size,
                mtime_ns,
                None if failed else tokens_of[photo_id],
                () if failed else tags_of[photo_id],
                None if width is None else (width, height),
                digest,
                Details(**dict(zip(DETAILS, noted, strict=True))),
                (kind, error) if failed else None,
            )
        )
    return entries
