"""The keywords and the rating that Windows writes into Exif."""

from __future__ import annotations

from qks_cli.keywords.formats import tiff
from qks_cli.keywords.formats.tiff import Block
from qks_cli.keywords.formats.words import keyword_of

RATING = 0x4746
MOST = 1 << 20  # bytes of keywords


def keywords(exif: Block) -> list[str]:
    """XPKeywords: one string of UTF-16, semicolons between keywords."""
    value = tiff.value(exif, tiff.XP_KEYWORDS, MOST) or b""
    text = value[: len(value) // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]
    return [word for part in text.split(";") if (word := keyword_of(part))]


def rating(exif: Block) -> int | None:
    """0 to 5 stars; None where there are none."""
    value = tiff.value(exif, RATING, 4)
    if value is None or len(value) != 2:
        return None
    stars = int.from_bytes(value, "little" if exif[:2] == b"II" else "big")
    return stars if stars <= 5 else None
