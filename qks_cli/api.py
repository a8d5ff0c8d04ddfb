"""The public Python API: models, libraries, and what can be done with them.

Import its names from ``qks_cli``; nothing heavy is loaded before it is used. The command line uses
the same workflows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.closing import Closing
from qks_cli.model.model import Model
from qks_cli.types import Float32Array, Tag
from qks_cli.workflows import session

if TYPE_CHECKING:
    from qks_cli.library.store import Library as Store
    from qks_cli.search.ranking import Hit
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.archive import Archived, ArchiveOptions
    from qks_cli.workflows.archive_scores import Match
    from qks_cli.workflows.duplicates import Group
    from qks_cli.workflows.explain import Reason
    from qks_cli.workflows.learn import Learning, LearnOptions
    from qks_cli.workflows.photo_writer import Options, Outcome
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.results import Result
    from qks_cli.workflows.suggest import Suggestion
    from qks_cli.workflows.texts import TextResult


def load_model(name: str = "mini", *, device: str = "auto", threads: int = 0) -> Model:
    """Open a model by its name or its folder.

    ``device`` is auto, cpu, cuda or mps; ``threads`` 0 uses every core. The networks are loaded
    when they are first needed. Raises ``ModelError`` where the model is missing or damaged.
    """
    return Model.open(name, device=device, threads=threads)


def explain(
    photo: Path | str,
    labels: Sequence[str] = (),
    model: Model | None = None,
    *,
    min_score: float | None = None,
    top: int = 20,
) -> list[Reason]:
    """Tell why a photo would have or lack each of ``labels`` (any words), best first. Without
    labels: the model's own labels that fit the photo, and the few that nearly do (docs/explain.md).

    ``min_score`` is 0 to 1 (None: the model's cut-off), ``top`` the most tags per photo. Raises
    ``UsageError`` where the photo cannot be read, and for an empty label."""
    from qks_cli.workflows.explain import explain as reasons

    model = model or load_model()
    words = model.vocabulary()
    found = reasons(Path(photo), model, words, labels, min_score=min_score, top=top)
    return list(found.reasons)


def heat_map(
    photo: Path | str, label: str, model: Model | None = None, *, attention: bool = False
) -> Float32Array:
    """Compute where on a photo the score of a label comes from: float32 [G, G], 0 to 1, a grid over
    the photo (over its central square, for models that see only that). With ``attention``: the
    attention of the query token that fits the label best.

    Raises ``UsageError`` where the photo cannot be read, or the model has no such attention."""
    from qks_cli.workflows.heat import heat_map as heat

    return heat(model or load_model(), Path(photo), label, attention=attention)


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
    report: Report | None = None,
) -> Archived:
    """Tag photos on a Ray cluster into the Parquet data set at ``archive``, a folder or URL; a run
    that was cut off goes on (docs/scale.md). Needs the extra ``ray``.

    ``sources`` are folders, photos, URLs, and lists (.txt, .parquet). ``model`` is a name or folder
    that all machines know; ``labels``, ``min_score`` and ``top`` as for ``Model.tag``. ``address``
    is the cluster's; without one this machine is it, with ``workers`` processors (0: all). Raises
    ``UsageError`` where nothing is at a URL, or ``archive`` was made otherwise."""
    from qks_cli.workflows.archive import tag_archive as tag
    from qks_cli.workflows.report import SILENT

    options = _archiving(model, labels, min_score, top, address, workers)
    options = replace(options, batch=batch_size, partition_size=partition_size)
    return tag(map(str, sources), str(archive), options, report or SILENT)


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
    report: Report | None = None,
) -> int:
    """Choose the tags of a data set anew, from its query tokens, into a new one at ``out``; returns
    how many rows were written. No photo is read. Parameters and errors as of ``tag_archive``."""
    from qks_cli.workflows.archive_scores import retag_archive as retag
    from qks_cli.workflows.report import SILENT

    options = _archiving(model, labels, min_score, top, address, workers)
    return retag(str(archive), str(out), options, report or SILENT)


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


def open_library(path: Path | str | None = None, *, create: bool = False) -> Library:
    """Open the library in the file ``path``, by default the one that ``qks`` uses: ``$QKS_DB``,
    else the one in the user's data folder.

    Raises ``LibraryError`` where the file does not exist (unless ``create``), is not a library, or
    was written by a newer version.
    """
    return Library(session.open_library(None if path is None else Path(path), create=create))


class Library(Closing):
    """An open library of photos; ``open_library`` opens one. Use it in a ``with`` statement.

    Several programs may use one library at the same time; one ``Library`` belongs to one thread.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self) -> None:
        """Close the file; a closed library cannot be used any more."""
        self._store.close()

    def __len__(self) -> int:
        """The number of photos in the library, also missing ones."""
        return self._store.photos.count()

    @property
    def path(self) -> Path:
        """The SQLite file; its schema is described in docs/schema.md."""
        return self._store.path

    def tag(
        self,
        paths: Sequence[Path | str],
        model: Model | None = None,
        labels: Sequence[str] | Path | Vocabulary | None = None,
        *,
        min_score: float | None = None,
        top: int = 20,
        report: Report | None = None,
    ) -> Generator[Result, None, None]:
        """Tag photos and folders, and store everything in the library. Yields one result per photo,
        after it was stored. Photos that have not changed are not read again.

        The run goes on as results are asked for, and is interrupted when the generator is closed.
        ``labels`` as for ``Model.tag``; ``min_score`` is 0 to 1 (None: the model's cut-off),
        ``top`` the most tags per photo. A photo that cannot be read has a result with a ``reason``.
        """
        from qks_cli.photos.walk import walk
        from qks_cli.workflows.changes import folders
        from qks_cli.workflows.report import SILENT
        from qks_cli.workflows.tag import Tagging, TagRun

        model = model or load_model()
        told = report or SILENT
        vocabulary = model.vocabulary(labels)
        run = TagRun(
            Tagging.of(model, vocabulary, min_score=min_score, top=top), self._store, report=told
        )
        roots = [Path(path) for path in paths]
        photos = walk(roots, on_problem=told.problem, on_name=run.name)
        with closing(run.results(photos, below=folders(roots))) as results:
            yield from results

    def search(
        self,
        query: str,
        *,
        limit: int = 20,
        min_score: float | None = None,
        model: str = "mini",
        exact: bool = False,
        every_member: bool = False,
        language: str = "en",
    ) -> list[Hit]:
        """Find photos by a query (docs/search.md), best first, at most ``limit``. Of each stack
        one photo is listed, or with ``every_member`` all that answer the query.

        Scores are 0 to 1; photos below ``min_score`` are left out. ``exact`` compares every photo
        in full, which is slower in large libraries. The query may use words of a ``language``, such
        as "de" (docs/languages.md). Raises ``QueryError`` for an invalid query, and ``UsageError``
        for an unknown language."""
        from qks_cli.workflows.search import MIN_SCORE, SearchOptions, search

        least = MIN_SCORE if min_score is None else min_score
        options = SearchOptions(
            model, limit, least, exact=exact, every_member=every_member, language=language
        )
        return search(self._store, query, options)

    def similar(self, photo: Path | str, *, limit: int = 20, model: str = "mini") -> list[Hit]:
        """Find photos that look like ``photo``, which need not be in the library, best first.
        Scores are cosine similarities, 0 to 1. Raises ``UsageError`` where it cannot be read."""
        from qks_cli.workflows.search import SearchOptions, similar

        return similar(self._store, Path(photo), SearchOptions(model, limit, 0.0))

    def duplicates(self, *, near: float | None = None, model: str = "mini") -> list[Group]:
        """Find groups of copies; with ``near`` (0.5 to 1) also groups of photos with at least that
        cosine similarity."""
        from qks_cli.workflows.duplicates import duplicates

        return duplicates(self._store, near=near, model=model)

    def tags(self, photo: Path | str) -> list[Tag]:
        """The tags of one photo, best first; empty where it is not in the library."""
        from qks_cli.photos.walk import absolute

        path = absolute(Path(photo))
        known = self._store.photos.known([path]).get(path)
        return [] if known is None else self._store.tags.of([known.id])[known.id]

    def labels(self) -> dict[str, int]:
        """The number of photos of every label that any photo carries, most photos first."""
        from qks_cli.workflows.tags import counts

        return {row.label: row.photos for row in counts(self._store)}

    def name_of(self, label: str, language: str) -> str:
        """What a label is called in a language, such as "de"; its English name where it has none
        there. Raises ``UsageError`` for an unknown language."""
        from qks_cli.workflows.naming import TypedLabels

        names = session.library_language(self._store, language)
        return TypedLabels(self._store, names).name_of(label)

    def label_of(self, name: str, language: str = "en") -> str:
        """The label that is called so: by the name that it is shown as, a synonym, or a name in a
        language; ``name`` itself where none is. Raises ``UsageError`` for an unknown language."""
        from qks_cli.workflows.naming import meant

        return meant(self._store, name, session.library_language(self._store, language))

    def learn(self, options: LearnOptions | None = None, *, model: str = "mini") -> Learning:
        """Learn from verdicts, and score all photos anew. Returns what each label gained on
        held-out photos. Raises ``ModelError`` where no photo here was tagged with the model."""
        from qks_cli.workflows.learn import learn_labels

        return learn_labels(self._store, model, options)

    def suggest(
        self, labels: Sequence[str] = (), *, limit: int = 20, model: str = "mini"
    ) -> list[Suggestion]:
        """The photos whose verdicts would teach most, at most ``limit``, best first. Raises
        ``UsageError`` for a label that the library was not tagged with."""
        from qks_cli.workflows.suggest import suggest

        return suggest(self._store, labels, limit=limit, model=model)

    def read_text(
        self, paths: Sequence[Path | str] = (), *, everything: bool = False, workers: int = 0
    ) -> Generator[TextResult, None, None]:
        """Read the text in photos of the library at or below ``paths``, and store it. Yields one
        result per photo, after it was stored. ``everything`` is the whole library; photos that were
        read before and have not changed are not read again. ``workers`` 0 uses every core.

        Raises ``UsageError`` without paths unless ``everything``, and ``QksError`` without the
        extra ``text``."""
        from qks_cli.workflows.texts import read_texts

        photos = session.selected(
            self._store, [Path(path) for path in paths], everything=everything
        )
        yield from read_texts(self._store, photos, workers=workers)

    def text(self, photo: Path | str) -> str:
        """The text that was read in one photo, line by line; '' where it shows none, or was not
        read since it changed."""
        from qks_cli.library import texts
        from qks_cli.photos.walk import absolute

        path = absolute(Path(photo))
        known = self._store.photos.known([path]).get(path)
        return "" if known is None else texts.of(self._store, [known.id]).get(known.id, "")

    def write(
        self,
        paths: Sequence[Path | str] = (),
        options: Options | None = None,
        *,
        everything: bool = False,
        min_score: float = 0.0,
    ) -> Generator[Outcome, None, None]:
        """Write stored tags as keywords into sidecars, or as ``options`` say. Yields the outcome
        for each file, after it was written. ``everything`` is the whole library.

        Raises ``UsageError`` without paths unless ``everything``."""
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.write import write

        photos = session.selected(
            self._store, [Path(path) for path in paths], everything=everything
        )
        yield from write(self._store, photos, options or Options(), min_score=min_score)

    def export_parquet(self, out: str | Path, *, partition_size: int | None = None) -> int:
        """Write photos, details, tags and query tokens as a new Parquet data set at ``out``, a
        folder or URL; returns how many photos. Needs the extra ``parquet``.

        Raises ``LibraryError`` where nothing is tagged, ``UsageError`` where ``out`` cannot be
        written or holds a data set."""
        from qks_cli.workflows.parquet import export_library

        return export_library(self._store, str(out), partition_size=partition_size)

    def merge_archive(
        self,
        archive: str | Path,
        *,
        partitions: Sequence[int] | None = None,
        folders: Mapping[str, Path] | None = None,
    ) -> dict[str, int]:
        """Put a data set (``tag_archive``, ``export_parquet``), or some of its partitions, into the
        library, as if its photos had been tagged here. ``folders`` tell in which folder the photos
        lie that are below a URL.

        Returns how many were ``tagged``, ``failed``, left as they were because the library knows a
        ``newer`` file, or are ``elsewhere``. Raises ``UsageError`` where there is no data set, or
        no such partition. Needs the extra ``parquet``."""
        from qks_cli.workflows.parquet import merge

        found = merge(self._store, str(archive), partitions=partitions, folders=folders)
        return {kind: count for kind, count in found.items() if count}

    def untag(
        self, paths: Sequence[Path | str] = (), *, everything: bool = False
    ) -> Generator[Outcome, None, None]:
        """Take all keywords that ``write`` wrote out of photos and sidecars, and nothing else.
        Yields the outcome for each file."""
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.write import untag

        photos = session.selected(
            self._store, [Path(path) for path in paths], everything=everything
        )
        yield from untag(self._store, photos, Options())
