"""How long the pages of `qks review` take: a library of many small synthetic photos, in chromium.

    python benchmarks/review.py --photos 100000

Photos are JPEGs of 1600×1200 smooth noise under many names, tags and query tokens are random. Each
line is a step as a user has it, from a key or an address to the moment when all photos in sight are
drawn: `first` makes their thumbnails, `again` takes them from the cache. Then the pauses between
frames while scrolling, and how many photos somebody can judge who answers as soon as one is shown.
Seconds of the clock are stretched by whatever else the machine does, and hold the browser's work;
`server_processor_seconds` are of the server alone, without the processes that decode photos.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import BrowserContext, Page, sync_playwright

from qks_cli.library.store import Library
from qks_cli.review.security import Key
from qks_cli.review.server import listen, make_server
from qks_cli.review.state import Review
from qks_cli.settings import processors
from qks_cli.types import Details, Photo, Tag, TaggedPhoto

DIFFERENT = 100  # pictures; the others are links to them
LABELS = [f"label{n}" for n in range(300)]
QUERIES, WIDTH = 8, 129
PART = 5000  # photos stored at a time
JUDGED = 60
AGAIN = 5  # times that the first page is loaded: the fastest was disturbed least
DRAWN = """() => {
  const box = document.getElementById("grid").getBoundingClientRect();
  const tiles = [...document.querySelectorAll(".tile")].filter((tile) => {
    const own = tile.getBoundingClientRect();
    return own.bottom > box.top && own.top < box.bottom;
  });
  return tiles.length > 0 && tiles.every((tile) => {
    const picture = tile.querySelector("img");
    return picture.src && picture.complete && picture.naturalWidth > 0;
  });
}"""


def make_photos(folder: Path, count: int) -> list[Path]:
    """Write the photos."""
    rng = np.random.default_rng(1)
    folder.mkdir()
    for n in range(min(count, DIFFERENT)):
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        image = small.resize((1600, 1200), Image.Resampling.BICUBIC)
        image.save(folder / f"{n:06d}.jpg", quality=88)
    for n in range(DIFFERENT, count):
        os.link(folder / f"{n % DIFFERENT:06d}.jpg", folder / f"{n:06d}.jpg")
    return sorted(folder.iterdir())


def make_library(file: Path, paths: list[Path]) -> None:
    """A library with random tags, dates and query tokens."""
    rng = np.random.default_rng(2)
    with Library.open(file) as library:
        model = library.models.id_of("benchmark", "1", "hash", QUERIES, WIDTH)
        words = library.vocabularies.id_of("digest", "\n".join(LABELS))
        library.runs.begin("tag", model, words)
        for at in range(0, len(paths), PART):
            tagged = []
            for path in paths[at : at + PART]:
                own = rng.choice(len(LABELS), rng.integers(0, 12), replace=False)
                year, day = rng.integers(1990, 2026), rng.integers(1, 29)
                tagged.append(
                    TaggedPhoto(
                        Photo(path, 1, 1),
                        tuple(Tag(LABELS[x], 0.9, 0) for x in own),
                        rng.normal(size=(QUERIES, WIDTH)).astype(np.float16),
                        (1600, 1200),
                        None,
                        Details(taken_at=f"{year}-07-{day:02}T12:00:00"),
                    )
                )
            library.save(tagged, (), model_id=model, vocabulary_id=words, selection="")


@contextmanager
def served(file: Path) -> Iterator[str]:
    """The address of a server over a library."""
    with listen(0) as opened:
        key = Key(opened.getsockname()[1])
        review = Review(file, complain=print)
        review.warm()
        server = make_server(review, key)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        yield key.address
        server.should_exit = True
        thread.join()


def told(step: str, seconds: float, **more: object) -> None:
    """Print one line."""
    print(json.dumps({"step": step, "seconds": round(seconds, 2), **more}), flush=True)


def timed(step: str, page: Page, act: Callable[[], object]) -> None:
    """Do something, and wait until all that is in sight is drawn."""
    before, used = time.perf_counter(), time.process_time()
    act()
    page.wait_for_function(DRAWN, polling=20, timeout=120_000)
    seconds = time.perf_counter() - before
    told(step, seconds, server_processor_seconds=round(time.process_time() - used, 2))


def look(context: BrowserContext, address: str) -> Page:
    """The steps of somebody who looks around."""
    page = context.new_page()
    timed("first page, first", page, lambda: page.goto(address))
    for _ in range(AGAIN):
        timed("first page, again", page, lambda: page.goto(address.partition("/open")[0]))
    middle = "document.getElementById('grid').scrollTop = 1e6"
    timed("to the middle, first", page, lambda: page.evaluate(middle))
    timed("to the end", page, lambda: page.keyboard.press("End"))
    timed("back to the start", page, lambda: page.keyboard.press("Home"))
    base = page.url.rstrip("/")
    timed("tag:label7", page, lambda: page.goto(f"{base}/?q=tag%3Alabel7"))
    timed("date:2020, by name", page, lambda: page.goto(f"{base}/?q=date%3A2020&sort=name"))
    return page


def scroll(page: Page) -> None:
    """The longest pauses between two frames while the grid is scrolled for some seconds."""
    page.goto(page.url.partition("?")[0])
    page.wait_for_function(DRAWN, polling=20)
    pauses = page.evaluate(
        """() => new Promise((done) => {
          const grid = document.getElementById("grid"), pauses = [];
          let last = performance.now();
          const step = (now) => {
            pauses.push(now - last);
            last = now;
            grid.scrollTop += 120;
            if (pauses.length < 300) requestAnimationFrame(step); else done(pauses.slice(1));
          };
          requestAnimationFrame(step);
        })"""
    )
    longest = sorted(pauses)[int(0.95 * len(pauses))]
    told(
        "scrolling, a frame",
        statistics.median(pauses) / 1000,
        percentile_95=round(longest / 1000, 3),
    )


def judge(page: Page) -> None:
    """Photos judged one by one, each as soon as it is shown."""
    page.keyboard.press("a")
    page.keyboard.type("label3")
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.wait_for_selector("#judge[aria-busy=false]", timeout=60_000)
    before = time.perf_counter()
    for count in range(JUDGED):
        page.keyboard.press("yn"[count % 2])
        page.wait_for_function(
            """count => document.querySelector("#judge[aria-busy=false]")
            && document.getElementById("judge-count").textContent.includes(`${count} judged`)""",
            arg=count + 1,
            polling=10,
            timeout=60_000,
        )
    took = time.perf_counter() - before
    told("a photo judged", took / JUDGED, in_five_minutes=round(300 * JUDGED / took))


def main() -> None:
    """Build, look around, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        os.environ["QKS_CACHE"] = str(folder / "cache")
        make_library(folder / "library.db", make_photos(folder / "photos", arguments.photos))
        size = (folder / "library.db").stat().st_size
        told("library", 0, photos=arguments.photos, mb=size >> 20, processors=processors())
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        with served(folder / "library.db") as address:
            page = look(context, address)
            scroll(page)
            judge(page)


if __name__ == "__main__":
    main()
