"""Parts of the XMP room that other tests reach only in their plainest form."""

from __future__ import annotations

import pytest

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import (
    HIERARCHY,
    SUBJECT,
    TAGS_LIST,
    Keyword,
    Packet,
    Source,
    flat,
)

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")


@pytest.mark.parametrize(
    ("before", "between", "expected"),
    [
        ("", "kept", "kept"),
        ("first ", "second", "first second"),
        ("first", "", "first"),
    ],
)
def test_text_between_our_keywords_stays_where_they_go(
    before: str, between: str, expected: str
) -> None:
    """XMP has no text there, but whoever put it there gets it back."""
    packet = Packet(None)
    packet.write([Keyword("dog", 0.9)], SOURCE)
    text = packet.document(packet=False).decode()
    whole = "<rdf:li>dog</rdf:li>"
    assert text.count(whole) == 1
    text = text.replace(whole, f"{before}{whole}{between}<rdf:li>mine</rdf:li>behind")
    edited = Packet(text.encode())
    edited.erase()
    assert edited.keywords(SUBJECT) == ["mine"]
    left = edited.document(packet=False).decode()
    assert f"<rdf:Bag>{expected}<rdf:li>mine</rdf:li>behind</rdf:Bag>" in left
    assert "dog" not in left


def test_text_behind_one_of_ours_joins_the_text_before_it() -> None:
    packet = Packet(None)
    packet.write([Keyword("dog", 0.9)], SOURCE)
    text = packet.document(packet=False).decode()
    item = "<rdf:li>dog</rdf:li>"
    text = text.replace(item, f"<rdf:li>mine</rdf:li>one {item}two<rdf:li>yours</rdf:li>")
    edited = Packet(text.encode())
    edited.erase()
    assert (
        "<rdf:li>mine</rdf:li>one two<rdf:li>yours</rdf:li>"
        in edited.document(packet=False).decode()
    )


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({HIERARCHY: ["Music|AC/DC"], TAGS_LIST: ["Music/AC/DC"]}, ["AC/DC"]),
        ({SUBJECT: ["AC/DC"], TAGS_LIST: ["Music/AC/DC"]}, ["AC/DC"]),
        ({TAGS_LIST: ["Music/AC/DC"]}, ["DC"]),
        ({SUBJECT: ["ac/dc "], TAGS_LIST: ["AC/DC"]}, ["ac/dc", "AC/DC"]),
        ({HIERARCHY: ["a|b|c", "a|b"], SUBJECT: ["a"]}, ["a", "c", "b"]),
        ({SUBJECT: [" ", "x"], HIERARCHY: ["x|"]}, ["x"]),
        (
            {HIERARCHY: ["darktable|format|jpg"], SUBJECT: ["darktable", "format", "jpg", "sea"]},
            ["sea"],
        ),
        # A word that the user has in a path of his own is his.
        (
            {
                HIERARCHY: ["Darktable|format|jpg", "files|format"],
                SUBJECT: ["format", "jpg"],
            },
            ["format"],
        ),
    ],
)
def test_keywords_of_several_lists_once_each(
    lists: dict[str, list[str]], expected: list[str]
) -> None:
    assert flat(lists) == expected


FIT = ["a", "\xa0x", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff", " x ", "a\u200bb"]
UNFIT = ["", " ", "\xa0", "a\x00", "\x1f", "\x7f", "\x80", "\x9f", "\ud800", "\udfff"]


@pytest.mark.parametrize("text", FIT)
def test_what_can_be_a_keyword(text: str) -> None:
    packet = Packet(None)
    packet.write([Keyword(text, 0.5, (text,))], SOURCE, create=[HIERARCHY])
    again = Packet(packet.document(packet=True))
    assert again.keywords(SUBJECT) == [text]
    assert again.keywords(HIERARCHY) == [f"{text}|{text}"]


@pytest.mark.parametrize("text", [*UNFIT, "\ufffe", "\uffff", "x\uffff"])
def test_what_cannot_be_a_keyword(text: str) -> None:
    for keyword in (Keyword(text, 0.5), Keyword("dog", 0.5, ("animal", text))):
        with pytest.raises(Refusal, match="cannot be a keyword"):
            Packet(None).write([keyword], SOURCE)
