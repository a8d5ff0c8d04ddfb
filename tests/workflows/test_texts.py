"""Text of photos: read once, kept, found again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.library import presence, texts
from qks_cli.library.store import Library
from qks_cli.search.grammar import QueryError
from qks_cli.types import UInt8Array
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.texts import TextResult, read_texts
from tests.conftest import Qks
from tests.photos.drawn import sign
from tests.workflows.libraries import chosen, library_of, tag, write

# What the fake reader sees, by the red of a picture's first pixel.
SEEN = {
    10: ["GATE 12", "Departures"],
    20: ["TOTAL 7.30", "Café Größe"],
    30: ["出口在东门"],
    40: ["\x1b[31mred\x07", "second"],
    50: [],
}
NAMES = {"gate.png": 10, "receipt.png": 20, "sign.png": 30, "evil.png": 40, "blank.png": 50}


class FakeReader:
    """Knows pictures by their first pixel."""

    name = "fake"
    read: list[int]

    def lines(self, pixels_HW3: UInt8Array) -> list[str]:
        shade = int(pixels_HW3[0, 0, 0])
        self.read.append(shade)
        if shade == 60:
            raise RuntimeError("Traceback:\n  no\x1b[2J such operator")
        return SEEN[shade]


@pytest.fixture
def make_reader() -> Callable[[], FakeReader]:
    read: list[int] = []

    class Reader(FakeReader):
        pass

    Reader.read = read
    return Reader


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    photos = {}
    for name, shade in NAMES.items():
        Image.new("RGB", (64, 48), (shade, 0, 0)).save(tmp_path / name)
        photos[tmp_path / name] = ["dog"] if name == "gate.png" else []
    with library_of(tmp_path / "l.db", photos) as made:
        yield made


def read(library: Library, make_reader: Callable[[], FakeReader]) -> dict[str, TextResult]:
    found = read_texts(library, chosen(library), workers=2, make_reader=make_reader, name="fake")
    return {one.path.name: one for one in found}


def found(library: Library, query: str) -> dict[str, str]:
    """The text that each photo that is found was found by."""
    hits = search(library, query, SearchOptions("none", by_meaning=False))
    return {hit.path.name: hit.text for hit in hits}


def test_text_is_read_once(library: Library, make_reader: Callable[[], FakeReader]) -> None:
    first = read(library, make_reader)
    assert list(first) == sorted(NAMES)  # in order
    assert {one.status for one in first.values()} == {"read"}
    assert first["gate.png"].text == "GATE 12\nDepartures"
    assert first["blank.png"].text == ""
    again = read(library, make_reader)
    assert {one.status for one in again.values()} == {"unchanged"}
    assert again["gate.png"].text == first["gate.png"].text
    assert sorted(make_reader().read) == sorted(NAMES.values())


def test_a_changed_photo_is_read_again_once_it_was_tagged(
    library: Library, make_reader: Callable[[], FakeReader], tmp_path: Path
) -> None:
    read(library, make_reader)
    gate = tmp_path / "gate.png"
    Image.new("RGB", (64, 48), (20, 0, 0)).save(gate)
    tag(library, {gate: ["dog"]})
    assert found(library, "text:gate") == {}  # that text is of other pixels
    assert read(library, make_reader)["gate.png"].text.startswith("TOTAL")
    Image.new("RGB", (64, 48), (10, 0, 0)).save(gate)
    assert read(library, make_reader)["gate.png"].status == "unchanged"
    library.execute("DELETE FROM texts")
    changed = read(library, make_reader)["gate.png"]
    assert changed.status == "failed" and "run `qks tag`" in str(changed.reason)


def test_writing_keywords_into_a_photo_keeps_its_text(
    library: Library, make_reader: Callable[[], FakeReader]
) -> None:
    from qks_cli.workflows.photo_writer import Options, Target

    read(library, make_reader)
    outcomes = write(library, Options(to=Target.embed))
    assert outcomes["gate.png"].status == "written"
    assert found(library, "text:gate") == {"gate.png": "GATE 12"}
    assert read(library, make_reader)["gate.png"].status == "unchanged"


def test_a_photo_that_cannot_be_read_costs_a_line(
    library: Library, make_reader: Callable[[], FakeReader], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 48), (60, 0, 0)).save(tmp_path / "operator.png")
    Image.new("RGB", (64, 48), (10, 0, 0)).save(tmp_path / "gone.png")
    shutil.copy(tmp_path / "gate.png", tmp_path / "cut.png")
    tag(library, {tmp_path / name: [] for name in ("operator.png", "gone.png", "cut.png")})
    (tmp_path / "gone.png").unlink()
    (tmp_path / "cut.png").write_bytes((tmp_path / "gate.png").read_bytes()[:60])
    results = read(library, make_reader)
    assert results["gone.png"].reason == "the file is gone"
    assert results["cut.png"].status == "failed"
    reason = results["operator.png"].reason
    assert reason is not None and "\n" not in reason and "\x1b" not in reason
    assert results["receipt.png"].status == "read"
    assert read(library, make_reader)["operator.png"].status == "failed"  # tried again


def test_a_run_that_is_stopped_keeps_what_it_read(
    library: Library, make_reader: Callable[[], FakeReader]
) -> None:
    asked = threading.Event()

    class Stopping(FakeReader):
        read = make_reader().read

        def lines(self, pixels_HW3: UInt8Array) -> list[str]:
            if len(self.read) == 1:
                asked.set()
            return super().lines(pixels_HW3)

    results = read_texts(
        library, chosen(library), workers=1, make_reader=Stopping, name="fake", stop=asked.is_set
    )
    first = list(results)
    assert 2 <= len(first) < len(NAMES)
    with closing(sqlite3.connect(library.path)) as other:
        (kept,) = other.execute("SELECT count(*) FROM texts").fetchone()
    assert kept == len(first)
    again = read(library, make_reader)
    assert [one.status for one in again.values()].count("unchanged") == len(first)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('text:"gate 12"', {"gate.png": "GATE 12"}),
        ("text:GATE", {"gate.png": "GATE 12"}),
        ('text:"12 departures"', {"gate.png": "GATE 12"}),  # over the end of a line
        ('text:"12 gate"', {}),
        ("text:gat", {}),
        ("text:depart*", {"gate.png": "Departures"}),
        ("text:7.30", {"receipt.png": "TOTAL 7.30"}),
        ("text:cafe", {"receipt.png": "Café Größe"}),
        ("text:grösse", {"receipt.png": "Café Größe"}),
        ("text:出口", {"sign.png": "出口在东门"}),
        ("text:东门", {"sign.png": "出口在东门"}),
        ("text:口出", {}),
        ("has:text NOT text:gate", {"receipt.png": "", "sign.png": "", "evil.png": ""}),
        ("missing:text", {"blank.png": ""}),
        ("dog text:total", {}),
        ("text:total OR text:gate", {"receipt.png": "TOTAL 7.30", "gate.png": "GATE 12"}),
        ("""text:'"*)(""", None),
        ("text:^-", None),
    ],
)
def test_the_filter(
    library: Library,
    make_reader: Callable[[], FakeReader],
    query: str,
    expected: dict[str, str] | None,
) -> None:
    read(library, make_reader)
    if expected is None:
        with pytest.raises(QueryError):
            found(library, query)
    else:
        assert found(library, query) == expected


