"""The pages in a real browser (Debian's chromium), by the keyboard, as a user has them."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from qks_cli.library import verdicts
from qks_cli.library.store import Library
from qks_cli.review.security import Key
from qks_cli.review.server import listen, make_server
from qks_cli.review.state import Review
from qks_cli.settings import index_path
from tests.conftest import Qks
from tests.workflows.libraries import library_of

pytest.importorskip("playwright", reason="the pages are tested with playwright")
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")

EVIL = "<img src=x onerror=document.title='evil'><script>document.title='evil'<∕script>"
COUNT = 30
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Within a container there are no user namespaces to make a sandbox of.
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Thirty photos, every third with a dog, every fourth with a sky; names sort as numbers."""
    folder = tmp_path / "photos"
    folder.mkdir()
    photos = {}
    for at in range(COUNT):
        path = folder / (f"{at:02}.png" if at != 5 else f"05 {EVIL}.png")
        Image.new("RGB", (64, 48), (8 * at, 90, 0)).save(path)
        names = {"dog": at % 3 == 0, "sky": at % 4 == 0, EVIL: at == 5}
        photos[path] = [name for name, there in names.items() if there]
    with library_of(tmp_path / "library.db", photos) as library:
        words = library.vocabularies.id_of("words", "dog | puppy\nsky\nplant\n")
        library.runs.begin("tag", 1, words)
        with library.atomic():
            library.execute("UPDATE photos SET vocabulary_id = ?", (words,))
    return tmp_path / "library.db"


@contextmanager
def served(db: Path, language: str = "en") -> Iterator[str]:
    """The address of a server over a library; whatever it complains of fails a test."""
    complaints: list[str] = []
    with listen(0) as opened:
        key = Key(opened.getsockname()[1])
        review = Review(db, complain=complaints.append, language=language)
        server = make_server(review, key)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        yield key.address
        server.should_exit = True
        thread.join(20)
    assert complaints == []


