"""One run that tags: ``qks tag``, each round of ``qks watch``, and ``qks retag``.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from qks_cli import settings
from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.library import moments, names
from qks_cli.library.runs import Chosen, Kept, Run
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.model.selection import TOP
from qks_cli.model.tagger import Tagger
from qks_cli.photos.suffixes import kind_of
from qks_cli.search import compact
from qks_cli.types import Float32Array, Photo
from qks_cli.vocabulary.labels_file import Vocabulary, format_labels
from qks_cli.wording import count_of
from qks_cli.workflows import stacks
from qks_cli.workflows.changes import Seen, look, note
from qks_cli.workflows.moments import ChosenTags, tags_of
from qks_cli.workflows.photo_writer import Options as WriteOptions
from qks_cli.workflows.pipeline import LoadOptions, tag_photos
from qks_cli.workflows.report import SILENT, Report, Stop, never
from qks_cli.workflows.results import Destination, Result
from qks_cli.workflows.scoring import METHODS, PhotoScoring
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.words import Words, choose_words, learned_of
from qks_cli.workflows.writing import write_all

GROUP = 1024  # photos that retag scores together
STORED = 8  # groups that it stores together: what a kill can lose
MANY_LABELS = 2000  # from here on embedding them takes long enough to say so
READ = ("tagged", "shared", "retagged")


@dataclass(frozen=True, slots=True)
class Tagging:
    """A model, and the vocabulary and cut-off that it tags with."""

    model: Model
    vocabulary: Vocabulary
    tagger: Tagger
    chosen: Chosen

    def scored_by(self, method: str) -> Tagging:
        """The same, with the labels in the order of a method of ``scoring.METHODS``. Raises
        ``UsageError`` for another."""
        if method not in METHODS:
            raise UsageError(f"no scoring '{method}'", hint=f"one of {', '.join(METHODS)}")
        selection = f"{self.tagger.selection}, scoring {method}"
        return replace(
            self,
            tagger=replace(self.tagger, selection=selection, reads_photos=True),
            chosen=replace(self.chosen, scoring=method),
        )

    @classmethod
    def of(
        cls,
        model: Model,
        vocabulary: Vocabulary,
        *,
        min_score: float | None = None,
        top: int = TOP,
    ) -> Tagging:
        """``min_score`` and ``top`` as for ``Model.tagger``."""
        tagger = model.tagger(vocabulary, min_score=min_score, top=top)
        return cls(model, vocabulary, tagger, Chosen(None, min_score, top))

    @classmethod
    def open(
        cls,
        name: str,
        labels: Path | None = None,
        device: str = "auto",
        *,
        kept: Kept | None = None,
        min_score: float | None = None,
        top: int | None = None,
        scoring: str | None = None,
        report: Report = SILENT,
    ) -> Tagging:
        """The model of that name or folder, and the words of a labels file, as ``choose_words``;
        ``scoring`` is a method of ``scoring.METHODS``, for this run alone.

        Raises ``ModelError`` and ``VocabularyError``."""
        model = Model.open(name, device=device)
        words = choose_words(model, kept, labels, min_score=min_score, top=top, report=report)
        vocabulary = words.vocabulary
        if len(vocabulary.labels) > MANY_LABELS:
            report.note(f"{len(vocabulary.labels):,} labels: embedding new ones takes a moment")
        tagging = cls.from_words(model, words)
        before = None if kept is None else kept.chosen.scoring
        if before is not None and scoring is None:
            report.note(
                f"qks: the last run put labels in the order of {before}, which reads photos; this "
                f"one goes by the model's own scores (`qks tag --scoring {before}`)"
            )
        return tagging if scoring is None else tagging.scored_by(scoring)

    @classmethod
    def from_words(cls, model: Model, words: Words) -> Tagging:
        """The words that were chosen, with what was learned of them."""
        tagger = model.tagger(
            words.vocabulary,
            min_score=words.chosen.min_score,
            top=words.top,
            learned=words.learned,
        )
        return cls(model, words.vocabulary, tagger, words.chosen)

    @classmethod
    def with_learned(cls, before: Tagging, kept: Kept | None) -> Tagging:
        """The same with the heads that a library holds now."""
        words = Words(before.vocabulary, before.chosen, learned_of(before.model, kept))
        return cls.from_words(before.model, words)

    def destination(self, library: Library) -> Destination:
        """Where results are stored; model and vocabulary are entered where they are new."""
        bundle, vocabulary = self.model.bundle, self.vocabulary
        model_id = library.models.id_of(
            bundle.name, bundle.version, bundle.hash, bundle.queries, bundle.width
        )
        vocabulary_id = library.vocabularies.id_of(vocabulary.digest, format_labels(vocabulary))
        return Destination(library, model_id, vocabulary_id, bundle.hash, vocabulary.digest)


@dataclass(slots=True)
class TagRun:
    """A run over photos.

    ``counts`` grow while it goes on: photos by the status of their result, ``missing`` photos, and
    files by the status of their writing (``files written``, ``files unchanged``, ``files
    refused``). ``stop`` ends the run after what it has in hand; the library then says that it was
    interrupted.
    """

    tagging: Tagging
    library: Library | None  # None: nothing is looked up, nothing is stored
    command: str = "tag"
    options: LoadOptions = field(default_factory=LoadOptions)
    writing: WriteOptions | None = None  # write the tags into sidecars or photos, too
    stop: Stop = never
    report: Report = SILENT
    counts: Counter[str] = field(default_factory=Counter)
    names: list[tuple[Path, Path]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def name(self, path: Path, name: Path) -> None:
        """Another name of a photo, as the walk tells it; kept when the run ends."""
        self.names.append((path, name))

    def results(
        self, photos: Iterable[Photo], *, below: Sequence[Path] = ()
    ) -> Generator[Result, None, None]:
        """One result a photo, in the order of ``photos``, each after it was stored.

        After the last one, photos known at or ``below`` these paths whose files are gone are marked
        as missing, and tags are written where ``writing`` says so.
        """
        if self.library is None:
            yield from self._tagged(photos, None)
            return
        target = self.tagging.destination(self.library)
        with self.library.runs.recorded(
            self.command, target.model_id, target.vocabulary_id, self.tagging.chosen
        ) as run:
            done = []
            for result in self._tagged(photos, target):
                run.tagged += result.status in READ
                run.failed += result.status == "failed"
                if self.writing is not None and result.status != "failed":
                    done.append(result.photo.path)
                yield result
            if self.names:
                names.add(self.library, self.names)
            if not self.stop():
                for root in below:
                    self.counts["missing"] += note_absences(
                        self.library, root, self.report, self.seen
                    )
                shared = self._stack(self.library, target)
                if self.counts["tagged"] or self.counts["shared"] or shared:
                    compact.refresh(self.library, target.model_id)
                    self._renew(self.library, target)
                if self.writing is not None:
                    self._write(self.library, self.writing, done, run)
            run.interrupted = self.stop()

    def _tagged(
        self, photos: Iterable[Photo], target: Destination | None
    ) -> Generator[Result, None, None]:
        scoring = None
        if self.tagging.chosen.scoring is not None:
            photos = list(photos)  # some of them are looked at beforehand
            scoring = PhotoScoring(
                self.tagging.chosen.scoring,
                self.tagging.model,
                self.tagging.vocabulary,
                [photo for photo in photos if kind_of(photo.path.name) != "video"],
                self.options,
                self.report,
            )
        results = tag_photos(
            photos,
            model=self.tagging.model,
            tagger=self.tagging.tagger,
            destination=target,
            options=self.options,
            scoring=scoring,
            stop=self.stop,
            seen=self.seen,
        )
        with closing(results):
            for result in results:
                self.counts[result.status] += 1
                if result.reason is not None:
                    self.report.problem(result.photo.path, result.reason)
                yield result

    def _stack(self, library: Library, target: Destination) -> int:
        """Look for stacks; to how many members the tags of their photos were given."""
        stacks.group(library)
        return stacks.share(library, self.tagging.tagger, target.model_id, target.vocabulary_id)

    def _renew(self, library: Library, target: Destination) -> None:
        """Where another model had heads of these labels, learn them for this one: its tokens are
        here now. The photos are then tagged with them."""
        if self.tagging.chosen.scoring is not None:  # that reads photos; the next run does this
            return
        from qks_cli.workflows.learn import renew

        count = renew(library, self.tagging.model)
        if not count:
            return
        self.report.note(
            f"qks: {count_of(count, 'label')} learned again from the same photos, for the new model"
        )
        tagging = Tagging.with_learned(self.tagging, library.runs.kept())
        choose_anew(library, tagging, target, self.stop)
        self.tagging = tagging

    def _write(
        self, library: Library, options: WriteOptions, paths: Sequence[Path], run: Run
    ) -> None:
        known = library.photos.known(paths)
        photos = [(known[path].id, path) for path in paths if path in known]
        with closing(write_all(library, photos, options, run_id=run.id)) as outcomes:
            for outcome in outcomes:
                self.counts[f"files {outcome.status}"] += 1
                if outcome.reason:
                    self.report.problem(outcome.path, outcome.reason)
                if self.stop():
                    break


def note_absences(
    library: Library, root: Path, report: Report = SILENT, seen: Seen | None = None
) -> int:
    """Mark photos at or below ``root`` whose files are gone; how many. Nothing is removed. Those
    that were just ``seen`` are not looked for.

    Where most of them are gone a drive may not be mounted: then nothing is marked, and ``report``
    hears of it."""
    found = look(library, root, seen)
    if found.suspicious:
        report.note(
            f"qks: {len(found.gone):,} of {count_of(found.known, 'photo')} known in {shown(root)} "
            "are gone: is a drive not mounted?"
        )
        report.note("     they are kept as they are; `qks prune` removes them")
        found.gone.clear()
    note(library, found)
    return len(found.gone)


@dataclass(frozen=True, slots=True)
class Retagged:
    """Photos whose tags were chosen ``anew``, and those whose tags were of these words already."""

    anew: int
    same: int


def retag(
    library: Library,
    tagging: Tagging,
    *,
    advance: Callable[[int, int], None] = lambda done, of: None,
    stop: Stop = never,
) -> Retagged:
    """Choose the tags of all photos of the model anew, from the query tokens that the library
    keeps; no photo is read. A run that was cut off, or asked to ``stop``, goes on where it stopped.
    ``advance`` hears how many photos are done, and of how many.

    Raises ``ModelError`` where no photo was tagged with this model."""
    tagged_model(library, str(tagging.model.bundle.path))
    target = tagging.destination(library)
    with library.runs.recorded(
        "retag", target.model_id, target.vocabulary_id, tagging.chosen
    ) as run:
        done, of = choose_anew(library, tagging, target, stop, advance)
        run.tagged = done
        run.interrupted = stop()
    return Retagged(run.tagged, library.photos.count() - of)


def choose_anew(
    library: Library,
    tagging: Tagging,
    target: Destination,
    stop: Stop = never,
    advance: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[int, int]:
    """Within a run of the caller's, choose the tags of photos whose tags were chosen otherwise;
    how many that was done for, and how many there were. ``advance`` and ``stop`` as for
    ``retag``."""
    selection, done = tagging.tagger.selection, 0

    def scored(
        have: Sequence[int],
        unpacked: Callable[[], Float32Array],
        kept: Mapping[int, moments.Kept],
    ) -> ChosenTags:
        return tags_of(tagging.tagger, have, unpacked(), kept)

    def store(groups: Sequence[tuple[Sequence[int], Future[ChosenTags]]]) -> int:
        found = [(have, *future.result()) for have, future in groups]
        library.retag(
            [one for have, tags, _ in found for one in zip(have, tags, strict=True)],
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=selection,
            moments_of={k: v for _, _, of_moments in found for k, v in of_moments.items()},
        )
        return sum(len(have) for have, _, _ in found)

    ids = library.photos.stale_ids(target.model_id, target.vocabulary_id, selection)
    workers = settings.processors()
    # Groups are scored on threads of their own while those before are stored and the next are read.
    waiting: deque[tuple[Sequence[int], Future[ChosenTags]]] = deque()
    with library.roomy(), ThreadPoolExecutor(workers) as threads:
        for at in range(0, len(ids), GROUP):
            advance(at, len(ids))
            if stop():
                break
            have, unpacked = library.tokens.waiting(ids[at : at + GROUP], target.model_id)
            if not have:
                continue
            kept = moments.of(library, have, target.model_id)
            waiting.append((have, threads.submit(scored, have, unpacked, kept)))
            if len(waiting) >= STORED + workers:
                done += store([waiting.popleft() for _ in range(STORED)])
        if waiting:
            done += store(waiting)
    return done, len(ids)
