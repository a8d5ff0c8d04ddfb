"""Photos into the library: tagged, tagged again, watched, and read for their text."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli import settings
from qks_cli.api.opened import Opened, Paths, whole
from qks_cli.photos.limits import MAX_DECODED_MB
from qks_cli.workflows import session
from qks_cli.workflows.report import SILENT, Report, Stop, never

if TYPE_CHECKING:
    from threading import Event

    from qks_cli.model.model import Model
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.photo_writer import Options
    from qks_cli.workflows.results import Result
    from qks_cli.workflows.status import Status
    from qks_cli.workflows.tag import Retagged, Tagging
    from qks_cli.workflows.texts import TextResult


class TaggingPart(Opened):
    """The part of a library that tags."""

    def tag(
        self,
        paths: Paths,
        model: str | Model = "mini",
        labels: Sequence[str] | Path | Vocabulary | None = None,
        *,
        min_score: float | None = None,
        top: int | None = None,
        exclude: Sequence[str] = (),
        hidden: bool = False,
        batch_size: int = 32,
        workers: int = 0,
        max_decoded_mb: float = MAX_DECODED_MB,
        write: Options | None = None,
        scoring: str | None = None,
        dry_run: bool = False,
        stop: Stop = never,
        report: Report = SILENT,
    ) -> Generator[Result, None, None]:
        """Tag photos and folders, and store everything in the library. Yields one result per photo,
        after it was stored. Photos that have not changed are not read again.

        The run goes on as results are asked for, and is interrupted when the generator is closed.
        ``labels`` as for ``Model.tag``; None takes the words, the cut-off and the tags per photo
        that the library was last tagged with, ``Path("default")`` the model's own. ``min_score`` is
        0 to 1, ``top`` the most tags per photo. ``exclude`` are globs, ``hidden`` takes hidden
        files too, ``workers`` 0 decodes on every core, ``write`` puts the tags into files as well,
        ``scoring`` puts labels in the order of a method, as `qks tag --scoring`, and ``dry_run``
        stores nothing. A photo that cannot be read has a result with a ``reason``.
        """
        from qks_cli.photos.limits import Limits
        from qks_cli.photos.walk import walk
        from qks_cli.workflows.changes import folders
        from qks_cli.workflows.pipeline import LoadOptions
        from qks_cli.workflows.tag import TagRun

        load = LoadOptions(
            batch_size, workers or settings.processors(), Limits(decoded_mb=max_decoded_mb)
        )
        tagging = self._tagging(model, labels, min_score, top, report)
        run = TagRun(
            tagging if scoring is None else tagging.scored_by(scoring),
            None if dry_run else self._store,
            options=load,
            writing=write,
            stop=stop,
            report=report,
        )
        photos = walk(
            whole(paths),
            exclude=exclude,
            hidden=hidden,
            on_problem=report.problem,
            on_name=run.name,
        )
        with closing(run.results(photos, below=folders(whole(paths)))) as results:
            yield from results

    def retag(
        self,
        model: str | Model = "mini",
        labels: Sequence[str] | Path | Vocabulary | None = None,
        *,
        min_score: float | None = None,
        top: int | None = None,
        stop: Stop = never,
        report: Report = SILENT,
    ) -> Retagged:
        """Choose the tags of all photos anew, with other words or another cut-off; no photo is
        read. ``labels``, ``min_score`` and ``top`` as for ``tag``. Raises ``ModelError`` where no
        photo here was tagged with the model."""
        from qks_cli.workflows.tag import retag

        session.tagged_model(self._store, model)  # before labels are embedded
        tagging = self._tagging(model, labels, min_score, top, report)
        return retag(self._store, tagging, stop=stop)

    def status(
        self,
        paths: Paths,
        model: str = "mini",
        labels: Path | None = None,
        *,
        min_score: float | None = None,
        top: int | None = None,
        exclude: Sequence[str] = (),
        hidden: bool = False,
        report: Report = SILENT,
    ) -> Iterator[Status]:
        """What ``tag`` with these options would find new, changed, moved or gone. No photo is
        read."""
        from qks_cli.photos.walk import walk
        from qks_cli.workflows.changes import folders
        from qks_cli.workflows.status import status, wanted_of

        kept = self._store.runs.kept()
        wanted = wanted_of(model, labels, kept=kept, min_score=min_score, top=top, report=report)
        photos = walk(whole(paths), exclude=exclude, hidden=hidden, on_problem=report.problem)
        yield from status(self._store, photos, wanted, below=folders(whole(paths)))

    def watch(
        self,
        paths: Paths,
        model: str | Model = "mini",
        labels: Sequence[str] | Path | Vocabulary | None = None,
        *,
        min_score: float | None = None,
        top: int | None = None,
        exclude: Sequence[str] = (),
        hidden: bool = False,
        settle: float = 2.0,
        poll: float = 0.0,
        stop: Event | None = None,
        report: Report = SILENT,
    ) -> Generator[Result, None, None]:
        """Tag what is in folders, then what comes, moves or goes, until ``stop`` is set. Yields as
        ``tag``. Changes are looked at ``settle`` seconds after the last one; ``poll`` 0 hears of
        them from the system, else folders are looked at every ``poll`` seconds. Raises
        ``UsageError`` for what is no folder."""
        from qks_cli.workflows.pipeline import LoadOptions
        from qks_cli.workflows.watch import Changes, WatchOptions, watch

        changes = Changes()
        if stop is not None:
            changes.stop = stop
        load = LoadOptions(workers=settings.processors())
        options = WatchOptions(settle, poll, tuple(exclude), hidden, load)
        tagging = self._tagging(model, labels, min_score, top, report)
        results = watch(whole(paths), self._store, tagging, changes, options=options, report=report)
        with closing(results):
            yield from results

    def read_text(
        self,
        paths: Paths = (),
        *,
        everything: bool = False,
        query: str = "",
        workers: int = 0,
        max_decoded_mb: float = MAX_DECODED_MB,
        stop: Stop = never,
    ) -> Generator[TextResult, None, None]:
        """Read the text in photos of the library at or below ``paths``, or in those that answer
        ``query``, and store it. Yields one result per photo, after it was stored. ``everything`` is
        the whole library; photos that were read before and have not changed are not read again.
        ``workers`` 0 uses every core.

        Raises ``UsageError`` without paths or query unless ``everything``, and ``QksError`` without
        the extra ``text``."""
        from qks_cli.photos.limits import Limits
        from qks_cli.workflows.photo_report import found
        from qks_cli.workflows.texts import read_texts

        if query:
            ids = found(self._store, query)
            known = self._store.photos.paths_of(ids)
            photos = [(photo_id, known[photo_id]) for photo_id in ids]
        else:
            photos = self._selected(paths, everything=everything)
        limits = Limits(decoded_mb=max_decoded_mb)
        yield from read_texts(self._store, photos, workers=workers, limits=limits, stop=stop)

    def _tagging(
        self,
        model: str | Model,
        labels: Sequence[str] | Path | Vocabulary | None,
        min_score: float | None,
        top: int | None,
        report: Report,
    ) -> Tagging:
        from qks_cli.workflows.tag import Tagging
        from qks_cli.workflows.words import choose_words

        found = session.opened(model)
        given = labels if labels is None or isinstance(labels, Path) else found.vocabulary(labels)
        kept = self._store.runs.kept()
        words = choose_words(found, kept, given, min_score=min_score, top=top, report=report)
        return Tagging.from_words(found, words)