@contextmanager
def browsing(browser: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser without memory; whatever its pages complain of, or ask of others, fails a test."""
    with browser.new_context(viewport={"width": 1000, "height": 700}) as context:
        errors: list[str] = []

        def note(message: Any) -> None:
            # A query that cannot be read is an answer with an error, which chromium logs.
            if message.type == "error" and "400 (Bad Request)" not in message.text:
                errors.append(message.text)

        context.on("console", note)
        context.on("weberror", lambda error: errors.append(str(error.error)))
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        yield context
        own = address.partition("/open")[0]
        assert [url for url in asked if not url.startswith(own)] == []
    assert errors == []


@pytest.fixture
def address(db: Path) -> Iterator[str]:
    with served(db) as address:
        yield address


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    with browsing(browser, address) as context:
        yield context


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    return opened(context, address)


def opened(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(address)
    expect(page.locator("#count")).to_have_text(f"{COUNT} photos")
    expect(page.locator("#photo-0 span").first).to_have_text("00.png")
    expect(page.locator("#grid")).to_be_focused()
    return page


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def current(page: Page) -> str:
    return page.locator(".tile.current span").first.inner_text()


def said(db: Path, label: str) -> dict[int, bool]:
    """What was said of a label, by the numbers in the photos' names."""
    with Library.open(db) as library:
        paths = library.photos.paths_of(library.photos.tagged_ids())
        found = verdicts.of(library, list(paths))
    return {
        int(paths[photo_id].name[:2]): own[label].confirmed
        for photo_id, own in found.items()
        if label in own
    }


def test_search_look_and_say(page: Page, db: Path) -> None:
    press(page, "/")
    page.keyboard.type("tag:dog -tag:sky")
    press(page, "Enter")
    expect(page.locator("#count")).to_have_text("7 photos")
    expect(page.locator(".tile")).to_have_count(7)
    assert "q=tag%3Adog" in page.url
    press(page, "ArrowRight", "Enter")
    expect(page.locator("#photo-name")).to_have_text("06.png")
    picture = page.locator("#photo-picture")
    expect(picture).to_have_js_property("naturalWidth", 64)
    expect(page.locator("#tags li .name")).to_have_text(["dog"])
    press(page, "n")
    expect(page.locator("#tags li.rejected small")).to_contain_text("no, you say, model 0.90")
    assert said(db, "dog") == {6: False}
    press(page, "u")
    expect(page.locator("#tags li.tagged")).to_have_count(1)
    assert said(db, "dog") == {}
    press(page, "a")
    page.keyboard.type("our cat")
    press(page, "Enter")
    expect(page.locator("#tags .name")).to_have_text(["our cat", "dog"])
    assert said(db, "our cat") == {6: True}
    press(page, "Escape", "ArrowRight")  # out of the field, to the next photo
    expect(page.locator("#photo-name")).to_have_text("09.png")
    press(page, "Escape")
    expect(page.locator("#photo")).to_be_hidden()
    expect(page.locator("#grid")).to_be_focused()
    page.go_back()
    expect(page.locator("#count")).to_have_text(f"{COUNT} photos")


def test_the_keyboard_alone_selects_and_labels(page: Page, db: Path) -> None:
    press(page, "?")
    expect(page.locator("#keys")).to_be_visible()
    press(page, "Escape", "a")
    page.keyboard.type("pup")
    expect(page.locator("#label-list [role=option]")).to_have_text(re.compile("dog.*puppy"))
    press(page, "ArrowDown", "Enter")
    expect(page.locator("#label")).to_have_value("dog")
    assert "label=dog" in page.url
    assert current(page) == "00.png"
    press(page, "x", "ArrowRight", "ArrowRight", "x")
    expect(page.locator("#count")).to_have_text(f"{COUNT} photos · 2 selected")
    press(page, "y")
    expect(page.locator("#news")).to_contain_text("dog on 2 photos")
    expect(page.locator(".tile.confirmed")).to_have_count(2)
    assert said(db, "dog") == {0: True, 2: True}
    press(page, "u")
    expect(page.locator(".tile.confirmed")).to_have_count(0)
    press(page, "Escape")
    expect(page.locator("#count")).to_have_text(f"{COUNT} photos")
    press(page, "End")
    expect(page.locator(".tile.current")).to_have_id(f"photo-{COUNT - 1}")
    expect(page.locator("#grid")).to_have_attribute("aria-activedescendant", f"photo-{COUNT - 1}")
    press(page, "n")
    expect(page.locator(f"#photo-{COUNT - 1}.rejected")).to_be_visible()
    press(page, "Control+a")
    expect(page.locator("#count")).to_contain_text(f"{COUNT} selected")
    press(page, "Escape", "Home", "Shift+ArrowRight")
    expect(page.locator("#count")).to_contain_text("2 selected")


def test_one_by_one(page: Page, db: Path) -> None:
    press(page, "j")
    expect(page.locator("#news")).to_contain_text("Which label?")
    page.keyboard.type("dog")
    press(page, "Enter", "j")
    expect(page.locator("#judge-question")).to_have_text("Is this “dog”?")
    for at, key in enumerate(["y", "n", " ", "n", "y"]):
        expect(page.locator("#judge-count")).to_contain_text(f"photo {at + 1} of {COUNT}")
        expect(page.locator("#judge-photo")).to_have_attribute("alt", re.compile(f"^0{at}"))
        expect(page.locator("#judge")).to_have_attribute("aria-busy", "false")
        press(page, key)
    expect(page.locator("#judge-count")).to_have_text(f"photo 6 of {COUNT}, 4 judged")
    expect(page.locator("#judge-photo")).to_have_js_property("naturalWidth", 64)
    press(page, "u")
    expect(page.locator("#judge-count")).to_have_text(f"photo 5 of {COUNT}, 3 judged")
    press(page, "n")
    expect(page.locator("#judge-count")).to_contain_text("4 judged")
    press(page, "Escape")
    expect(page.locator(".tile.rejected")).to_have_count(3)
    assert said(db, "dog") == {0: True, 1: False, 3: False, 4: False}
    # Begun again, it passes over what was judged.
    press(page, "j")
    expect(page.locator("#judge-count")).to_contain_text(f"photo 3 of {COUNT}")
    expect(page.locator("#judge")).to_have_attribute("aria-busy", "false")
    press(page, "y")
    expect(page.locator("#judge-count")).to_contain_text(f"photo 6 of {COUNT}")


def test_labels_in_the_users_language(browser: Browser, db: Path) -> None:
    with served(db, "de") as address, browsing(browser, address) as context:
        page = opened(context, address)
        press(page, "a")
        page.keyboard.type("hun")
        expect(page.locator("#label-list [role=option]").first).to_contain_text("Hund")
        press(page, "ArrowDown", "Enter")
        expect(page.locator("#label")).to_have_value("Hund")
        expect(page.locator("#photo-0")).to_have_class(re.compile("tagged"))
        press(page, "y")
        expect(page.locator("#photo-0")).to_have_class(re.compile("confirmed"))
        press(page, "Home", "Enter")
        expect(page.locator("#tags .name").first).to_have_text("Hund")
        press(page, "n")
        expect(page.locator("#photo-news")).to_have_text("No: Hund")
    assert said(db, "dog") == {0: False}


def test_two_tabs_at_once(context: BrowserContext, page: Page, address: str, db: Path) -> None:
    other = opened(context, address)
    for one in (page, other):
        one.bring_to_front()
        press(one, "a")
        one.keyboard.type("sky")
        press(one, "Enter")
    page.bring_to_front()
    press(page, "n")
    expect(page.locator("#photo-0.rejected")).to_be_visible()
    expect(other.locator("#photo-0.rejected")).to_be_visible()  # told by the first tab
    other.bring_to_front()
    press(other, "u")
    expect(other.locator("#news")).to_have_text("Nothing to undo.")
    press(other, "y")
    expect(page.locator("#photo-0.confirmed")).to_be_visible()
    page.bring_to_front()
    press(page, "u")  # what was said since stays
    expect(page.locator("#news")).to_contain_text("0 photos")
    assert said(db, "sky") == {0: True}


def test_names_and_labels_are_text(page: Page) -> None:
    tile = page.locator("#photo-5")
    expect(tile.locator("span").first).to_have_text(f"05 {EVIL}.png")
    expect(tile.locator(".tags")).to_have_text(EVIL)
    press(page, *["ArrowRight"] * 5, "Enter")
    expect(page.locator("#photo-name")).to_have_text(f"05 {EVIL}.png")
    expect(page.locator("#tags .name")).to_have_text([EVIL])
    press(page, "a")
    page.keyboard.type("onerror")
    expect(page.locator("#add-list")).to_contain_text(EVIL)
    press(page, "ArrowDown", "Enter")
    expect(page.locator("#photo-news")).to_have_text(f"Yes: {EVIL}")
    expect(page.locator("main script, main img[src=x], dialog img[src=x]")).to_have_count(0)
    assert "evil" not in page.title()


def test_a_query_that_cannot_be_read(page: Page) -> None:
    press(page, "/")
    page.keyboard.type("dog colour:red")
    press(page, "Enter")
    expect(page.locator("#problem")).to_contain_text("no filter 'colour'")
    expect(page.locator("#problem mark")).to_have_text("c")
    expect(page.locator("#q")).to_be_focused()
    assert page.evaluate("document.getElementById('q').selectionStart") == 4
    page.keyboard.press("Control+a")
    page.keyboard.type("tag:sky")
    press(page, "Enter")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#label")).to_have_value("sky")


Look = Callable[[Page], None]


def _grid(page: Page) -> None:
    press(page, "x", "ArrowRight")


def _photo(page: Page) -> None:
    press(page, "Enter", "y")
    expect(page.locator("#tags li.confirmed").first).to_be_visible()


def _typing(page: Page) -> None:
    press(page, "a")
    page.keyboard.type("o")
    expect(page.locator("#label-list")).to_be_visible()


def _judging(page: Page) -> None:
    press(page, "a")
    page.keyboard.type("dog")
    press(page, "Enter", "j")
    expect(page.locator("#judge-photo")).to_have_js_property("naturalWidth", 64)
    press(page, "y")
    expect(page.locator("#judge-count")).to_contain_text("1 judged")


def _keys(page: Page) -> None:
    press(page, "?")


def _language(page: Page) -> None:
    page.click("#language")


def _wrong(page: Page) -> None:
    press(page, "/")
    page.keyboard.type("dog colour:red")
    press(page, "Enter")
    expect(page.locator("#problem mark")).to_be_visible()


@pytest.mark.parametrize(
    "look", [_grid, _photo, _typing, _judging, _keys, _language, _wrong], ids=lambda x: x.__name__
)
def test_accessible_by_day_and_on_a_phone_by_night(page: Page, look: Look) -> None:
    look(page)
    check_accessible(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 640})
    page.wait_for_timeout(100)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    check_accessible(page)


