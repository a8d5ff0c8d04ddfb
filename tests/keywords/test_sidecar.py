from __future__ import annotations

from pathlib import Path

import pytest

from qks_cli.keywords import sidecar
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.xmp import HIERARCHY, SUBJECT, TAGS_LIST, Keyword, Packet, Source
from qks_cli.photos.suffixes import RAW
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


def test_names(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    assert sidecar.path_of(photo, "ext").name == "a.jpg.xmp"
    assert sidecar.path_of(photo, "adobe").name == "a.xmp"
    (tmp_path / "a.xmp").touch()
    assert sidecar.path_of(photo, "ext").name == "a.xmp"
    # It is the RAW file's, which no tag of the JPEG may get into.
    (tmp_path / "a.CR2").touch()
    assert sidecar.locate(photo, "ext") == (tmp_path / "a.jpg.xmp", False)
    assert sidecar.path_of(tmp_path / "a.CR2", "ext").name == "a.xmp"
    (tmp_path / "a.jpg.xmp").touch()
    assert sidecar.path_of(photo, "ext").name == "a.jpg.xmp"
    assert sidecar.path_of(photo, "adobe").name == "a.xmp"


@pytest.mark.parametrize("suffix", sorted(RAW))
def test_every_raw_format_keeps_its_sidecar(tmp_path: Path, suffix: str) -> None:
    for name in ("p.jpg", f"p{suffix.upper()}", "p.xmp"):
        (tmp_path / name).touch()
    assert sidecar.locate(tmp_path / "p.jpg", "ext") == (tmp_path / "p.jpg.xmp", False)
    assert sidecar.path_of(tmp_path / f"p{suffix.upper()}", "ext").name == "p.xmp"
