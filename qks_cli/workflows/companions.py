"""Raw files and videos that are not read, but share the tags of the photo that they were made with.

Axes: N photos, M query tokens, E label space.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from qks_cli.library import stacks
from qks_cli.model.tagger import Tagger
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.photos.readers import shared
from qks_cli.photos.stacking import Candidate, could_be_one, leads, photos_beside
from qks_cli.photos.suffixes import kind_of
from qks_cli.types import Details, Photo, TaggedPhoto
from qks_cli.workflows.changes import tell_apart
from qks_cli.workflows.moments import shared_tags
from qks_cli.workflows.results import Destination, Result

Pair = tuple[Photo, Path]  # a raw file or a video, and its photo


class Companions:
    """Those of one group of photos. ``workers`` threads read what cameras noted in raw files."""

    def __init__(self, target: Destination | None, tagger: Tagger, workers: int) -> None:
        self.target = target
        self.tagger = tagger
        self.workers = workers
        self._waiting: dict[Path, list[Photo]] = {}  # by their photo
        self._paths: set[Path] = set()
        self._tagged: list[Path] = []  # photos that wait for nothing
        self._left: list[Photo] = []

    def __contains__(self, photo: Photo) -> bool:
        return photo.path in self._paths

    def find(self, photos: Sequence[Photo], unread: Sequence[Photo]) -> None:
        """Tell which of the ``unread`` photos are companions of which ``photos`` of the group, or
        of the library."""
        wanted = [x for x in unread if kind_of(x.path.name) in ("raw", "video")]
        if not wanted:
            return
        by_path = {photo.path: photo for photo in photos}
        known = self._known_beside(wanted)
        everything = [*by_path, *(path for path in known if path not in by_path)]
        candidates = [
            Candidate(
                number, str(path.parent), path.name, by_path[path].size if path in by_path else 0
            )
            for number, path in enumerate(everything)
        ]
        pairs = {everything[x]: everything[lead] for x, lead in leads(candidates).items()}
        apart = self._apart(wanted)
        waits_for = {x.path for x in unread}
        for photo in wanted:
            lead = pairs.get(photo.path)
            if lead is not None and photo.path not in apart:
                if lead not in self._waiting and lead not in waits_for:
                    self._tagged.append(lead)
                self._waiting.setdefault(lead, []).append(photo)
                self._paths.add(photo.path)

    def share(self, results: Iterable[Result]) -> list[Result]:
        """Results of the companions whose photos have tags by now; ``results`` are of photos that
        were just read."""
        tags = {x.photo.path: x.tags for x in results if x.status != "failed"}
        ready, self._tagged = [*self._tagged, *tags], []
        pairs = [(x, lead) for lead in ready for x in self._waiting.pop(lead, ())]
        if not pairs:
            return []
        if self.target is None:
            return [Result(x, "shared", tags[lead]) for x, lead in pairs]
        return self._enter(pairs, self.target)

    def left(self) -> list[Photo]:
        """Companions that have to be read after all: their photo could not be, or is another."""
        found = self._left + [x for waiting in self._waiting.values() for x in waiting]
        self._waiting, self._left = {}, []
        return found

    def _known_beside(self, wanted: Sequence[Photo]) -> list[Path]:
        """Photos of the library that lie beside these, by their names, and are there."""
        if self.target is None:
            return []
        paths = [x.path.with_name(name) for x in wanted for name in photos_beside(x.path.name)]
        known = self.target.library.photos.known(paths)
        return [
            path
            for path, row in known.items()
            if row.status == "ok"
            and row.model_hash == self.target.model_hash
            and row.path == path
            and os.path.lexists(path)
        ]

    def _apart(self, wanted: Sequence[Photo]) -> set[Path]:
        """Those that stand alone because the user said so."""
        if self.target is None:
            return set()
        library = self.target.library
        ids = {row.id: path for path, row in library.photos.known([x.path for x in wanted]).items()}
        return {ids[x] for x in stacks.apart(library, list(ids))}

    def _enter(self, pairs: Sequence[Pair], target: Destination) -> list[Result]:
        library = target.library
        known = library.photos.known([lead for _, lead in pairs])
        ids = {path: row.id for path, row in known.items()}
        have, tokens_NME = library.tokens.of(sorted(set(ids.values())), target.model_id)
        tokens = {} if tokens_NME is None else dict(zip(have, tokens_NME, strict=True))
        noted = library.photos.details_of(have)
        sizes = library.photos.sizes_of(have)
        details = self._details(pairs, {path: noted.get(x) for path, x in ids.items()})
        fitting = [
            (photo, ids[lead], own)
            for (photo, lead), own in zip(pairs, details, strict=True)
            if own is not None and ids.get(lead) in tokens
        ]
        taken = {photo.path for photo, _, _ in fitting}
        self._left += [photo for photo, _ in pairs if photo.path not in taken]
        if not fitting:
            return []
        photos = [lead for _, lead, _ in fitting]
        tokens_NME = np.stack([tokens[lead] for lead in photos]).astype(np.float32)
        chosen = shared_tags(library, self.tagger, photos, tokens_NME)
        tagged = []
        for (photo, lead, own), tags in zip(fitting, chosen, strict=True):
            width, height = sizes[lead]
            size = None if width is None or height is None else (width, height)
            tagged.append(
                TaggedPhoto(photo, tuple(tags), tokens[lead], size, _edges(photo.path), own)
            )
        library.save(
            tagged,
            (),
            model_id=target.model_id,
            vocabulary_id=target.vocabulary_id,
            selection=self.tagger.selection,
        )
        tell_apart(library, tagged)
        return [Result(one.photo, "shared", one.tags) for one in tagged]

    def _details(
        self, pairs: Sequence[Pair], noted: dict[Path, Details | None]
    ) -> list[Details | None]:
        """What cameras noted in raw files; of a video, what they noted in its photo. None where
        that is of another moment than the photo."""

        def read(pair: Pair) -> Details | None:
            photo, lead = pair
            of_lead = noted.get(lead)
            if kind_of(photo.path.name) == "video" or of_lead is None:
                return of_lead
            own = shared().details(photo.path)
            fits = could_be_one(
                Candidate(0, "", "", taken_at=own.taken_at, camera=own.camera),
                Candidate(1, "", "", taken_at=of_lead.taken_at, camera=of_lead.camera),
            )
            return own if fits else None

        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(read, pairs))


def _edges(path: Path) -> bytes | None:
    try:
        return fingerprint(path)
    except OSError:
        return None