@pytest.fixture
def labels_page(
    browser: Browser, fake_model: Path, photos: Path, tmp_path: Path, qks: Qks
) -> Iterator[Page]:
    """The list of the labels that the four known photos were tagged with."""
    (tmp_path / "labels.txt").write_text(
        "# mine\nflag # of a country\nsky\ncat\n", encoding="utf-8"
    )
    assert qks("tag", photos, "--labels", tmp_path / "labels.txt").returncode == 0
    with served(index_path()) as address, browsing(browser, address) as context:
        page = context.new_page()
        page.goto(address)
        page.click("nav >> text=Labels")
        expect(page.locator("#count")).to_contain_text("3 labels")
        yield page


def test_a_cutoff_is_tried_and_saved(labels_page: Page, tmp_path: Path) -> None:
    page = labels_page
    check_accessible(page)
    press(page, "/")
    page.keyboard.type("fla")
    press(page, "Enter", "Enter")
    expect(page.locator("#name")).to_have_text("flag")
    expect(page.locator("#would")).to_have_text("0 photos of 4 would have it (now 0.50)")
    expect(page.locator("#below [role=option]")).to_have_count(4)
    expect(page.locator("#cutoff")).to_be_focused()
    press(page, *["ArrowLeft"] * 20)
    expect(page.locator("#would")).to_contain_text("1 photo of 4 would have it")
    expect(page.locator("#above [role=option]")).to_have_attribute(
        "aria-label", re.compile("astronaut.jpg, 0.3")
    )
    check_accessible(page)
    press(page, "g", "ArrowDown", "n", "u")
    expect(page.locator("#news")).to_contain_text("Taken back: flag")
    press(page, "j")
    expect(page.locator("#judge")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#judge-photo")).to_have_attribute("alt", "astronaut.jpg")
    press(page, "y")
    expect(page.locator("#judge-count")).to_contain_text("1 judged")
    press(page, "Escape")
    expect(page.locator("#above .confirmed")).to_have_count(1)
    page.click("#save-file")
    expect(page.locator("#saving")).to_contain_text("flag has the cut-off 0.3 now")
    text = (tmp_path / "labels.txt").read_text(encoding="utf-8")
    assert text == "# mine\nflag ; cutoff: 0.3 # of a country\nsky\ncat\n"
    expect(page.locator("#would")).to_contain_text("(now 0.30, its own)")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 640})
    for path in ("/labels", None):
        if path:
            page.goto(page.url.partition("/label")[0] + path)
            expect(page.locator("#count")).to_contain_text("3 labels")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        check_accessible(page)


def test_where_the_model_looked_and_photos_like_this(labels_page: Page) -> None:
    page = labels_page
    page.click("nav >> text=Photos")
    expect(page.locator("#photo-3 span").first).not_to_be_empty()
    press(page, "/")
    page.keyboard.type("name:cat")
    press(page, "Enter")
    expect(page.locator("#count")).to_have_text("1 photo")
    press(page, "Enter", "h")
    picture = page.locator("#photo-picture")
    expect(picture).to_have_attribute("src", re.compile(r"^/heat/\d+\?label=cat$"))
    expect(page.locator("#photo-news")).to_contain_text("cut-off 0.50")
    assert page.evaluate("document.getElementById('photo-picture').decode()") is None
    check_accessible(page)
    press(page, "h")
    expect(picture).to_have_attribute("src", re.compile("^/large/"))
    press(page, "l")
    expect(page.locator("#count")).to_contain_text("photos like the first one")
    expect(page.locator("#photo-0 span").first).to_have_text("cat.jpg")


def check_accessible(page: Page) -> None:
    """No serious finding of axe-core's rules."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    serious = [
        (one["id"], [node["html"] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
