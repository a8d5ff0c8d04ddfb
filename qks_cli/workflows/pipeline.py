"""From photos to stored tags, batch by batch, as a generator.

A photo that has not changed is not read again: its stored tags are passed on, or chosen anew from
its stored query tokens where the vocabulary or the cut-off changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from qks_cli.library import names, presence
from qks_cli.library.photos import KnownPhoto
from qks_cli.model.model import Model
from qks_cli.model.tagger import Tagger
from qks_cli.photos.limits import Limits
from qks_cli.photos.loader import load
from qks_cli.photos.readers import Readers
from qks_cli.types import (
    DecodedBatch,
    Details,
    Float32Array,
    Moment,
    Photo,
    PhotoFailure,
    Tag,
    TaggedPhoto,
    UInt8Array,
)
from qks_cli.workflows.changes import Change, Seen, find_changes, tell_apart
from qks_cli.workflows.companions import Companions
from qks_cli.workflows.moments import choose_tags, merged
from qks_cli.workflows.results import Destination, Result

Scoring = Callable[[UInt8Array], Float32Array]
"""Pixels, uint8 [B, S, S, 3], to another method's scores of the labels [B, C]."""
GROUP = 2048  # photos looked up in the library together; results come in order within and across
COMMIT_SECONDS = 1.0  # with one batch on top, what a kill can lose stays under 2 s


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How photos are read. ``workers`` are decoding threads. ``readers`` were started beforehand,
    with limits of their own, and are closed when the photos are read. Without ``known_tags`` the
    results of photos that have not changed come without their tags, which takes less time."""

    batch_size: int = 32
    workers: int = 2
    limits: Limits = field(default_factory=Limits)
    readers: Readers | None = None
    known_tags: bool = True


def tag_photos(
    photos: Iterable[Photo],
    *,
    model: Model,
    tagger: Tagger,
    destination: Destination | None,
    options: LoadOptions,
    scoring: Scoring | None = None,
    stop: Callable[[], bool] = lambda: False,
    seen: Seen | None = None,
) -> Generator[Result, None, None]:
    """One result a photo, in the order of ``photos``, each after it was stored.

    ``destination`` None stores and looks up nothing. ``scoring`` puts labels in another order; it
    reads photos, so that stored query tokens are no use to it. Once ``stop`` says so, the batch in
    hand is finished and stored, and the iterator ends. ``seen`` is told of photos that have not
    changed.
    """
    seen = Seen() if seen is None else seen
    with options.readers or Readers(options.limits) as readers:
        run = _Run(model, tagger, destination, options, readers, scoring, stop, seen)
        for group in _groups(iter(photos)):
            if stop():
                return
            yield from run.group(group)


def _groups(photos: Iterator[Photo]) -> Iterator[list[Photo]]:
    """Photos some at a time, those of one name and folder together."""
    waiting: list[Photo] = []
    while group := waiting + list(islice(photos, GROUP - len(waiting))):
        waiting = []
        if len(group) >= GROUP:
            for photo in photos:
                last = group[-1].path
                if (photo.path.parent, photo.path.stem) != (last.parent, last.stem):
                    waiting = [photo]
                    break
                group.append(photo)
        yield group


class _Run:
    def __init__(
        self,
        model: Model,
        tagger: Tagger,
        destination: Destination | None,
        options: LoadOptions,
        readers: Readers,
        scoring: Scoring | None,
        stop: Callable[[], bool],
        seen: Seen,
    ) -> None:
        self.model = model
        self.tagger = tagger
        self.destination = destination
        self.options = options
        self.readers = readers
        self.scoring = scoring
        self.stop = stop
        self.seen = seen
        self.warnings: dict[Path, str] = {}

    def group(self, photos: Sequence[Photo]) -> Iterator[Result]:
        """Results in order: those from the library wait for the read ones before them."""
        changes: Sequence[Change] = ()
        ready: dict[str, Result] = {}
        if self.destination is not None:
            ready = self._unchanged(photos, self.destination)
            rest = [photo for photo in photos if photo.text not in ready]
            if rest:
                wanted = self.destination.wanted(self.tagger.selection)
                changes = find_changes(self.destination.library, rest, wanted)
                own = {old.text: x.photo for old, x in zip(rest, changes, strict=True)}
                photos = [own.get(photo.text, photo) for photo in photos]
                ready |= self._from_library(changes)
        yield from self._in_order(photos, ready)
        links = [(x.photo.path, x.other_name) for x in changes if x.other_name is not None]
        if self.destination is not None and links:
            names.add(self.destination.library, links)

    def _unchanged(self, photos: Sequence[Photo], target: Destination) -> dict[str, Result]:
        """Results of the photos of which nothing has changed, nearly always all of them: found
        without a look at anything else."""
        ids = target.library.photos.unchanged(
            photos, target.model_id, target.vocabulary_id, self.tagger.selection
        )
        self.seen.add(ids.values())
        tags: Mapping[int, Sequence[Tag]] = {}
        if self.options.known_tags:
            tags = target.library.tags.of(list(ids.values()))
        return {
            photo.text: Result(photo, "unchanged", tuple(tags.get(ids[photo.text], ())))
            for photo in photos
            if photo.text in ids
        }

    def _in_order(self, photos: Sequence[Photo], ready: dict[str, Result]) -> Iterator[Result]:
        waiting = iter(photos)
        due = next(waiting, None)
        unread = [photo for photo in photos if photo.text not in ready]
        for results in self._unread(photos, unread) if unread else ():
            ready.update((result.photo.text, result) for result in results)
            while due is not None and due.text in ready:
                yield ready.pop(due.text)
                due = next(waiting, None)
        while due is not None and due.text in ready:
            yield ready.pop(due.text)
            due = next(waiting, None)

    def _unread(self, photos: Sequence[Photo], unread: Sequence[Photo]) -> Iterator[list[Result]]:
        """Results of photos that the library has no tags of, in lots: raw files and videos share
        those of the photos that they were made with, once those have them."""
        companions = Companions(self.destination, self.tagger, self.options.workers)
        companions.find(photos, unread)
        yield companions.share(())
        for results in self._read([x for x in unread if x not in companions]):
            yield results
            yield companions.share(results)
        alone = companions.left()  # their photos could not be read, or are of another moment
        if alone and not self.stop():
            yield from self._read(alone)

    def _from_library(self, changes: Sequence[Change]) -> dict[str, Result]:
        if self.destination is None:
            return {}
        target = self.destination
        # Photos of a library from before details were read: read now, once.
        kept = ("unchanged", "stale")
        bare = [
            (x.row.id, x.photo) for x in changes if x.row and x.state in kept and not x.row.detailed
        ]
        if bare:
            target.library.photos.save_details(self._details(bare))
        moves = [(x.row.id, x.photo) for x in changes if x.row and x.moved_from]
        if moves:
            presence.move(target.library, moves)
        same = [(x, x.row) for x in changes if x.row and x.state == "unchanged"]
        stale = [(x.photo, x.row) for x in changes if x.row and x.state == "stale"]
        if self.scoring is not None:
            stale = []  # read again
        stored = target.library.tags.of([row.id for _, row in same])
        ready = {
            x.photo.text: Result(
                x.photo, "moved" if x.moved_from else "unchanged", tuple(stored[row.id])
            )
            for x, row in same
        }
        return ready | self._retag(stale, target)

    def _details(self, bare: Sequence[tuple[int, Photo]]) -> list[tuple[int, Details]]:
        with ThreadPoolExecutor(self.options.workers) as threads:
            found = threads.map(lambda one: self.readers.details(one[1].path), bare)
            return [(photo_id, one) for (photo_id, _), one in zip(bare, found, strict=True)]

    def _retag(
        self, stale: Sequence[tuple[Photo, KnownPhoto]], target: Destination
    ) -> dict[str, Result]:
        by_id = {row.id: photo for photo, row in stale}
        ids, tokens_NME = target.library.tokens.of(list(by_id), target.model_id)
        if tokens_NME is None:
            return {}
        tags, found = choose_tags(target.library, self.tagger, ids, tokens_NME, target.model_id)
        target.library.retag(
            zip(ids, tags, strict=True),
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=self.tagger.selection,
            moments_of=found,
        )
        return {
            by_id[photo_id].text: Result(by_id[photo_id], "retagged", own)
            for photo_id, own in zip(ids, tags, strict=True)
        }

    def _read(self, photos: Sequence[Photo]) -> Iterator[list[Result]]:
        """Results of photos that have to be read, in lots that were stored together."""
        tagged: list[TaggedPhoto] = []
        failures: list[PhotoFailure] = []
        saved = time.monotonic()
        batches = load(
            photos,
            size=self.model.bundle.image_size,
            resize=self.model.bundle.resize,
            batch_size=self.options.batch_size,
            workers=self.options.workers,
            readers=self.readers,
            stop=self.stop,
        )
        for batch in batches:
            failures += batch.failures
            self.warnings.update((photo.path, text) for photo, text in batch.warnings)
            if batch.photos:
                tagged += self._tagged(batch)
            stopped = self.stop()
            if stopped or time.monotonic() - saved > COMMIT_SECONDS:
                yield self._save(tagged, failures)
                tagged, failures, saved = [], [], time.monotonic()
            if stopped:
                batches.close()
                return
        yield self._save(tagged, failures)

    def _tagged(self, batch: DecodedBatch) -> Iterator[TaggedPhoto]:
        """What the model says of a batch; of a video what it says of its frames."""
        tokens_BME = self.model.query_tokens(batch.pixels_BHW3)
        tags = self._tags(batch.pixels_BHW3, tokens_BME)
        for row, frames in enumerate(batch.frames):
            moments: tuple[Moment, ...] = ()
            if frames is not None:
                tokens_KME = self.model.query_tokens(frames.pixels_KHW3)
                own = self._tags(frames.pixels_KHW3, tokens_KME)
                moments = tuple(map(Moment, frames.seconds, own, tokens_KME))
            yield TaggedPhoto(
                batch.photos[row],
                merged(moments) if moments else tags[row],
                tokens_BME[row],
                batch.sizes[row],
                batch.fingerprints[row],
                batch.details[row],
                moments,
            )

    def _tags(self, pixels_BHW3: UInt8Array, tokens_BME: Float32Array) -> list[tuple[Tag, ...]]:
        if self.scoring is None:
            return self.tagger(tokens_BME)
        return self.tagger(tokens_BME, self.scoring(pixels_BHW3))

    def _save(
        self, tagged: Sequence[TaggedPhoto], failures: Sequence[PhotoFailure]
    ) -> list[Result]:
        if self.destination is not None and (tagged or failures):
            self.destination.library.save(
                tagged,
                failures,
                model_id=self.destination.model_id,
                vocabulary_id=self.destination.vocabulary_id,
                selection=self.tagger.selection,
            )
            tell_apart(self.destination.library, tagged)
        return [
            Result(row.photo, "tagged", row.tags, warning=self.warnings.pop(row.photo.path, None))
            for row in tagged
        ] + [Result(row.photo, "failed", reason=row.reason) for row in failures]
