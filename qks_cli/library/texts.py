"""Text that was read in photos: kept, found by its words, shown by the line that holds them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qks_cli.folding import fold
from qks_cli.library.database import Database, now

# Scripts that put no blanks between words: each of their letters is a word of its own, so that a
# part of a text is found as a phrase. (Thai and Lao, kana, Chinese characters.)
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_WORD = re.compile(r"[^\W_]+")
FOUND = (
    "SELECT texts.photo_id FROM texts_fts JOIN texts ON texts.photo_id = texts_fts.rowid "
    "JOIN photos AS read ON read.id = texts.photo_id "
    "WHERE texts_fts MATCH ? AND texts.fingerprint IS read.fingerprint"
)
"""Photos whose text matches an expression of ``phrase`` or ``every_word``, as they are now."""


@dataclass(frozen=True, slots=True)
class ReadText:
    """The text of one photo, a line each ('' where it shows none); ``fingerprint`` of the file that
    was read, as the library knows it."""

    photo_id: int
    text: str
    fingerprint: bytes | None


def words(text: str) -> list[str]:
    """The words of a text as they are compared: without regard to case and accents."""
    plain = unicodedata.normalize("NFKD", fold(text).replace("ß", "ss"))
    bare = "".join(char for char in plain if not unicodedata.combining(char))
    spaced = _UNSPACED.sub(r" \1 ", unicodedata.normalize("NFC", bare))
    return _WORD.findall(spaced)


def phrase(text: str) -> str:
    """An expression of SQLite's FTS5 for these words, one right after the other; a ``*`` at the end
    stands for the rest of the last word. '' where there is no word."""
    found = words(text)
    rest = "*" if text.rstrip().endswith("*") else ""
    return f'"{" ".join(found)}"{rest}' if found else ""


def every_word(wanted: Iterable[str]) -> str:
    """An expression for all of these words (of ``words``), wherever they stand."""
    return " AND ".join(f'"{word}"' for word in wanted)


def known(library: Database, reader: str, photo_ids: Sequence[int]) -> dict[int, str]:
    """Text by photo, of those that this reader has read as they are now."""
    rows = library.rows_in(
        "SELECT photo_id, text FROM texts JOIN photos ON photos.id = photo_id "
        "WHERE texts.fingerprint IS photos.fingerprint AND reader = ? AND photo_id IN ({})",
        photo_ids,
        before=[reader],
    )
    return {photo_id: text for photo_id, text in rows}


def of(library: Database, photo_ids: Sequence[int]) -> dict[int, str]:
    """Text by photo, of those that show any; whoever read it."""
    rows = library.rows_in("SELECT id, text FROM text_list WHERE id IN ({})", photo_ids)
    return {photo_id: text for photo_id, text in rows}


def any_text(library: Database) -> bool:
    """Whether text was read in any photo."""
    return library.row("SELECT 1 FROM texts WHERE text != '' LIMIT 1") is not None


def fingerprints(library: Database, photo_ids: Sequence[int]) -> dict[int, bytes | None]:
    """What the library knows photos by (photos/fingerprint.py), by id."""
    rows = library.rows_in("SELECT id, fingerprint FROM photos WHERE id IN ({})", photo_ids)
    return {photo_id: digest for photo_id, digest in rows}


def save(library: Database, reader: str, found: Iterable[ReadText]) -> None:
    """Store texts, each in the place of an earlier one of its photo, in one transaction. A photo
    that was pruned meanwhile is left out."""
    with library.atomic():
        library.execute_many(
            "INSERT INTO texts (photo_id, fingerprint, reader, read_at, text, words) "
            "SELECT id, ?, ?, ?, ?, ? FROM photos WHERE id = ? "
            "ON CONFLICT (photo_id) DO UPDATE SET fingerprint = excluded.fingerprint, "
            "reader = excluded.reader, read_at = excluded.read_at, text = excluded.text, "
            "words = excluded.words",
            [
                (one.fingerprint, reader, now(), one.text, " ".join(words(one.text)), one.photo_id)
                for one in found
            ],
        )


def line_with(text: str, wanted: Iterable[str]) -> str:
    """The line of a text that holds the most of these words (of ``words``; a ``*`` at the end of
    one stands for its rest); '' where the text lacks one of them."""
    needed = set(wanted)
    best, most, seen = "", 0, set[str]()
    for line in text.split("\n"):
        here = {one for one in needed for word in words(line) if _is(word, one)}
        seen |= here
        if len(here) > most:
            best, most = line, len(here)
    return best if needed and seen == needed else ""


def _is(word: str, wanted: str) -> bool:
    return word.startswith(wanted[:-1]) if wanted.endswith("*") else word == wanted
