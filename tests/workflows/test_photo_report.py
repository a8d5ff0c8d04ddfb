"""Reports of small libraries: what is on the page, what is not, and which folders they may take."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PdfParser

from qks_cli.errors import UsageError
from qks_cli.library import places
from qks_cli.library.store import Library
from qks_cli.types import Details, Photo, Place, Tag, TaggedPhoto
from qks_cli.workflows.photo_report import ReportMade, ReportOptions, found, make_report
from qks_cli.workflows.report import Report
from tests.workflows.libraries import library_of

NAMES = [
    "<script>alert(1)</script>.png".replace("/", "∕"),
    "line\nend\x1b[31m.png",
    os.fsdecode(b"caf\xe9.png"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos with odd names, each of one colour."""
    photos = tmp_path / "private" / "photos"
    photos.mkdir(parents=True)
    for at, name in enumerate(NAMES):
        Image.new("RGB", (64, 48), (80 * at, 0, 0)).save(photos / name)
    return photos


def reported(library: Library, out: Path, options: ReportOptions | None = None) -> ReportMade:
    return make_report(library, library.photos.tagged_ids(), out, options or ReportOptions())


def text(out: Path) -> str:
    return (out / "index.html").read_text(encoding="utf-8")


def test_odd_names_and_a_missing_photo(folder: Path, tmp_path: Path) -> None:
    paths = [folder / name for name in NAMES]
    gone = folder / "gone.png"
    Image.new("RGB", (8, 8)).save(gone)
    out = tmp_path / "out"
    problems: list[Path] = []
    tags = {path: ["dog", "a <b> & c"] for path in paths} | {gone: []}
    with library_of(tmp_path / "l.db", tags) as library:
        gone.unlink()
        ids = library.photos.tagged_ids()
        made = make_report(
            library, ids, out, report=Report(lambda path, why: problems.append(path))
        )
    assert (made.photos, made.unreadable, made.page) == (4, 1, out / "index.html")
    assert problems == [gone]
    page = text(out)
    assert "&lt;script&gt;alert(1)" in page and page.count("<script>") == 1
    assert r"line\nend\x1b[31m.png" in page and r"caf\xe9.png" in page
    assert "a &lt;b&gt; &amp; c" in page
    assert "the file is gone" in page and "gone.png" in page
    pictures = sorted(path.name for path in (out / "photos").iterdir())
    assert len(pictures) == 3 and all(re.fullmatch(r"[0-9a-f]{32}\.webp", x) for x in pictures)
    assert set(re.findall(r"photos/([^\"]+)", page)) == set(pictures)
    assert "private" not in page and str(tmp_path) not in page
    with library_of(tmp_path / "m.db", {paths[0]: []}) as library:
        reported(library, tmp_path / "paths", ReportOptions(paths=True))
    assert "private" in text(tmp_path / "paths")


def test_cameras_and_places_are_told_only_where_asked(folder: Path, tmp_path: Path) -> None:
    where = Details(
        taken_at="2021-05-06T07:08:09", camera="Secret 3000", latitude=-40.07, longitude=-121.51
    )  # far out in the Pacific: no place has a name
    with library_of(tmp_path / "l.db", {folder / NAMES[0]: ["dog"]}) as library:
        library.photos.save_details([(library.photos.tagged_ids()[0], where)])
        reported(library, tmp_path / "plain")
        asked = ReportOptions(cameras=True, places=True)
        reported(library, tmp_path / "told", asked)
    plain, told = text(tmp_path / "plain"), text(tmp_path / "told")
    assert "2021-05-06 07:08" in plain and ">2021</a>" in plain
    assert "Secret" not in plain and "40.1" not in plain and "121" not in plain
    assert "Secret 3000" in told and "40.1° S, 121.5° W" in told


def test_places_are_told_by_their_names_where_asked(folder: Path, tmp_path: Path) -> None:
    vienna = Place("Vienna", "Wien Stadt", "Vienna", "Austria", "AT")
    odd = Place("<b>Town</b>\u202e", "", "", "Nowhere & Co", "XX")
    where = Details(latitude=48.21, longitude=16.37)
    with library_of(tmp_path / "l.db", {folder / name: ["dog"] for name in NAMES}) as library:
        first, second, _ = library.photos.tagged_ids()
        library.photos.save_details([(first, where), (second, where)])
        places.save(library, [(first, vienna), (second, odd)])
        reported(library, tmp_path / "plain")
        reported(library, tmp_path / "told", ReportOptions(places=True))
    plain, told = text(tmp_path / "plain"), text(tmp_path / "told")
    for word in ("Vienna", "Austria", "48.2", "Town", "Nowhere", "place"):
        assert word not in re.sub(r"<style>.*?</style>", "", plain, flags=re.DOTALL), word
    assert told.count(">Vienna, Austria</a>") == 1
    assert told.count('<span class="place">Vienna, Austria</span>') == 1
    escaped = r"&lt;b&gt;Town&lt;/b&gt;\u202e, Nowhere &amp; Co"
    assert f">{escaped}</a>" in told and f'<span class="place">{escaped}</span>' in told
    assert "<b>Town" not in told and "\u202e" not in told
    assert told.count('<span class="place">') == 2 and ">no place</a>" in told
    assert any("vienna, austria" in words for words in re.findall(r'data-w="([^"]*)"', told))


def test_places_are_named_for_a_report_that_needs_them(folder: Path, tmp_path: Path) -> None:
    where = Details(latitude=48.2082, longitude=16.3738)
    with library_of(tmp_path / "l.db", {folder / NAMES[0]: ["dog"]}) as library:
        library.photos.save_details([(library.photos.tagged_ids()[0], where)])
        reported(library, tmp_path / "told", ReportOptions(places=True))
    assert "Vienna, Austria" in text(tmp_path / "told") and "48.2" not in text(tmp_path / "told")


