"""Moments of videos: frames that were looked at, with their query tokens, and the tags of each.

Axes: K moments of one video, R moments of all, S bytes, M query tokens, E label space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from qks_cli.errors import LibraryError
from qks_cli.library.database import DAMAGED, Database
from qks_cli.packing import pack, size_of, unpack
from qks_cli.types import Float32Array, Moment


@dataclass(frozen=True, slots=True)
class Kept:
    """The moments of one video: seconds from its beginning, query tokens [K, M, E]."""

    seconds: tuple[float, ...]
    tokens_KME: Float32Array


def any_moments(library: Database) -> bool:
    """Whether there is any video."""
    return library.row("SELECT 1 FROM moments LIMIT 1") is not None


def of(library: Database, photo_ids: Sequence[int] | None, model_id: int) -> dict[int, Kept]:
    """The moments of these videos by id, of one model; of all where ``photo_ids`` is None."""
    sql = "SELECT photo_id, seconds, tokens FROM moments WHERE model_id = ?"
    if photo_ids is None:
        rows = library.rows(f"{sql} ORDER BY photo_id, number", (model_id,))
    elif not any_moments(library):
        return {}
    else:
        listed = f"{sql} AND photo_id IN ({{}}) ORDER BY photo_id, number"
        rows = list(library.rows_in(listed, photo_ids, before=[model_id]))
    shape = library.row("SELECT queries, width FROM models WHERE id = ?", (model_id,))
    if not rows or shape is None:
        return {}
    tokens_RME = _unpacked(library, [blob for _, _, blob in rows], *shape)
    found, at = {}, 0
    for photo_id, own in groupby(rows, key=lambda row: row[0]):
        seconds = tuple(second for _, second, _ in own)
        found[photo_id] = Kept(seconds, tokens_RME[at : at + len(seconds)])
        at += len(seconds)
    return found


def video_ids(library: Database, model_id: int) -> list[int]:
    """The videos with moments of a model, ascending."""
    rows = library.rows(
        "SELECT DISTINCT photo_id FROM moments WHERE model_id = ? ORDER BY photo_id", (model_id,)
    )
    return [photo_id for (photo_id,) in rows]


def seconds_of(
    library: Database, photo_ids: Sequence[int]
) -> dict[int, dict[str, tuple[float, ...]]]:
    """In which seconds of videos labels, as they are shown, are seen: by id, then by label."""
    if not any_moments(library):
        return {}
    rows = library.rows_in(
        "SELECT DISTINCT photo_id, label, seconds FROM moment_tags "
        "JOIN shown_labels ON shown_labels.id = moment_tags.label_id "
        "WHERE photo_id IN ({}) ORDER BY photo_id, label, seconds",
        photo_ids,
    )
    found: dict[int, dict[str, tuple[float, ...]]] = {}
    for photo_id, label, seconds in rows:
        own = found.setdefault(photo_id, {})
        own[label] = (*own.get(label, ()), seconds)
    return found


def scores_of(library: Database, photo_id: int, label: str) -> dict[float, float]:
    """The score of a label, under whatever name it is shown, by the seconds of one video in which
    it is seen."""
    rows = library.rows(
        "SELECT seconds, max(score) FROM moment_tags "
        "JOIN shown_labels ON shown_labels.id = moment_tags.label_id "
        "WHERE photo_id = ? AND shown_labels.label_id = "
        "(SELECT coalesce(shown_as, id) FROM labels WHERE name = ?) GROUP BY seconds",
        (photo_id, label),
    )
    return {seconds: score for seconds, score in rows}


# Within a transaction of the caller's


def put(library: Database, found: Mapping[int, Sequence[Moment]], model_id: int) -> None:
    """Enter or replace the moments of photos, by id, with their tags; none where a photo is no
    video. The labels have to be there."""
    library.execute_many("DELETE FROM moments WHERE photo_id = ?", [(x,) for x in found])
    for photo_id, own in found.items():
        if own:
            packed_KS = pack(np.stack([one.tokens_ME for one in own]).astype(np.float32))
            library.execute_many(
                "INSERT INTO moments VALUES (?, ?, ?, ?, ?)",
                [
                    (photo_id, model_id, number, one.seconds, packed_S.tobytes())
                    for number, (one, packed_S) in enumerate(zip(own, packed_KS, strict=True))
                ],
            )
    put_tags(library, found)


def put_tags(library: Database, found: Mapping[int, Sequence[Moment]]) -> None:
    """Enter or replace the tags of moments, by photo id."""
    library.execute_many("DELETE FROM moment_tags WHERE photo_id = ?", [(x,) for x in found])
    library.execute_many(
        "INSERT OR REPLACE INTO moment_tags SELECT ?, id, ?, ? FROM labels WHERE name = ?",
        [
            (photo_id, one.seconds, tag.score, tag.label)
            for photo_id, own in found.items()
            for one in own
            for tag in one.tags
        ],
    )


def _unpacked(library: Database, blobs: Sequence[bytes], queries: int, width: int) -> Float32Array:
    whole, size = b"".join(blobs), size_of(queries, width)
    if len(whole) != len(blobs) * size:
        raise LibraryError(
            f"the library {library.path}: moments of a video are not as they were stored",
            hint=DAMAGED,
        )
    return unpack(np.frombuffer(whole, np.uint8).reshape(len(blobs), size), queries, width)
