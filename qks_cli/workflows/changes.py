"""What has become of photos since the library last saw them, before any of them is read."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qks_cli.library import names, presence
from qks_cli.library.paths import key_path
from qks_cli.library.photos import KnownPhoto
from qks_cli.library.store import Library
from qks_cli.photos.digests import file_digest
from qks_cli.photos.fingerprint import fingerprint
from qks_cli.photos.walk import absolute
from qks_cli.types import Photo, TaggedPhoto

FRESH = 60.0  # seconds for which a file that was there counts as there
GROWTH = 4096  # ids for which room is made at a time
MANY = 20  # from here on, more than half of a folder's photos gone looks like an unmounted drive


@dataclass(frozen=True, slots=True)
class Wanted:
    """The model, vocabulary, cut-off and limit that stored tags must match to be kept."""

    model_hash: str
    vocabulary_digest: str
    selection: str


@dataclass(frozen=True, slots=True)
class Change:
    """``state``: a run reads what is ``new``, ``changed``, ``failed`` (could not be read before) or
    of ``other-model``, chooses anew the tags of what is ``stale`` (tagged with other words), and
    leaves what is ``unchanged``.

    ``row`` is what the library holds of it, under ``moved_from`` where it had another name.
    ``other_name`` is a path that leads to the same file, a link.
    """

    photo: Photo
    state: str
    row: KnownPhoto | None = None
    moved_from: Path | None = None
    other_name: Path | None = None


@dataclass(slots=True)
class Presence:
    """Of ``known`` photos at or below a folder: those whose file is ``gone``, the ids of those that
    were marked missing and are ``back``, and those whose path is gone while another name leads to
    their file (``renamed``, with that name). ``unlinked`` are other names that are gone."""

    known: int = 0
    gone: list[tuple[int, Path]] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    renamed: list[tuple[int, Path]] = field(default_factory=list)
    unlinked: list[Path] = field(default_factory=list)

    @property
    def suspicious(self) -> bool:
        """Whether so much is gone that a drive may not be mounted."""
        return len(self.gone) >= MANY and 2 * len(self.gone) > self.known


class Seen:
    """Photos, by their ids, whose files a run has just seen where the library has them, with the
    size and time that it knows: a byte each."""

    def __init__(self) -> None:
        self._ids = bytearray()
        self._since = time.monotonic()

    def add(self, photo_ids: Collection[int]) -> None:
        """These were seen."""
        most = max(photo_ids, default=-1)
        if most >= len(self._ids):
            self._ids.extend(bytes(most + GROWTH - len(self._ids)))
        for photo_id in photo_ids:
            self._ids[photo_id] = 1

    def ids(self) -> bytes:
        """1 by id for every photo that need not be looked for again; none after some time: it may
        have gone meanwhile."""
        return bytes(self._ids) if time.monotonic() - self._since < FRESH else b""


def find_changes(library: Library, photos: Sequence[Photo], wanted: Wanted) -> list[Change]:
    """One change a photo, in order. Reads the edges of files that may have been moved."""
    known, moved = _known(library, photos), {}
    unknown = [photo for photo in photos if photo.path not in known]
    if unknown:
        moved = _moves(library, unknown)
        known |= {
            new: row for new, old in moved.items() for row in library.photos.known([old]).values()
        }
    changes = []
    for photo in photos:
        row, origin = known.get(photo.path), moved.get(photo.path)
        name = photo.found_as
        if row is not None and origin is None and row.path != photo.path:
            # A library of before links were told apart may hold the link as a photo's own path.
            if row.path != photo.found_as and _is_one(row.path, photo.path):
                name, photo = photo.path, photo.at(row.path)
            else:
                origin = row.path
        state = "new" if row is None else _state(photo, row, wanted, moved=origin is not None)
        changes.append(Change(photo, state, row, origin, name))
    return changes


def _known(library: Library, photos: Sequence[Photo]) -> dict[Path, KnownPhoto]:
    """What the library holds of these photos, also of those that it knows by another path to the
    same file: an older one through a link, or another hard link."""
    known = library.photos.known([photo.path for photo in photos])
    for path, row in list(known.items()):
        # A name that is no link any more, but a file of its own.
        if row.path != path and os.path.lexists(row.path) and not _is_one(row.path, path):
            del known[path]
    unknown = [photo for photo in photos if photo.path not in known]
    links = {photo.found_as: photo for photo in unknown if photo.found_as is not None}
    by_link = library.photos.known(list(links))
    known |= {links[path].path: row for path, row in by_link.items()}
    hard = [photo for photo in unknown if photo.hard_links > 1 and photo.path not in known]
    by_size = presence.of_sizes(library, {photo.size for photo in hard})
    for photo in hard:
        same = [x.path for x in by_size.get(photo.size, ()) if _is_one(x.path, photo.path)]
        if same:
            known[photo.path] = library.photos.known(same[:1])[same[0]]
    return known


def _is_one(one: Path, other: Path) -> bool:
    """Whether both paths lead to one file that is there."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def tell_apart(library: Library, tagged: Sequence[TaggedPhoto]) -> None:
    """Hash photos in full whose fingerprint another one has: which of them moves later can then be
    told. Hardly any two photos agree in size, head and tail that are not copies."""
    fresh = {one.fingerprint for one in tagged if one.fingerprint is not None}
    hashes = [
        (photo_id, whole)
        for photo_id, path in presence.unhashed_lookalikes(library, fresh)
        if (whole := file_digest(path)) is not None
    ]
    if hashes:
        presence.keep_hashes(library, hashes)