def test_tags_have_their_names_in_a_language(folder: Path, tmp_path: Path) -> None:
    with library_of(tmp_path / "l.db", {folder / NAMES[0]: ["dog", "<b>mine</b>"]}) as library:
        assert found(library, "Hund", language="de") == library.photos.tagged_ids()
        assert found(library, "tag:Hund", language="de") == library.photos.tagged_ids()
        reported(library, tmp_path / "de", ReportOptions(language="de"))
        reported(library, tmp_path / "en")
    german, english = text(tmp_path / "de"), text(tmp_path / "en")
    assert ">Hund</a>" in german and "dog" not in german
    assert ">&lt;b&gt;mine&lt;/b&gt;</a>" in german, "a label without a name keeps its own"
    assert ">dog</a>" in english and "Hund" not in english


def test_photos_that_look_alike_are_groups_named_by_their_tags(tmp_path: Path) -> None:
    model, words, dim = "m", "words", 4
    with Library.open(tmp_path / "l.db") as library:
        model_id = library.models.id_of(model, "1", "hash", 2, dim)
        words_id = library.vocabularies.id_of("digest", words)
        library.runs.begin("tag", model_id, words_id)
        photos = []
        for n in range(24):
            path = tmp_path / f"{n}.png"
            Image.new("RGB", (16, 16), (n, 0, 0)).save(path)
            kind = n % 2
            tokens_ME = np.zeros((2, dim), np.float16)
            tokens_ME[:, kind] = 1 + n / 1000
            labels = ("photo", ("beach", "forest")[kind])
            status = path.stat()
            photos.append(
                TaggedPhoto(
                    Photo(path, status.st_size, status.st_mtime_ns),
                    tuple(Tag(label, 0.9, 0) for label in labels),
                    tokens_ME,
                )
            )
        library.save(photos, (), model_id=model_id, vocabulary_id=words_id, selection="")
        reported(library, tmp_path / "out")
    page = text(tmp_path / "out")
    names = re.findall(r"<b>(\w+)</b> <span>\d+ photos", page)
    assert set(names) == {"beach", "forest"}
    for number, name in enumerate(names):
        for item in re.findall(r"<li data-g=\"([^\"]*)\" data-w=\"([^\"]*)\"", page):
            assert (f"group-{number}" in item[0].split()) == (name in item[1].split())


def test_the_newest_report_takes_the_place_of_the_last(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with library_of(tmp_path / "l.db", {folder / name: [] for name in NAMES}) as library:
        out.mkdir()  # empty: may be taken
        reported(library, out, ReportOptions(sheets=True))
        assert (out / "contact-sheets.pdf").read_bytes().startswith(b"%PDF")
        made = reported(library, out, ReportOptions("Second", limit=2))
        assert "nothing new since" in text(out)
        third = reported(library, tmp_path / "third", ReportOptions(limit=1))
        assert third.left_out == 2 and "new since" not in text(tmp_path / "third")
        os.utime(folder / NAMES[0], ns=(0, 0))  # changed
        reported(library, tmp_path / "third")
        cards = re.findall(r"data-g=\"([^\"]*)", text(tmp_path / "third"))
        assert [("new-0" in card.split()) for card in cards].count(True) == 3
        assert ">3 new since 2" in text(tmp_path / "third")
        reported(library, out, ReportOptions("Second", limit=2))
    assert made.left_out == 1
    assert "<h1>Second</h1>" in text(out) and "1 more are not shown" in text(out)
    assert len(list((out / "photos").iterdir())) == 2
    assert not (out / "contact-sheets.pdf").exists()
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()


@pytest.mark.parametrize("what", ["photo", "file", "link", "strange", "inside"])
def test_a_folder_with_anything_else_is_never_touched(
    folder: Path, tmp_path: Path, what: str
) -> None:
    out = tmp_path / "out"
    with library_of(tmp_path / "l.db", {folder / NAMES[0]: []}) as library:
        if what == "file":
            out.write_text("mine")
        elif what == "link":
            out.symlink_to(folder)
        else:
            if what != "photo":
                reported(library, out)
            else:
                out.mkdir()
            (out / "photos" if what == "inside" else out).joinpath("mine.jpg").write_text("mine")
        before = [sorted(one.rglob("*")) for one in (out, folder)]
        with pytest.raises(UsageError, match="is there already"):
            reported(library, out)
        assert [sorted(one.rglob("*")) for one in (out, folder)] == before
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_report_that_breaks_off_leaves_the_last_one(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def stop() -> None:
        raise KeyboardInterrupt

    with library_of(tmp_path / "l.db", {folder / NAMES[0]: []}) as library:
        reported(library, out, ReportOptions("First"))
        with pytest.raises(KeyboardInterrupt):
            make_report(library, library.photos.tagged_ids(), out, advance=stop)
    assert "First" in text(out)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_sheets_have_a_page_for_thirty_photos(folder: Path, tmp_path: Path) -> None:
    from qks_cli.report.sheets import Print, write_sheets

    picture = tmp_path / "a.webp"
    Image.new("RGB", (32, 24), "red").save(picture)
    prints = [Print("x" * 300 + "東", picture)] * 270 + [Print("gone", None)]
    assert write_sheets(prints, tmp_path / "s.pdf", title="T\nitle") == 10
    with PdfParser.PdfParser(str(tmp_path / "s.pdf")) as parsed:
        assert len(parsed.pages) == 10
