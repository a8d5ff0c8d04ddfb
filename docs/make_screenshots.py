"""Takes the pictures of docs/review.md and docs/report.md, over the example photos: the pages of
`qks review`, and one of `qks report`, in chromium.

Run `python docs/make_screenshots.py` again when the pages, the bundled model or the example photos
change; with `report` or `review` behind it takes the pictures of this page alone. It needs
playwright and a chromium, works on a library in a temporary folder, and writes docs/review-*.webp
and docs/report.webp.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent
PHOTOS = DOCS.parent / "examples" / "photos"
PATIENCE = 180_000  # milliseconds until a page is ready, on a machine that does other work
SIZE = {"width": 1000, "height": 640}
TALL = {"width": 1000, "height": 960}
IN_SIGHT = """[...document.images].filter((one) =>
    one.checkVisibility() && one.getBoundingClientRect().top < innerHeight)"""
DRAWN = f"Promise.all({IN_SIGHT}.map((one) => one.decode()))"
# Nothing in sight still waits for its picture, or moves. A function, as all that is waited for: the
# pages let nobody evaluate text.
READY = f"""() => {IN_SIGHT}.every((one) => one.src && one.complete && one.naturalWidth)
    && document.getAnimations().every((one) => one.playState !== 'running')"""
QKS = [sys.executable, "-m", "qks_cli"]


def tagged(folder: Path) -> dict[str, str]:
    """The environment of a library of the example photos, as a user has it."""
    environment = {
        **os.environ,
        "QKS_DB": str(folder / "library.db"),
        "QKS_CACHE": str(folder / "cache"),
        "QKS_CONFIG": str(folder / "config.toml"),
    }
    photos = shutil.copytree(PHOTOS, folder / "Photos")
    labels = folder / "labels.txt"
    subprocess.run([*QKS, "labels", "init", str(labels)], check=True, env=environment)
    tag = [*QKS, "tag", str(photos), "--labels", str(labels), "-q"]
    subprocess.run(tag, check=True, env=environment)
    return environment


@contextmanager
def review(environment: dict[str, str]) -> Iterator[str]:
    """The address of a server over that library."""
    with subprocess.Popen(
        [*QKS, "review", "--no-browser"], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def show_report(page: Page, environment: dict[str, str], folder: Path) -> None:
    """A report of that library, when all pictures in sight are drawn."""
    make = [*QKS, "report", "--out", str(folder), "--title", "Our photos"]
    subprocess.run(make, check=True, env=environment)
    page.set_viewport_size(TALL)  # type: ignore[arg-type]
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function("() => document.getElementById('count').value")
    page.evaluate(DRAWN)


def take(page: Page, name: str) -> None:
    """Keep what is in sight, small."""
    png = DOCS / f"{name}.png"
    page.screenshot(path=png)
    with Image.open(png) as picture:
        picture.convert("RGB").save(DOCS / f"{name}.webp", quality=80, method=6)
    png.unlink()
    print(f"docs/{name}.webp: {(DOCS / f'{name}.webp').stat().st_size // 1024} KB")


def press(page: Page, *keys: str) -> None:
    """Keys, one after another."""
    for key in keys:
        page.keyboard.press(key)


def choose(page: Page, label: str) -> None:
    """A label for the grid, when the page offers it."""
    press(page, "a")
    page.keyboard.type(label)
    page.wait_for_selector("#label-list [role=option]")
    press(page, "Enter")
    page.wait_for_selector("#label-list", state="hidden")


def search(page: Page, query: str) -> None:
    """Photos that answer a query, when the page has found them."""
    press(page, "/", "Control+a", "Delete")
    page.keyboard.type(query)
    with page.expect_response("**/api/listing?*"):
        press(page, "Enter")
    page.wait_for_selector("#photo-0 img[src]")
    page.wait_for_function("() => document.activeElement.id === 'grid'")


def grid(page: Page) -> None:
    """Photos of the sky, two of them judged, two selected."""
    choose(page, "sky")
    press(page, "ArrowRight", "y")
    page.wait_for_selector("#grid .tile.confirmed")
    press(page, "n")
    page.wait_for_selector("#grid .tile.rejected")
    press(page, "ArrowRight", "x", "ArrowDown", "x")
    page.wait_for_function(
        "() => document.getElementById('count').textContent.includes('2 selected')"
    )


def photo(page: Page) -> None:
    """One photo with its tags."""
    press(page, "Escape")
    search(page, "name:dogs")
    press(page, "Enter")
    page.wait_for_selector("#photo[open] #tags li")
    press(page, "y")
    page.wait_for_selector("#tags li.confirmed")
    press(page, "ArrowDown", "n")
    page.wait_for_selector("#tags li.rejected")


def heat(page: Page) -> None:
    """The same photo, warm where the score of a tag comes from."""
    press(page, "ArrowUp", "h")
    page.wait_for_selector("#photo-picture[src^='/heat/']")
    page.wait_for_function(
        "() => document.getElementById('photo-news').textContent.includes('cut-off')"
    )


def judge(page: Page) -> None:
    """One label, one photo after another."""
    press(page, "Escape")
    search(page, "")
    choose(page, "flower")
    press(page, "j")
    page.wait_for_selector("#judge[open][aria-busy=false]")
    press(page, "y")
    page.wait_for_function(
        "() => document.getElementById('judge-count').textContent.includes('1 judged')"
    )
    page.wait_for_selector("#judge[aria-busy=false]")


def label(page: Page) -> None:
    """A label's cut-off."""
    page.goto(page.url.partition("/?")[0] + "/label?label=person")
    page.wait_for_selector("#below .still")


SHOTS: dict[str, Callable[[Page], None]] = {
    "review-grid": grid,
    "review-photo": photo,
    "review-heat": heat,
    "review-judge": judge,
    "review-label": label,
}


def main(chosen: Sequence[str]) -> None:
    """Take those of the chosen pages."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE)
        environment = tagged(Path(name))
        if "report" in chosen:
            show_report(page, environment, Path(name) / "report")
            take(page, "report")
        if "review" not in chosen:
            return
        with review(environment) as address:
            page.set_viewport_size(SIZE)  # type: ignore[arg-type]
            page.goto(address)
            page.wait_for_selector("#photo-0 img[src]")
            for shot, act in SHOTS.items():
                act(page)
                page.wait_for_function(READY)
                page.evaluate(DRAWN)
                take(page, shot)


if __name__ == "__main__":
    main(sys.argv[1:] or ("report", "review"))
