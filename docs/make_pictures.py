"""Draws the pictures of the README: the example photos with their tags, and what searches find;
and that of docs/explain.md: where scores come from.

Run `python docs/make_pictures.py` again whenever the bundled model, its labels or the example
photos change. It runs the command line as a user would, on a library in a temporary folder, and
writes docs/tagged.jpg, docs/found.jpg and docs/explained.jpg.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

DOCS = Path(__file__).parent
PHOTOS = DOCS.parent / "examples" / "photos"
SEARCHES = ("flowers", "mountain", "animal")
EXPLAINED = (("cat", "cat"), ("bee", "bee"), ("bridge", "bridge"), ("coffee", "cup"))

COLUMNS = 4
TILE = (240, 160)  # pixels of a photo: width, height
GAP = 12
HEAD = 40  # pixels of a line with a command
LINE = 19  # pixels of a line of text
TEXT, BOLD = ImageFont.load_default(15), ImageFont.load_default(19)
PAPER, INK, FAINT, COMMAND = "#ffffff", "#1f2328", "#818b98", "#0550ae"
Row = dict[str, Any]


def rows_of(library: Path, *arguments: str) -> list[Row]:
    """What `qks ARGUMENTS --format jsonl` prints; ends the program on an error."""
    done = subprocess.run(
        [sys.executable, "-m", "qks_cli", *arguments, "--format", "jsonl"],
        cwd=DOCS.parent,
        env={**os.environ, "QKS_DB": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode > 1:
        sys.exit(done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def wrapped(words: list[str], width: int, lines: int) -> list[str]:
    """Words separated by commas, in at most so many lines of at most so many pixels."""
    out: list[str] = []
    for word in words:
        if out and TEXT.getlength(f"{out[-1]}, {word}") <= width:
            out[-1] += f", {word}"
        elif len(out) < lines:
            out.append(word)
        else:
            out[-1] += " …"
            break
    return out


def captions(row: Row) -> list[str]:
    """A photo's labels, without the parents that they imply, on two lines."""
    labels = [tag["label"] for tag in row["tags"] if not tag["implied"]]
    return wrapped(labels, TILE[0] - 20, 2)


class Sheet:
    """Rows of photos below the command that printed them."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, list[tuple[Row, list[str]]], int]] = []

    def add(self, command: str, photos: list[tuple[Row, list[str]]], lines: int) -> None:
        """A command and its photos, each with so many lines of text below it."""
        self.parts.append((command, photos, lines))

    def draw(self) -> Image.Image:
        """The picture, as high as its parts need."""
        heights = [
            HEAD + -(-len(photos) // COLUMNS) * (TILE[1] + lines * LINE + GAP)
            for _, photos, lines in self.parts
        ]
        width = COLUMNS * TILE[0] + (COLUMNS + 1) * GAP
        sheet = Image.new("RGB", (width, sum(heights)), PAPER)
        pen = ImageDraw.Draw(sheet)
        y = 0
        for (command, photos, lines), height in zip(self.parts, heights, strict=True):
            pen.text((GAP, y + 10), f"$ {command}", font=BOLD, fill=COMMAND)
            for number, (row, texts) in enumerate(photos):
                x = GAP + number % COLUMNS * (TILE[0] + GAP)
                top = y + HEAD + number // COLUMNS * (TILE[1] + lines * LINE + GAP)
                with Image.open(DOCS.parent / row["path"]) as photo:
                    tile = ImageOps.fit(photo.convert("RGB"), TILE, centering=(0.5, 0.3))
                sheet.paste(tile, (x, top))
                for below, text in enumerate(texts or ["no tag"]):
                    place = (x, top + TILE[1] + 3 + below * LINE)
                    pen.text(place, text, font=TEXT, fill=INK if texts else FAINT)
            y += height
        return sheet


def explained(folder: Path, library: Path) -> Sheet:
    """Some photos, warm where a label's score comes from, with its score below."""
    sheet, tiles = Sheet(), []
    for photo, label in EXPLAINED:
        heat = folder / f"{photo}.png"
        asked = ("explain", f"examples/photos/{photo}.jpg", label, "--heatmap", str(heat))
        (reason,) = rows_of(library, *asked)
        tiles.append(({"path": heat}, [f"{label} {reason['score']:.2f}"]))
    sheet.add("qks explain PHOTO LABEL --heatmap FILE", tiles, 1)
    return sheet


def save(name: str, sheet: Sheet) -> None:
    """A picture into docs/."""
    sheet.draw().save(DOCS / name, quality=80, optimize=True)
    print(f"docs/{name}: {(DOCS / name).stat().st_size // 1024} KB")


def main() -> None:
    """Tags, searches and explains the example photos, and draws the pictures."""
    tagged, found = Sheet(), Sheet()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "library.db"
        rows = rows_of(library, "tag", "examples/photos")
        tagged.add("qks tag examples/photos", [(row, captions(row)) for row in rows], 2)
        for query in SEARCHES:
            rows = rows_of(library, "search", query, "--limit", str(COLUMNS))
            found.add(f"qks search {query}", [(row, [f"{row['score']:.2f}"]) for row in rows], 1)
        save("explained.jpg", explained(Path(folder), library))
    save("tagged.jpg", tagged)
    save("found.jpg", found)


if __name__ == "__main__":
    main()
