from __future__ import annotations

import pytest

from qks_cli.keywords import sidecar
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import HIERARCHY, SUBJECT, TAGS_LIST, Keyword, Packet, Source
from tests.keywords import files
from tests.keywords.test_embed import BOMB, DEEP, OUTSIDE

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
WORDS = [Keyword("dog", 0.91, ("animal",)), Keyword("rock/pop", 0.5)]


def test_a_new_sidecar_has_all_lists_and_the_users_keywords() -> None:
    new = sidecar.with_keywords(None, WORDS, SOURCE, theirs=["Anna", "DOG"])
    assert new is not None
    packet = Packet(new)
    assert packet.keywords(SUBJECT) == ["Anna", "DOG", "rock/pop"]
    assert packet.keywords(HIERARCHY) == ["Anna", "DOG", "rock/pop"]
    # A slash would make two levels of it.
    assert packet.keywords(TAGS_LIST) == ["Anna", "DOG"]
    assert sidecar.with_keywords(new, WORDS, SOURCE) == new
    assert sidecar.with_keywords(None, [], SOURCE) is None
    bare = sidecar.with_keywords(new, [], SOURCE)
    assert bare is not None
    assert all(Packet(bare).keywords(name) == [] for name in (SUBJECT, HIERARCHY, TAGS_LIST))


def test_hierarchies() -> None:
    new = sidecar.with_keywords(None, WORDS[:1], SOURCE)
    assert new is not None
    packet = Packet(new)
    assert packet.keywords(HIERARCHY) == ["animal|dog"]
    assert packet.keywords(TAGS_LIST) == ["animal/dog"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
def test_what_another_program_wrote_stays(encoding: str) -> None:
    body = files.packet("mine").decode().split("?>\n", 1)[1].rsplit("\n<?xpacket", 1)[0].rstrip()
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    name = "UTF-16" if encoding.startswith("utf-16") else "UTF-8"
    text = f'{mark}<?xml version="1.0" encoding="{name}"?>\n<!-- by hand -->\n{body}\n'
    old = text.encode(encoding)
    new = sidecar.with_keywords(old, WORDS, SOURCE)
    assert new is not None
    packet = Packet(new)
    assert packet.keywords(SUBJECT) == ["mine", "dog", "rock/pop"]
    assert packet.keywords(HIERARCHY) == []
    shown = new.decode("utf-16" if name == "UTF-16" else "utf-8")
    assert "<!-- by hand -->" in shown
    assert "kept &amp; safe" in shown
    assert 'xmp:Rating="3"' in shown
    assert shown.index("own:note") < shown.index("dc:subject")


@pytest.mark.parametrize("old", [BOMB, OUTSIDE, DEEP, b"", b"no xml", b"<a/>", b" " * (9 << 20)])
def test_refused(old: bytes) -> None:
    with pytest.raises(Refusal):
        sidecar.with_keywords(old, WORDS, SOURCE)
