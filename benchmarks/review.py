"""How long the pages of `qks review` take: a library of many small synthetic photos, in chromium.

    python benchmarks/review.py --photos 100000

Photos are JPEGs of 1600×1200 grainy colours under many names, tags and query tokens are random.
Each line is a step as a user has it, from a key or an address to the moment when all photos in
sight are drawn: `first` makes their thumbnails, `again` takes them from the cache. Then the pauses
between frames while scrolling, and what it takes to judge 200 photos by the keyboard alone, from
the grid on: the program's part, for each is answered as soon as it is shown; `left_for_each` are
the seconds that five minutes leave a person. Seconds of the clock are stretched by whatever else
the machine does, and hold the browser's work; `server_processor_seconds` are of the server alone,
without the processes that decode photos.
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

from made_up import make_library, make_photos
from playwright.sync_api import BrowserContext, Page, sync_playwright

from qks_cli.review.security import Key
from qks_cli.review.server import listen, make_server
from qks_cli.review.state import Review
from qks_cli.settings import processors

SIZE = 1600, 1200
DIFFERENT = 100  # pictures; the others are links to them
JUDGED = 200
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
    """Photos judged one by one by the keyboard alone, each as soon as it is shown."""
    before = time.perf_counter()
    page.keyboard.press("a")
    page.keyboard.type("label3")
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.wait_for_selector("#judge[aria-busy=false]", timeout=60_000)
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
    left = round((300 - took) / JUDGED, 2)
    told(f"{JUDGED} photos judged", took, a_photo=round(took / JUDGED, 3), left_for_each=left)


def main() -> None:
    """Build, look around, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder to make the library in, or that has it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = arguments.keep or Path(name)
        os.environ["QKS_CACHE"] = str(Path(name) / "cache")
        if not (folder / "library.db").exists():
            folder.mkdir(exist_ok=True)
            paths = make_photos(folder / "photos", arguments.photos, SIZE, DIFFERENT)
            make_library(folder / "library.db", paths, SIZE)
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
