"""What is in the library: searches, groups, counts, and what is known of one photo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.api.opened import Opened, Paths, whole
from qks_cli.workflows.report import SILENT, Report

if TYPE_CHECKING:
    from qks_cli.library.labels import LabelCount
    from qks_cli.model.model import Model
    from qks_cli.search.ranking import Found
    from qks_cli.types import Place, Tag
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.clusters import Cluster
    from qks_cli.workflows.diff import Comparison
    from qks_cli.workflows.duplicates import Group
    from qks_cli.workflows.explain import Reason
    from qks_cli.workflows.stacks import Listed


class FindingPart(Opened):
    """The part of a library that finds and counts. Nothing here changes a tag or a file."""

    def search(
        self,
        query: str,
        *,
        limit: int = 20,
        min_score: float | None = None,
        model: str | Model = "mini",
        tags_only: bool = False,
        semantic_only: bool = False,
        exact: bool = False,
        weak: bool = False,
        sort: str = "score",
        language: str = "en",
        every_member: bool = False,
        report: Report = SILENT,
    ) -> Found:
        """Find photos by a query (docs/search.md), best first, at most ``limit``; ``total`` of the
        list counts all. Of each stack one photo is listed, or with ``every_member`` all that answer
        the query.

        Scores are 0 to 1; photos below ``min_score`` are left out. ``exact`` compares every photo
        in full, which is slower in large libraries; ``weak`` lists what fits no better than
        nonsense would; ``sort`` is score, date, name or rating; words may be of ``language`` too.
        Raises ``QueryError`` for an invalid query."""
        from qks_cli.search.sorting import Sort
        from qks_cli.workflows.search import MIN_SCORE, SearchOptions, search

        options = SearchOptions(
            model,
            limit,
            MIN_SCORE if min_score is None else min_score,
            by_tags=not semantic_only,
            by_meaning=not tags_only,
            exact=exact,
            weak=weak,
            sort=Sort(sort),
            language=language,
            every_member=every_member,
        )
        return search(self._store, query, options, report)

    def similar(
        self,
        photo: Path | str,
        *,
        limit: int = 20,
        min_score: float = 0.0,
        model: str | Model = "mini",
        exact: bool = False,
        every_member: bool = False,
    ) -> Found:
        """Find photos that look like ``photo``, which need not be in the library, best first; with
        ``every_member`` also the other files of its stack. Scores are cosine similarities, 0 to 1.
        Raises ``UsageError`` where it cannot be read."""
        from qks_cli.workflows.search import SearchOptions, similar

        options = SearchOptions(model, limit, min_score, exact=exact, every_member=every_member)
        return similar(self._store, Path(photo), options)

    def duplicates(self, *, near: float | None = None, model: str = "mini") -> list[Group]:
        """Find groups of copies; with ``near`` (0.5 to 1) also groups of photos with at least that
        cosine similarity."""
        from qks_cli.workflows.duplicates import duplicates

        return duplicates(self._store, near=near, model=model)

    def clusters(
        self, count: int, *, labels: Path | None = None, model: str = "mini"
    ) -> list[Cluster]:
        """Divide the library into at most ``count`` groups of photos that look alike, the largest
        first, with words of ``labels`` (None: the library's) that set each apart. Raises
        ``UsageError`` where there are fewer photos than groups."""
        from qks_cli.workflows.clusters import clusters

        return clusters(self._store, count, labels=labels, model=model)

    def stacks(self, paths: Paths = ()) -> list[Listed]:
        """The stacks (raw and JPEG, live photo, burst, edited copies) of photos at or below
        ``paths``, by default all (docs/stacks.md)."""
        from qks_cli.workflows import stacks

        return stacks.of_paths(self._store, whole(paths)) if paths else stacks.every(self._store)

    def stats(
        self, by: str = "label", *, limit: int = 40, every_file: bool = False
    ) -> list[tuple[str, int]]:
        """Names and numbers of photos, the most first, '' where a photo has none. ``by`` is label,
        folder, year, month, camera, lens, rating, status, place or country. A stack counts once,
        unless ``every_file``."""
        from qks_cli.workflows.stats import stats

        return stats(self._store, by, limit, every_file=every_file)

    def places(self, *, report: Report = SILENT) -> list[tuple[Place, int]]:
        """Name the places where photos were taken (offline, from their coordinates), and count
        their photos, the most first."""
        from qks_cli.library.places import counts
        from qks_cli.workflows.places import name_places

        name_places(self._store, report)
        return counts(self._store)

    def diff(
        self,
        old: str,
        new: str,
        *,
        model: str = "mini",
        min_score: float | None = None,
        top: int | None = None,
    ) -> Comparison:
        """What tags photos gain and lose from one side to the other. A side is a version of the
        library's words (``label_versions``), a labels file, another library's file, or ``now``.
        Raises ``UsageError`` for anything else."""
        from qks_cli.model.selection import TOP
        from qks_cli.workflows.diff import Choice, diff

        most = TOP if top is None else top
        return diff(self._store, str(old), str(new), Choice(model, min_score, most))

    def explain(
        self,
        photo: Path | str,
        labels: Sequence[str] = (),
        *,
        words: Path | None = None,
        min_score: float | None = None,
        model: str | Model = "mini",
    ) -> list[Reason]:
        """Tell why a photo has or lacks each of ``labels``, best first, by the library's words (or
        those of the file ``words``), its cut-off, and what it learned (docs/explain.md). Without
        labels: the photo's tags, and what nearly became one. Raises ``UsageError`` where the photo
        cannot be read, and for an empty label."""
        from qks_cli.workflows import session
        from qks_cli.workflows.explain import explain
        from qks_cli.workflows.words import choose_words

        opened = session.opened(model)
        chosen = choose_words(opened, self._store.runs.kept(), words, min_score=min_score)
        found = explain(
            Path(photo),
            opened,
            chosen.vocabulary,
            labels,
            min_score=chosen.chosen.min_score,
            top=chosen.top,
            learned=chosen.learned,
        )
        return list(found.reasons)

    def tags(self, photo: Path | str) -> list[Tag]:
        """The tags of one photo, best first; empty where it is not in the library."""
        from qks_cli.photos.walk import absolute

        path = absolute(Path(photo))
        known = self._store.photos.known([path]).get(path)
        return [] if known is None else self._store.tags.of([known.id])[known.id]

    def text(self, photo: Path | str) -> str:
        """The text that was read in one photo, line by line; '' where it shows none, or was not
        read since it changed."""
        from qks_cli.library import texts
        from qks_cli.photos.walk import absolute

        path = absolute(Path(photo))
        known = self._store.photos.known([path]).get(path)
        return "" if known is None else texts.of(self._store, [known.id]).get(known.id, "")

    def labels(self) -> dict[str, int]:
        """The number of photos of every label that any photo carries, most photos first."""
        return {row.label: row.photos for row in self.label_counts()}

    def vocabulary(self) -> Vocabulary:
        """The words that the library was last tagged with; none where it never was."""
        from qks_cli.workflows.session import library_vocabulary

        return library_vocabulary(self._store)

    def name_of(self, label: str, language: str) -> str:
        """What a label is called in a language, such as "de"; its English name where it has none
        there. Raises ``UsageError`` for an unknown language."""
        from qks_cli.workflows import session
        from qks_cli.workflows.naming import TypedLabels

        names = session.library_language(self._store, language)
        return TypedLabels(self._store, names).name_of(label)

    def label_of(self, name: str, language: str = "en") -> str:
        """The label that is called so: by the name that it is shown as, a synonym, or a name in a
        language; ``name`` itself where none is. Raises ``UsageError`` for an unknown language."""
        from qks_cli.workflows import session
        from qks_cli.workflows.naming import meant

        return meant(self._store, name, session.library_language(self._store, language))

    def namer(self, language: str) -> Callable[[str], str] | None:
        """A function that gives names as ``name_of``, also when the library is closed; None for
        English."""
        from qks_cli.workflows.session import library_language

        own = library_language(self._store, language)
        return None if own is None else own.shown

    def label_counts(self) -> list[LabelCount]:
        """As ``labels``, with the mean score of each label."""
        from qks_cli.workflows.tags import counts

        return counts(self._store)