def test_words_of_full_text_search_mean_nothing_special(
    library: Library, make_reader: Callable[[], FakeReader]
) -> None:
    read(library, make_reader)
    for words in ("NOT", "OR", "NEAR(gate)", "words:gate", "gate AND", '12" OR "total'):
        assert texts.phrase(words) == f'"{" ".join(texts.words(words))}"'
        library.rows(texts.FOUND, (texts.phrase(words),))
        library.rows(texts.FOUND, (texts.every_word(texts.words(words)),))


def test_a_pruned_photo_takes_its_text_along(
    library: Library, make_reader: Callable[[], FakeReader]
) -> None:
    read(library, make_reader)
    presence.forget(library, [photo_id for photo_id, _ in chosen(library)])
    assert library.value("SELECT count(*) FROM texts") == 0
    assert library.rows(texts.FOUND, ('"gate"',)) == []
    library.execute("INSERT INTO texts_fts (texts_fts) VALUES ('integrity-check')")


# With a model, and through the command line.


@pytest.fixture
def tagged(photos: Path, fake_model: Path, qks: Qks) -> Path:
    sign("COFFEE 34").save(photos / "board.png")
    assert qks("tag", photos).returncode == 0
    return photos


def rows(done: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.stdout.splitlines()]  # type: ignore[attr-defined]


