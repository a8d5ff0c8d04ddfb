"""Photos as ``qks review`` shows them, and what its user says of them.

All that is changed here is a verdict as of ``qks tags confirm``, ``reject`` and ``reset``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.errors import PhotoError, UsageError
from qks_cli.folding import fold
from qks_cli.library import keywords, ledger, stacks, verdicts
from qks_cli.library.described import described
from qks_cli.library.store import Library
from qks_cli.photos.thumbnails import QUALITY
from qks_cli.report.page import readable
from qks_cli.search.sorting import Sort
from qks_cli.vocabulary.labels_file import Label, Vocabulary
from qks_cli.workflows import tags
from qks_cli.workflows.explain import Reason, explain
from qks_cli.workflows.heat import heat_map, picture
from qks_cli.workflows.naming import label_of, meant
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.search import SearchOptions, search_ids, similar
from qks_cli.workflows.words import Words, tagged_words

if TYPE_CHECKING:
    from qks_cli.model.model import Model

MOST = 5000  # photos that a search by meaning looks for in a large library
ALIKE = 200  # photos like another one
HEAD = 3  # tags of a card


class Said(StrEnum):
    """What the user can say of a label on a photo."""

    confirm = "confirm"
    reject = "reject"
    reset = "reset"


@dataclass(frozen=True, slots=True)
class Card:
    """A photo of the grid. ``tags`` are its first ones, of ``tag_count``. ``state`` is about one
    label: confirmed, rejected, tagged, or '' where the photo does not carry it. ``files`` are those
    of its stack, 1 where it stands alone."""

    id: int
    name: str
    taken: str
    tags: tuple[str, ...]
    tag_count: int
    state: str
    files: int = 1


@dataclass(frozen=True, slots=True)
class SeenTag:
    """A tag of a photo. ``score`` is what the model says, 0 to 1, None where it does not say it.
    ``state`` is confirmed, rejected or tagged; ``implied`` by a label below it; ``written`` into a
    file; ``keyword`` where the user's own keywords name it too. ``seconds`` of a video in which it
    is seen."""

    label: str
    score: float | None
    state: str
    implied: bool
    written: bool
    keyword: bool
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SeenPhoto:
    """A photo with all that its page shows. ``keywords`` are the user's own, ``files`` those that
    tags were written into."""

    id: int
    name: str
    folder: str
    taken: str
    camera: str
    tags: tuple[SeenTag, ...]
    keywords: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """What was said of a label, and what had been said before, by photo (None: nothing)."""

    label: str
    said: Said
    before: Mapping[int, bool | None]

    @property
    def photos(self) -> int:
        """How many photos it is about."""
        return len(self.before)


def find(
    library: Library,
    query: str,
    sort: Sort,
    *,
    model: str | Model = "mini",
    language: str = "en",
    report: Report = SILENT,
) -> list[int]:
    """Ids of all photos that answer a query, one a stack, in order; of the whole library where it
    is empty, the newest first unless sorted otherwise. ``language`` and what is raised are as for
    ``search``."""
    if not query.strip():
        others = stacks.not_main(library)
        order = library.photos.all_in_order("date" if sort is Sort.score else sort.value)
        return [photo_id for photo_id in order if photo_id not in others]
    options = SearchOptions(model, MOST, sort=sort, language=language)
    return search_ids(library, query, options, report)


def alike(library: Library, photo_id: int, *, model: str | Model = "mini") -> list[int]:
    """Ids of the photos that look most like one, that one first. Raises as ``similar``."""
    hits = similar(library, path_of(library, photo_id), SearchOptions(model, ALIKE, 0.0))
    known = library.photos.known([hit.path for hit in hits])
    return [photo_id, *(known[hit.path].id for hit in hits)]


def path_of(library: Library, photo_id: int) -> Path:
    """Where a photo of the library is. Raises ``UsageError`` where it has none of this id."""
    path = library.photos.paths_of([photo_id]).get(photo_id)
    if path is None:
        raise UsageError("this photo is no longer in the library")
    return path


def cards(library: Library, photo_ids: Sequence[int], label: str = "") -> list[Card]:
    """Photos for the grid, in this order, without those that the library no longer has; with what
    is known of one ``label``."""
    known = {one.id: one for one in described(library, photo_ids)}
    carried, said = library.tags.of(photo_ids), verdicts.of(library, photo_ids)
    stack_of = stacks.of(library, photo_ids)
    found = []
    for photo_id in photo_ids:
        if photo_id in known:
            one, own = known[photo_id], carried[photo_id]
            names = [tag.label for tag in own]
            first = [readable(tag.label) for tag in own if not tag.implied][:HEAD]
            found.append(
                Card(
                    photo_id,
                    readable(one.path.name),
                    _date(one.taken_at),
                    tuple(first),
                    len(names),
                    _state(label, names, said[photo_id]) if label else "",
                    len(stack_of[photo_id].members) if photo_id in stack_of else 1,
                )
            )
    return found


def photo(library: Library, photo_id: int) -> SeenPhoto:
    """One photo with its tags, those that the user rejected last. Raises ``UsageError`` where it is
    not in the library."""
    path = path_of(library, photo_id)
    (one,) = described(library, [photo_id])
    own = keywords.of(library, photo_id)
    chains = ledger.writes_of(library, [photo_id])
    written = {fold(label) for chain in chains.values() for label in chain[-1].labels}
    words = {fold(word) for word in own}
    said = verdicts.of(library, [photo_id])[photo_id]
    seen = []
    for tag in library.tags.of([photo_id])[photo_id]:
        verdict, folded = said.get(tag.label), fold(tag.label)
        score = tag.score if verdict is None else verdict.score
        state = _state(tag.label, [tag.label], said)
        marks = (tag.implied, folded in written, folded in words)
        seen.append(SeenTag(tag.label, score, state, *marks, tag.seconds))
    seen += [
        SeenTag(label, verdict.score, "rejected", False, fold(label) in written, False)
        for label, verdict in sorted(said.items())
        if not verdict.confirmed
    ]
    return SeenPhoto(
        photo_id,
        readable(path.name),
        readable(str(path.parent)),
        _date(one.taken_at),
        readable(one.camera or ""),
        tuple(seen),
        tuple(readable(word) for word in own),
        tuple(readable(str(file)) for file in chains),
    )


def say(library: Library, photo_ids: Sequence[int], label: str, said: Said) -> Change:
    """Confirm a label on photos (those that do not carry it get it), reject it, or take back what
    was said of it. It is the one that ``meant`` finds. Raises ``UsageError`` for what cannot be a
    label."""
    paths = library.photos.paths_of(photo_ids)
    photos = list(paths.items())
    name = meant(library, label)
    before = verdicts.of(library, list(paths))
    _say(library, photos, name, said)
    known = {photo_id: own.get(name) for photo_id, own in before.items()}
    was = {photo_id: None if x is None else x.confirmed for photo_id, x in known.items()}
    return Change(name, said, was)


def undo(library: Library, change: Change) -> int:
    """Say again what was said before a change, on the photos of which nothing else was said since;
    returns on how many."""
    now = verdicts.of(library, list(change.before))
    wanted = {Said.confirm: True, Said.reject: False, Said.reset: None}[change.said]
    again: dict[bool | None, list[int]] = {True: [], False: [], None: []}
    for photo_id, before in change.before.items():
        verdict = now[photo_id].get(change.label)
        if (None if verdict is None else verdict.confirmed) == wanted:
            again[before].append(photo_id)
    count = 0
    for before, said in ((True, Said.confirm), (False, Said.reject), (None, Said.reset)):
        photos = list(library.photos.paths_of(again[before]).items())
        if photos:
            _say(library, photos, change.label, said)
            count += len(photos)
    return count


def why(library: Library, photo_id: int, label: str, *, model: str | Model = "mini") -> Reason:
    """Why a photo carries a label or does not.

    The label need not be of the vocabulary. Raises as ``explain`` and ``tagged_words``."""
    found, words = tagged_words(library, model)
    own = _meant(library, words, label)
    cutoff, path = words.chosen.min_score, path_of(library, photo_id)
    explained = explain(
        path, found, Vocabulary((own,)), [own.name], min_score=cutoff, learned=words.learned
    )
    return explained.reasons[0]


def heat_picture(
    library: Library, photo_id: int, label: str, side: int, *, model: str | Model = "mini"
) -> bytes:
    """A photo in WebP, warm where the score of a label comes from, as ``qks explain`` draws it; at
    most ``side`` pixels long. Raises as ``heat_map``, ``picture`` and ``tagged_words``."""
    from PIL import Image

    found, words = tagged_words(library, model)
    path = path_of(library, photo_id)
    heat_GG = heat_map(found, path, _meant(library, words, label))
    pixels_HW3 = picture(path, heat_GG, found.bundle.resize, side)
    out = BytesIO()
    Image.fromarray(pixels_HW3).save(out, "WEBP", quality=QUALITY)
    return out.getvalue()


def _meant(library: Library, words: Words, label: str) -> Label:
    """The label alone, whose parent and group say nothing; any words are one. Raises ``UsageError``
    where there is none."""
    if not label.strip():
        raise UsageError("a label is empty")
    try:
        return replace(label_of(library, words.vocabulary, label), parent=None, group=None)
    except UsageError:
        return Label(label)


def as_words(error: PhotoError) -> str:
    """Why a photo cannot be shown."""
    return readable(error.reason)


def _say(library: Library, photos: Sequence[tuple[int, Path]], label: str, said: Said) -> None:
    if said is Said.confirm:
        tags.confirm(library, photos, label, add=True)
    elif said is Said.reject:
        tags.reject(library, photos, label)
    else:
        tags.reset(library, photos, label)


def _state(label: str, carried: Collection[str], said: Mapping[str, verdicts.Verdict]) -> str:
    verdict = said.get(label)
    if verdict is not None:
        return "confirmed" if verdict.confirmed else "rejected"
    return "tagged" if label in carried else ""


def _date(taken_at: str | None) -> str:
    return (taken_at or "")[:16].replace("T", " ")
