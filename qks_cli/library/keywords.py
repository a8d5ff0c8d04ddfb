"""The keywords that users gave their photos before, or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qks_cli.folding import fold
from qks_cli.library.database import Database


def keep(library: Database, found: Iterable[tuple[int, str, Sequence[str]]]) -> None:
    """Replace the user's keywords of photos: id, source (file or sidecar), keywords."""
    with library.atomic():
        for photo_id, source, words in found:
            library.execute(
                "DELETE FROM keywords WHERE photo_id = ? AND source = ?", (photo_id, source)
            )
            library.execute_many(
                "INSERT OR IGNORE INTO keywords (photo_id, keyword, source, folded) "
                "VALUES (?, ?, ?, ?)",
                [(photo_id, word, source, fold(word)) for word in words],
            )


def of(library: Database, photo_id: int) -> list[str]:
    """The user's own keywords of a photo, in the order of the alphabet."""
    rows = library.rows(
        "SELECT DISTINCT keyword FROM keywords WHERE photo_id = ? ORDER BY keyword", (photo_id,)
    )
    return [str(keyword) for (keyword,) in rows]


def from_source(library: Database, photo_id: int, source: str) -> list[str]:
    """The user's keywords of a photo that come from its file or from its sidecars."""
    rows = library.rows(
        "SELECT keyword FROM keywords WHERE photo_id = ? AND source = ?", (photo_id, source)
    )
    return [str(keyword) for (keyword,) in rows]


def keep_ratings(library: Database, found: Iterable[tuple[int, int]]) -> None:
    """Store the ratings of photos that a sidecar alone has: id, -1 to 5."""
    with library.atomic():
        library.execute_many(
            "UPDATE photos SET rating = ? WHERE id = ?",
            [(rating, photo_id) for photo_id, rating in found],
        )
