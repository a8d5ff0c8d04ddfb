"""Tags of videos: those of their frames, each by the frame that shows it best.

Axes: N photos, K frames of one video, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from qks_cli.library import moments
from qks_cli.library.store import Library
from qks_cli.model.tagger import Tagger
from qks_cli.types import Float32Array, Moment, Tag


def moments_of(
    tagger: Tagger, seconds: Sequence[float], tokens_KME: Float32Array
) -> tuple[Moment, ...]:
    """The moments of a video, of its frames' query tokens."""
    return tuple(map(Moment, seconds, tagger(tokens_KME), tokens_KME))


def merged(found: Sequence[Moment]) -> tuple[Tag, ...]:
    """The tags of a video, best first: every label of any moment, with its best score."""
    best: dict[str, Tag] = {}
    seconds: dict[str, list[float]] = {}
    for moment in found:
        for tag in moment.tags:
            seconds.setdefault(tag.label, []).append(moment.seconds)
            have = best.get(tag.label)
            if have is None or (tag.score, not tag.implied) > (have.score, not have.implied):
                best[tag.label] = tag
    whole = (
        Tag(x.label, x.score, x.token, x.implied, tuple(seconds[x.label])) for x in best.values()
    )
    return tuple(sorted(whole, key=lambda tag: (-tag.score, tag.label)))


ChosenTags: TypeAlias = tuple[list[tuple[Tag, ...]], dict[int, tuple[Moment, ...]]]
"""Tags, photo by photo, and the moments of videos among them, by id."""


def choose_tags(
    library: Library,
    tagger: Tagger,
    photo_ids: Sequence[int],
    tokens_NME: Float32Array,
    model_id: int,
) -> ChosenTags:
    """The tags of stored photos, by their query tokens, and of videos among them by those of their
    moments."""
    kept = moments.of(library, photo_ids, model_id)
    return tags_of(tagger, photo_ids, tokens_NME, kept)


def shared_tags(
    library: Library, tagger: Tagger, photo_ids: Sequence[int], tokens_NME: Float32Array
) -> list[tuple[Tag, ...]]:
    """The tags that others take over from stored photos: those that ``tagger`` chooses, or those
    that they carry where query tokens do not tell."""
    if not tagger.reads_photos:
        return tagger(tokens_NME)
    stored = library.tags.of(photo_ids)
    return [tuple(stored[photo_id]) for photo_id in photo_ids]


def tags_of(
    tagger: Tagger,
    photo_ids: Sequence[int],
    tokens_NME: Float32Array,
    kept: Mapping[int, moments.Kept],
) -> ChosenTags:
    """The same, of what was read from a library."""
    found = {
        photo_id: moments_of(tagger, own.seconds, own.tokens_KME) for photo_id, own in kept.items()
    }
    tags = [
        merged(found[photo_id]) if photo_id in found else own
        for photo_id, own in zip(photo_ids, tagger(tokens_NME), strict=True)
    ]
    return tags, found
