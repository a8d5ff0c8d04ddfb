"""Contact sheets: thumbnails with their names, on A4 pages of one PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw

from qks_cli.escape import shown
from qks_cli.report.fonts import font_for

DPI = 150
PAGE = (1240, 1754)  # A4 in pixels at DPI
COLUMNS, ROWS = 5, 6
MARGIN, GAP, NAME_HEIGHT = 70, 20, 30
FONT = 17  # pixels
LONGEST = 100  # characters of a name that are measured
_AT_A_TIME = 8  # pages in memory


@dataclass(frozen=True, slots=True)
class Print:
    """One photo of a sheet. ``picture`` is a WebP file, None where there is none."""

    name: str
    picture: Path | None


def write_sheets(prints: Sequence[Print], file: Path, *, title: str) -> int:
    """Write the PDF, and return its number of pages."""
    pages = -(-len(prints) // (COLUMNS * ROWS))
    drawn = _pages(prints, title, pages)
    while part := list(islice(drawn, _AT_A_TIME)):
        first, *others = part
        first.save(
            file,
            "PDF",
            resolution=DPI,
            quality=85,
            save_all=True,
            append_images=others,
            append=file.exists(),
            title=title,
            producer="qks",
        )
    return pages


def _pages(prints: Sequence[Print], title: str, pages: int) -> Iterator[Image.Image]:
    each = COLUMNS * ROWS
    width = (PAGE[0] - 2 * MARGIN - (COLUMNS - 1) * GAP) // COLUMNS
    height = (PAGE[1] - 2 * MARGIN - (ROWS - 1) * GAP) // ROWS
    for number in range(pages):
        page = Image.new("RGB", PAGE, "white")
        draw = ImageDraw.Draw(page)
        _write(draw, (MARGIN, MARGIN // 2), title, PAGE[0] - 2 * MARGIN - 120)
        font, told = font_for(f"{number + 1} / {pages}", FONT)
        draw.text((PAGE[0] - MARGIN - draw.textlength(told, font), MARGIN // 2), told, "grey", font)
        for place, one in enumerate(prints[number * each : (number + 1) * each]):
            left = MARGIN + place % COLUMNS * (width + GAP)
            top = MARGIN + place // COLUMNS * (height + GAP)
            _paste(page, one.picture, (left, top, width, height - NAME_HEIGHT))
            _write(draw, (left, top + height - NAME_HEIGHT + 6), one.name, width)
        yield page


def _paste(page: Image.Image, file: Path | None, box: tuple[int, int, int, int]) -> None:
    left, top, width, height = box
    if file is None:
        draw = ImageDraw.Draw(page)
        draw.rectangle((left, top, left + width - 1, top + height - 1), outline="silver")
        return
    with Image.open(file, formats=("WEBP",)) as stored:
        share = min(width / stored.width, height / stored.height)
        size = max(1, round(stored.width * share)), max(1, round(stored.height * share))
        small = stored.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    # Pictures stand on the line of their names.
    page.paste(small, (left + (width - size[0]) // 2, top + height - size[1]))


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, width: int) -> None:
    font, text = font_for(shown(text)[:LONGEST], FONT)
    if draw.textlength(text, font) > width:
        while text and draw.textlength(text + "...", font) > width:
            text = text[:-1]
        text += "..."
    draw.text(at, text, "black", font)
