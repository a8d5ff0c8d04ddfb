"""Pictures with text, drawn: a sign, a receipt, a screenshot."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

RECEIPT = ("CORNER CAFE", "14 Harbour Street", "Espresso 2.80", "Apple cake 4.50", "TOTAL 7.30")
SCREENSHOT = (
    "Flight status",
    "Your flight to Lisbon leaves from gate 12 at 18:45.",
    "Boarding pass 4K7XQ2, seat 21C",
)


def sign(text: str = "EXIT 34") -> Image.Image:
    """White letters on a blue board, in a landscape."""
    picture = Image.linear_gradient("L").resize((1200, 900)).convert("RGB")
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((300, 250, 900, 500), fill=(10, 60, 140))
    drawing.text((360, 310), text, "white", ImageFont.load_default(110))
    return picture


def document(lines: Sequence[str] = RECEIPT) -> Image.Image:
    """Black letters on paper, upright."""
    picture = Image.new("RGB", (800, 1000), (250, 249, 244))
    drawing = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        drawing.text((80, 80 + 90 * row), line, (20, 20, 20), ImageFont.load_default(44))
    return picture


def screenshot(lines: Sequence[str] = SCREENSHOT) -> Image.Image:
    """Small letters in a window."""
    picture = Image.new("RGB", (1280, 720), (32, 34, 40))
    drawing = ImageDraw.Draw(picture)
    drawing.rectangle((0, 0, 1280, 48), fill=(60, 64, 72))
    for row, line in enumerate(lines):
        drawing.text((40, 80 + 44 * row), line, (230, 230, 230), ImageFont.load_default(22))
    return picture