def test_the_command(tagged: Path, qks: Qks) -> None:
    assert b"board.png" not in qks("search", "34", "--format", "paths").stdout
    done = qks("text", tagged / "board.png", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert rows(done) == [
        {
            "path": str(tagged / "board.png"),
            "status": "read",
            "text": "COFFEE 34",
            "reason": None,
        }
    ]
    assert b"1 photo read; 1 with text" in done.stderr
    again = qks("text", tagged / "board.png")
    assert b"0 photos read, 1 read before; 1 with text" in again.stderr
    (hit,) = rows(qks("search", "text:34", "--format", "jsonl"))
    assert (hit["matched"], hit["text"]) == (["text"], "COFFEE 34")


def test_plain_words_find_text_beside_tags(tagged: Path, qks: Qks) -> None:
    before = rows(qks("search", "coffee", "--format", "jsonl"))
    assert [Path(str(hit["path"])).name for hit in before] == ["coffee.jpg"]
    qks("text", tagged / "board.png")
    hits = {Path(str(x["path"])).name: x for x in rows(qks("search", "coffee"))}
    assert set(hits) == {"coffee.jpg", "board.png"}
    assert hits["board.png"]["matched"] == ["text"]
    assert "matched" not in hits["coffee.jpg"] and "text" not in hits["coffee.jpg"]
    scores = [
        float(str(hit["score"]))
        for words in ("coffee 34", "34 coffee")
        for hit in rows(qks("search", words))
        if hit["path"] == str(tagged / "board.png")
    ]
    assert scores[0] > scores[1] > 0.4
    for option in ("--tags-only", "--semantic-only"):
        assert "board.png" not in qks("search", "coffee", option).stdout.decode()
    assert "[text: COFFEE 34]" in qks("search", "coffee", "--format", "table").stdout.decode()


def test_hostile_text_steers_no_terminal(tagged: Path, qks: Qks) -> None:
    import os

    with Library.open(Path(os.environ["QKS_DB"])) as library:
        ids = dict((path.name, x) for x, path in chosen(library))
        digest = texts.fingerprints(library, [ids["cat.jpg"]])[ids["cat.jpg"]]
        evil = texts.ReadText(ids["cat.jpg"], "pay \x1b]0;x\x07now\u202e\nline", digest)
        texts.save(library, "fake", [evil])
    for line in (("search", "text:pay"), ("text", tagged / "cat.jpg")):
        shown = qks(*line, "--format", "table").stdout
        assert shown and b"\x1b" not in shown and b"\x07" not in shown
        assert "\u202e" not in shown.decode()


def test_without_the_extra(tagged: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name == "rapidocr" else real(name)
    )
    done = qks("text", "--all")
    assert done.returncode == 2 and done.stdout == b""
    (line,) = done.stderr.decode().strip().splitlines()[:1]
    assert line.startswith("qks: this needs rapidocr")
    assert "pip install '.[text]'" in done.stderr.decode()
    assert qks("search", "text:34").returncode == 1  # what was read is found without it


@pytest.mark.parametrize("line", [(), ("--all", "--query", "cat"), ("--all", ".")])
def test_which_photos_has_to_be_said(tagged: Path, qks: Qks, line: tuple[str, ...]) -> None:
    done = qks("text", *line)
    assert done.returncode == 2
    assert b"give paths, --query, or --all" in done.stderr


def test_the_python_api(tagged: Path) -> None:
    import qks_cli

    with qks_cli.open_library() as library:
        (one,) = library.read_text([tagged / "board.png"], workers=1)
        assert (one.status, one.text) == ("read", "COFFEE 34")
        assert library.text(tagged / "board.png") == "COFFEE 34"
        assert library.text(tagged / "cat.jpg") == ""
        assert library.text("nowhere.jpg") == ""


def test_large_photos_are_read_upright_and_whole(tmp_path: Path) -> None:
    from qks_cli.photos.decode import decode, fitting

    picture = sign().resize((3000, 2250))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    out_SS3 = np.zeros((1600, 1600, 3), np.uint8)
    size = decode(tmp_path / "turned.jpg", "fit", out_SS3)
    assert size == (3000, 2250)
    width, height = fitting(size, 1600)
    expected = np.asarray(picture.resize((width, height)), np.float32)
    assert np.abs(out_SS3[:height, :width] - expected).mean() < 3
    assert not out_SS3[height:].any() and not out_SS3[:, width:].any()
