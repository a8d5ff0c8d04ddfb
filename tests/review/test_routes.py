"""What the pages ask, and what they get; a library without any model behind it."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from qks_cli.library import keywords, labels, moments
from qks_cli.library.store import Library
from qks_cli.library.tags import Tags
from qks_cli.review.app import make_app
from qks_cli.review.security import Key
from qks_cli.review.state import Review
from qks_cli.types import Moment, Tag
from qks_cli.workflows.completion import suggest
from qks_cli.workflows.naming import TypedLabels
from qks_cli.workflows.session import library_language
from tests.conftest import Qks
from tests.review.conftest import NAMES, ORIGIN, Page


def states(page: Page, label: str) -> list[str]:
    found = page.get("/api/listing", sort="name")["listing"]
    cards = page.get("/api/window", listing=found, start=0, count=10, label=label)["photos"]
    return [{card["name"]: card["state"] for card in cards}[name] for name in NAMES]


def test_a_listing_and_its_windows(page: Page) -> None:
    found = page.get("/api/listing")
    assert found["total"] == 4 and found["notes"] == []
    cards = page.get("/api/window", listing=found["listing"], start=1, count=2)["photos"]
    assert [card["name"] for card in cards] == ["a.png", "b.png"]  # "<" comes before letters
    assert cards[1]["tags"] == ["dog", "sky"] and cards[1]["tag_count"] == 2
    assert page.get("/api/window", listing=found["listing"], start=9, count=2)["photos"] == []
    assert page.ids("tag:dog") == page.ids("tag:dog", sort="name") == [1, 2]
    assert page.ids("tag:dog -tag:sky") == [1]
    assert page.ids("missing:tags") == [4]
    assert page.ids("name:zebra") == []


def test_errors_are_in_words_and_at_their_spot(page: Page) -> None:
    wrong = page.get("/api/listing", 400, q="dog colour:red")
    assert wrong["at"] == 4 and wrong["error"].startswith("no filter 'colour'")
    assert "\n" not in wrong["error"]
    assert page.get("/api/listing", 400, q="(tag:dog")["at"] == 8
    assert "at" not in page.get("/api/listing", 400, sort="colour")
    assert page.get("/api/window", 410, listing=99, start=0, count=1)["error"]
    for values in ({}, {"photo": "x"}, {"photo": -1}, {"photo": 2**63}, {"photo": "٣"}):
        assert page.get("/api/photo", 400, **values)["error"]
    assert "no longer" in page.get("/api/photo", 400, photo=77)["error"]
    assert page.get("/api/window", 400, listing=1, start=0, count=501)["error"]
    for ids in (None, "1", [1.5], [True], [-1], [2**63]):
        assert page.post("/api/say", 400, said="confirm", label="dog", ids=ids)["error"]
    assert page.post("/api/say", 400, said="adore", label="dog", ids=[1])["error"]
    assert page.post("/api/say", 400, said="reject", label="unicorn", ids=[1])["error"]
    assert page.post("/api/say", 400, said="confirm", label="\x1b", ids=[1])["error"]
    assert page.complaints == []


def test_listings_that_nobody_scrolls_in_are_forgotten(page: Page) -> None:
    first = page.get("/api/listing")["listing"]
    for _ in range(20):
        page.get("/api/listing")
        page.get("/api/window", listing=first, start=0, count=1)
    second = page.get("/api/listing")["listing"]
    for _ in range(20):
        page.get("/api/listing")
    page.get("/api/window", 410, listing=second, start=0, count=1)


def test_photos_that_leave_the_library_leave_a_gap(page: Page, db: Path) -> None:
    found = page.get("/api/listing", sort="name")["listing"]
    with Library.open(db) as library, library.atomic():
        library.execute("DELETE FROM photos WHERE id = 2")
    cards = page.get("/api/window", listing=found, start=0, count=4)["photos"]
    assert [card and card["name"] for card in cards] == [NAMES[2], "a.png", None, "d.png"]


def test_verdicts_are_those_of_the_command_line(page: Page, db: Path, qks: Qks) -> None:
    assert states(page, "dog") == ["tagged", "tagged", "", ""]
    one = page.post("/api/say", said="confirm", label="DOG", ids=[1, 3])
    two = page.post("/api/say", said="reject", label="dog", ids=[2, 4, 77])
    assert (one["label"], one["photos"], two["photos"]) == ("dog", 2, 2)
    assert states(page, "dog") == ["confirmed", "rejected", "confirmed", "rejected"]
    assert sorted(page.ids("tag:dog")) == [1, 3]
    rejected = page.get("/api/photo", photo=2)["tags"]
    assert [(tag["label"], tag["state"]) for tag in rejected] == [
        ("sky", "tagged"),
        ("dog", "rejected"),
    ]
    # The command line takes it back.
    assert qks("tags", "reset", "dog", "--all", "--db", db).returncode == 0
    assert states(page, "dog") == ["tagged", "tagged", "", ""]


def test_undo_gives_back_what_was_and_spares_what_came_since(page: Page) -> None:
    page.post("/api/say", said="reject", label="dog", ids=[1])
    change = page.post("/api/say", said="confirm", label="dog", ids=[1, 2, 3, 4])["change"]
    page.post("/api/say", said="reject", label="dog", ids=[4])  # another tab, or another hand
    assert page.post("/api/undo", change=change)["photos"] == 3
    assert states(page, "dog") == ["rejected", "tagged", "", "rejected"]
    assert "undone" in page.post("/api/undo", 410, change=change)["error"]


def test_a_new_label_is_given_and_taken_back(page: Page) -> None:
    given = page.post("/api/say", said="confirm", label=" our <i>kitchen</i> ", ids=[1, 2])
    assert given["label"] == "our <i>kitchen</i>"
    (tag,) = [x for x in page.get("/api/photo", photo=1)["tags"] if x["state"] == "confirmed"]
    assert tag["label"] == "our <i>kitchen</i>" and tag["score"] is None
    page.post("/api/undo", change=given["change"])
    assert states(page, "our <i>kitchen</i>") == ["", "", "", ""]


def test_suggestions_know_synonyms_and_renames(page: Page, db: Path) -> None:
    def suggested(typed: str) -> list[tuple[str, str]]:
        found = page.get("/api/suggest", typed=typed)["labels"]
        return [(one["label"], one["synonym"]) for one in found]

    with Library.open(db) as library:
        words = library.vocabularies.id_of("new", "dog | puppy, hound\nsky\nplant\ndoghouse\n")
        library.runs.begin("tag", 1, words)
        with library.atomic():
            library.execute("UPDATE photos SET vocabulary_id = ?", (words,))
        assert suggested("pup") == [("dog", "puppy")]
        assert suggested("o") == [("dog", ""), ("<b>bold</b>", ""), ("doghouse", "")]
        assert suggested("DO") == [("dog", ""), ("doghouse", "")]
        labels.rename(library, "dog", "hund")
        assert suggested("pup") == [("hund", "puppy")]
        page.post("/api/say", said="confirm", label="puppy", ids=[4])
        assert states(page, "hund") == ["tagged", "tagged", "", "confirmed"]
        # A word of the vocabulary that no photo carries yet can be rejected.
        page.post("/api/say", said="reject", label="plant", ids=[4])
        assert states(page, "plant") == ["", "", "", "rejected"]
        labels.delete(library, "hund")
        assert suggested("pup") == []


def test_labels_have_their_names_in_a_language(db: Path, key: Key) -> None:
    app = make_app(Review(db, language="de"), key)
    with TestClient(app, base_url=ORIGIN) as client, Library.open(db) as library:
        assert client.get(f"/open/{key.token}").status_code == 200
        german = Page(client, [])
        assert german.get("/api/suggest", typed="hu")["labels"] == [
            {"label": "dog", "name": "Hund", "synonym": "", "photos": 2}
        ]
        assert german.get("/api/suggest", typed="dog")["labels"][0]["name"] == "Hund"
        cards = german.get("/api/listing", q="tag:Hund", typed="hund")["photos"]
        assert [(card["tags"][0], card["state"]) for card in cards] == [("Hund", "tagged")] * 2
        tags = german.get("/api/photo", photo=2)["tags"]
        assert [(tag["label"], tag["name"]) for tag in tags] == [("dog", "Hund"), ("sky", "Himmel")]
        # Typed in the language, stored and told as everywhere; no name of anything is a new label.
        assert german.post("/api/say", said="confirm", typed="Hund", ids=[4])["label"] == "Hund"
        assert {tag.label for tag in library.tags.of([4])[4]} == {"dog"}
        german.post("/api/say", said="confirm", typed="unser Hund", ids=[3])
        assert "unser Hund" in {tag.label for tag in library.tags.of([3])[3]}
        german.post("/api/say", said="reject", label="sky", ids=[2])
        assert {tag.label for tag in library.tags.of([2])[2]} == {"dog"}


def test_a_name_that_two_labels_share_stands_for_one_of_them(db: Path) -> None:
    with Library.open(db) as library:
        words = library.vocabularies.id_of("new", "couch ; de: Sofa\nsofa ; de: Sofa\n")
        library.runs.begin("tag", 1, words)
        with library.atomic():
            library.execute("UPDATE photos SET vocabulary_id = ?", (words,))
        names = library_language(library, "de")
        both = TypedLabels(library, names)
        assert both.find("Sofa") == "couch"
        found = [(one.label, one.name) for one in suggest(library, "sofa", names)]
        assert sorted(found) == [("couch", "Sofa"), ("sofa", "sofa")]


def test_a_photo_tells_whose_its_tags_are(page: Page, db: Path, folder: Path, qks: Qks) -> None:
    with Library.open(db) as library:
        keywords.keep(library, [(1, "file", ["Dog", "<u>Rex</u>"])])
    assert qks("write", folder, "--db", db).returncode == 0
    page.post("/api/say", said="reject", label="dog", ids=[2])
    one, two = page.get("/api/photo", photo=1), page.get("/api/photo", photo=2)
    assert one["tags"] == [
        {
            "label": "dog",
            "name": "dog",
            "score": pytest.approx(0.9),
            "state": "tagged",
            "implied": False,
            "written": True,
            "keyword": True,
            "seconds": [],
        }
    ]
    assert one["keywords"] == ["<u>Rex</u>", "Dog"] and one["name"] == "a.png"
    assert [Path(file).name for file in one["files"]] == ["a.png.xmp"]
    assert [(x["label"], x["state"], x["written"]) for x in two["tags"]] == [
        ("sky", "tagged", True),
        ("dog", "rejected", True),
    ]


def test_a_video_tells_when_its_tags_are_seen(page: Page, db: Path) -> None:
    with Library.open(db) as library, library.atomic():
        seen = [(2.0, ("dog", "sky")), (64.5, ("dog",))]
        frames = [
            Moment(second, tuple(Tag(x, 0.9, 0) for x in own), np.ones((2, 4), np.float32))
            for second, own in seen
        ]
        moments.put(library, {2: frames}, 1)
    tags = page.get("/api/photo", photo=2)["tags"]
    assert {tag["label"]: tag["seconds"] for tag in tags} == {"dog": [2.0, 64.5], "sky": [2.0]}
    assert [tag["seconds"] for tag in page.get("/api/photo", photo=1)["tags"]] == [[]]


def test_pictures_are_upright_webp_and_asked_for_again_only_if_they_changed(page: Page) -> None:
    answer = page.client.get("/small/1")
    assert answer.headers["content-type"] == "image/webp" and answer.content[8:12] == b"WEBP"
    assert "private" in answer.headers["cache-control"] and answer.headers["etag"]


def test_it_goes_on_beside_a_run_that_writes(page: Page, db: Path, folder: Path) -> None:
    from tests.workflows.libraries import tag

    with Library.open(db) as library:
        with library.runs.recorded("tag", 1, 1):
            page.post("/api/say", said="reject", label="dog", ids=[1])
            tag(library, {folder / "a.png": ["dog", "sky"]})
            page.post("/api/say", said="confirm", label="tree", ids=[1])
            tag(library, {folder / "a.png": ["dog"]})
        # A transaction that is open does not keep anybody from reading.
        with library.atomic():
            library.execute("UPDATE photos SET size = size")
            found = page.get("/api/photo", photo=1)["tags"]
    assert [(x["label"], x["state"]) for x in found] == [("tree", "confirmed"), ("dog", "rejected")]


def test_the_first_listing_comes_with_the_page(page: Page) -> None:
    def brought(**values: str) -> Any:
        text = page.client.get("/", params=values).text
        found = html.unescape(re.search(r'data-first="([^"]*)"', text)[1])  # type: ignore[index]
        return json.loads(found) if found else None

    first = brought(sort="name")
    assert first["total"] == 4 and first["photos"][0]["name"] == NAMES[2]
    assert page.get("/api/ids", listing=first["listing"])["ids"] == page.ids(sort="name")
    assert brought(q="tag:dog")["total"] == 2
    assert brought(q="dog colour:red") is brought(sort="x") is brought(like="1") is None
    assert "<script>alert" not in page.client.get("/").text


def test_a_picture_is_sent_once(page: Page, folder: Path) -> None:
    tag = page.client.get("/small/1").headers["etag"]
    again = page.client.get("/small/1", headers={"If-None-Match": tag})
    assert again.status_code == 304 and again.content == b""
    os.utime(folder / "a.png", ns=(0, 0))
    assert page.client.get("/small/1", headers={"If-None-Match": tag}).status_code == 200


def test_searches_share_what_they_read(
    page: Page, db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in qks serve: read once, and again only after somebody has changed the library."""
    read: list[object] = []
    carried = Tags.carried

    def counted(self: Tags, label: str) -> list[tuple[int, float]]:
        read.append(label)
        return carried(self, label)

    monkeypatch.setattr(Tags, "carried", counted)
    first = page.ids("tag:dog")
    assert first and page.ids("tag:dog") == page.ids("tag:dog") == first
    assert read == ["dog"]
    page.post("/api/say", ids=first[:1], label="dog", said="reject")
    assert page.ids("tag:dog") == first[1:]
    assert read == ["dog", "dog"]
