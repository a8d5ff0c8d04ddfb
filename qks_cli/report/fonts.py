"""Fonts for names in any script: those of the system, and Pillow's own, which has ASCII alone."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TypeAlias

from PIL import ImageFont

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Pillow looks for these where systems keep their fonts. First come those that know most scripts
# of Europe, then those of Chinese, Japanese and Korean, then others.
NAMES = (
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "segoeui.ttf",
    "arial.ttf",
    "Arial.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "wqy-microhei.ttc",
    "msyh.ttc",
    "Hiragino Sans GB.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "FreeSans.ttf",
)
NOWHERE = "\U0010ffff"  # a character that no font has


def font_for(text: str, size: int) -> tuple[Font, str]:
    """The font of ``size`` pixels that has most of a text, and the text: letters that it lacks
    become their base letters (``u`` for ``ü``), and others question marks."""
    fonts = fonts_of(size)
    best = max(fonts, key=lambda font: sum(_has(font, char) for char in text))
    if all(_has(best, char) for char in text):
        return best, text
    return best, "".join(char if _has(best, char) else _plain(best, char) for char in text)


@cache
def fonts_of(size: int) -> tuple[Font, ...]:
    """Every font that there is, Pillow's own last."""
    found: list[Font] = []
    for name in NAMES:
        try:
            found.append(ImageFont.truetype(name, size))
        except OSError:
            continue
    return (*found, ImageFont.load_default(size))


@cache
def _has(font: Font, char: str) -> bool:
    return char == " " or _drawn(font, char) != _drawn(font, NOWHERE)


def _drawn(font: Font, char: str) -> tuple[object, bytes]:
    mask = font.getmask(char)
    return mask.size, bytes(mask)


def _plain(font: Font, char: str) -> str:
    base = "".join(x for x in unicodedata.normalize("NFKD", char) if not unicodedata.combining(x))
    return base if base and all(_has(font, x) for x in base) else "?"