def look(library: Library, root: Path | None, seen: Seen | None = None) -> Presence:
    """Which photos that are known at or below ``root`` (None: everywhere) are still there. Those
    that were just ``seen`` are."""
    found = Presence()
    there = b"" if seen is None else seen.ids()
    for photo_id, key, missing in presence.paths_under(library, root):
        found.known += 1
        is_there = photo_id < len(there) and there[photo_id]
        if not is_there and not os.path.lexists(key):
            found.gone.append((photo_id, key_path(key)))
        elif missing:
            found.back.append(photo_id)
    others = names.of(library, [photo_id for photo_id, _ in found.gone])
    for photo_id, paths in others.items():
        found.renamed += [(photo_id, path) for path in paths if path.exists()][:1]
    renamed = {photo_id for photo_id, _ in found.renamed}
    found.gone = [one for one in found.gone if one[0] not in renamed]
    if root is not None:
        links = (path for _, path in names.under(library, root))
        found.unlinked = [path for path in links if not os.path.lexists(path)]
    return found


def note(library: Library, found: Presence) -> None:
    """Store what ``look`` found. Nothing is removed but names of links that are gone."""
    if found.gone or found.back:
        presence.mark(library, gone=(x for x, _ in found.gone), back=found.back)
    if found.renamed:
        names.promote(library, found.renamed)
    if found.unlinked:
        names.drop(library, found.unlinked)


def folders(roots: Iterable[Path]) -> list[Path]:
    """The folders among ``roots``, absolute as the walk makes them, none below another."""
    found = sorted({absolute(root) for root in roots if root.is_dir()})
    return [x for x in found if not any(other in x.parents for other in found)]


def _state(photo: Photo, row: KnownPhoto, wanted: Wanted, *, moved: bool) -> str:
    if row.status != "ok":
        return "failed"
    # A copy onto another disk may round the time; then the fingerprint has said that it is it.
    if not moved and (row.size, row.mtime_ns) != (photo.size, photo.mtime_ns):
        return "changed"
    if row.model_hash != wanted.model_hash:
        return "other-model"
    current = (row.vocabulary_digest, row.selection) == (
        wanted.vocabulary_digest,
        wanted.selection,
    )
    return "unchanged" if current else "stale"


def _moves(library: Library, photos: Sequence[Photo]) -> dict[Path, Path]:
    """New path to old path, of photos that lie where none was known and are gone elsewhere."""
    # By fingerprint too: cameras write thousands of raw files of one size.
    by_size = presence.of_sizes(library, {photo.size for photo in photos})
    known: dict[tuple[int, bytes], list[presence.Candidate]] = {}
    for size, candidates in by_size.items():
        for candidate in candidates:
            known.setdefault((size, candidate.fingerprint), []).append(candidate)
    moved: dict[Path, Path] = {}
    taken: set[int] = set()
    for photo in photos:
        if photo.size not in by_size:
            continue
        try:
            digest = fingerprint(photo.path)
        except OSError:
            continue  # reading it will say what is wrong
        same = [
            candidate
            for candidate in known.get((photo.size, digest), ())
            if candidate.id not in taken and not os.path.lexists(candidate.path)
        ]
        if len(same) > 1 and any(candidate.full_hash for candidate in same):
            whole = file_digest(photo.path)
            same = [candidate for candidate in same if candidate.full_hash in (None, whole)]
        if same:
            # Of several with the same bytes the one with the same time, then the first known.
            best = min(same, key=lambda one: (one.mtime_ns != photo.mtime_ns, one.id))
            taken.add(best.id)
            moved[photo.path] = best.path
    return moved
