"""Keywords inside photos: nothing but keywords changes, and they come out again exactly."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from qks_cli.keywords import embed, reading
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import iptc, jpeg
from qks_cli.keywords.xmp import HIERARCHY, SUBJECT, TAGS_LIST, Keyword, Packet, Source
from tests.keywords import files

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
DOG = Keyword("dog", 0.91, ("animal",))
SKY = Keyword("sky", 0.5)
HIERARCHIES = (
    '<lr:hierarchicalSubject xmlns:lr="http://ns.adobe.com/lightroom/1.0/"><rdf:Bag>'
    "<rdf:li>people|Anna</rdf:li></rdf:Bag></lr:hierarchicalSubject>"
)
PHOTOS = {
    "plain": files.jpeg(),
    "exif": files.jpeg(exif=files.exif()),
    "progressive": files.jpeg(progressive=True, exif=files.exif()),
    "xmp": files.with_xmp(files.jpeg(exif=files.exif()), files.packet("mine", "Dog show")),
    "lists": files.with_xmp(files.jpeg(), files.packet("mine", extra=HIERARCHIES)),
    "mpf": files.mpf(),
    "mpf big-endian": files.mpf(">"),
    "mpf and xmp": files.with_xmp(files.mpf(), files.packet("mine")),
    "motion": files.motion(),
    "seft": files.seft(),
    "padding": files.jpeg() + b"\0" * 50,
    "iim utf-8": files.iim("München".encode(), utf8=True),
    "iim ascii": files.iim(b"town", utf8=False),
    "iim latin-1": files.iim("München".encode("latin-1"), utf8=False),
    "png": files.png(),
    "png xmp": files.png(files.packet("mine")),
    "png packed xmp": files.png(files.packet("mine"), packed=True),
    "webp": files.webp(),
    "webp lossless": files.webp(lossless=True),
    "webp exif": files.webp(exif=files.exif()),
    "webp xmp": files.webp(xmp=files.packet("mine")),
}
HAVE_TOOLS = shutil.which("exiftool") is not None and shutil.which("exiv2") is not None


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.tobytes()


@pytest.mark.parametrize("name", PHOTOS)
def test_in_and_out_again(name: str) -> None:
    data = PHOTOS[name]
    new, before = embed.with_keywords(data, [DOG, SKY], SOURCE)
    assert pixels(new) == pixels(data)
    packet = embed.packet_of(embed.parse(new))
    assert set(packet.keywords(SUBJECT)) >= {"dog", "sky"}
    assert {label for label, _ in packet.ours()} == {"dog", "sky"}
    mine = embed.packet_of(embed.parse(data)).own_labels()
    assert packet.own_labels() == mine
    # Twice is once, whatever the time and the scores are.
    later = Source("mini", "2", "2027-01-01T00:00:00+00:00")
    assert embed.with_keywords(new, [Keyword("dog", 0.7, ("animal",)), SKY], later)[0] == new
    assert data in embed.restored(new, before)
    # Without the ledger our keywords go and the user's stay.
    bare, _ = embed.with_keywords(new, [], SOURCE)
    left = embed.packet_of(embed.parse(bare))
    assert left.ours() == []
    assert left.own_labels() == mine
    assert b"qks" not in (embed.parse(bare).xmp() or b"")
    fewer, _ = embed.with_keywords(new, [SKY], SOURCE)
    assert [label for label, _ in embed.packet_of(embed.parse(fewer)).ours()] == ["sky"]


def test_what_the_user_has_stays_the_users() -> None:
    data = files.with_xmp(files.jpeg(), files.packet("DOG", "mine", extra=HIERARCHIES))
    new, _ = embed.with_keywords(data, [DOG, SKY], SOURCE)
    packet = embed.packet_of(embed.parse(new))
    assert packet.keywords(SUBJECT) == ["DOG", "mine", "sky"]
    assert packet.keywords(HIERARCHY) == ["people|Anna", "sky"]
    assert packet.keywords(TAGS_LIST) == []
    assert b"kept &amp; safe" in (embed.parse(new).xmp() or b"")
    immich, _ = embed.with_keywords(data, [DOG, SKY], SOURCE, immich=True)
    packet = embed.packet_of(embed.parse(immich))
    # A list that we make starts with what the user has, or it would hide that.
    assert packet.keywords(TAGS_LIST) == ["DOG", "mine", "Anna", "sky"]
    bare, _ = embed.with_keywords(immich, [], SOURCE)
    packet = embed.packet_of(embed.parse(bare))
    assert packet.keywords(TAGS_LIST) == []
    assert packet.keywords(SUBJECT) == ["DOG", "mine"]


@pytest.mark.parametrize("name", ["mpf", "mpf big-endian", "mpf and xmp"])
def test_other_pictures_of_a_file_are_still_found(name: str) -> None:
    data = PHOTOS[name]
    second = files.second_picture(data)
    # files.with_xmp knows nothing of MPF: there the entries are wrong from the start.
    if name != "mpf and xmp":
        assert second[:2] == b"\xff\xd8"
        assert first_ends(data) == files.first_size(data)
    new, _ = embed.with_keywords(data, [DOG], SOURCE)
    assert files.second_picture(new) == second
    if name != "mpf and xmp":
        assert first_ends(new) == files.first_size(new)


def first_ends(data: bytes) -> int:
    return jpeg.parse(data).trailer


def test_exif_stays_first() -> None:
    for name in ("exif", "progressive", "mpf", "motion", "seft", "iim utf-8"):
        new, _ = embed.with_keywords(PHOTOS[name], [DOG], SOURCE)
        head = jpeg.parse(new).head
        place = next(i for i, x in enumerate(head) if x.payload.startswith(jpeg.EXIF))
        assert head[place + 1].payload.startswith(jpeg.XMP)
        assert all(x.marker == 0xE0 for x in head[:place])
    plain = jpeg.parse(embed.with_keywords(PHOTOS["plain"], [DOG], SOURCE)[0]).head
    assert plain[0].payload.startswith(b"JFIF\0")
    assert plain[1].payload.startswith(jpeg.XMP)


def test_a_packet_in_a_png_stands_right_before_the_picture() -> None:
    """Some readers look for Exif, text and colours in the first few hundred bytes alone."""
    stream = io.BytesIO()
    files.picture().save(stream, "PNG", exif=files.exif(), icc_profile=b"x" * 400)
    data = stream.getvalue()
    new, before = embed.with_keywords(data, [DOG], SOURCE)
    places = [new.index(kind) for kind in (b"IHDR", b"iCCP", b"eXIf", b"iTXt", b"IDAT")]
    assert places == sorted(places)
    assert list(embed.restored(new, before)) == [data]
    # Versions before 0.2 put it right behind the header: the next write moves it over.
    packet = embed.packet_of(embed.parse(new)).document(packet=True)
    chunk = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet
    chunk = (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
    older = data[:33] + chunk + data[33:]
    moved, before = embed.with_keywords(older, [DOG], SOURCE)
    assert moved == new
    assert older in embed.restored(moved, before)
    assert embed.with_keywords(moved, [DOG], SOURCE)[0] == moved


def test_unknown_data_behind_the_picture_is_refused() -> None:
    trailing = files.jpeg(exif=files.exif())
    trailing += b"\0" * 30 + b"\xff\xd8\xff preview that Exif may point to"
    with pytest.raises(Refusal, match="unknown data"):
        embed.with_keywords(trailing, [DOG], SOURCE)


def test_iptc_follows_where_it_can_be_read() -> None:
    for name, wanted in (
        ("iim utf-8", ["München", "dog", "Straße"]),
        ("iim ascii", ["town", "dog"]),
    ):
        new, _ = embed.with_keywords(PHOTOS[name], [DOG, Keyword("Straße", 0.5)], SOURCE)
        photo = embed.parse(new)
        assert isinstance(photo, jpeg.Jpeg)
        resources = photo.other()
        assert resources is not None
        assert iptc.keywords(resources) == wanted
        sets = iptc._find(resources, iptc.IIM)
        assert sets is not None
        assert iptc._find(resources, iptc.DIGEST) == hashlib.md5(sets).digest()
        bare, _ = embed.with_keywords(new, [], SOURCE)
        left = embed.parse(bare)
        assert isinstance(left, jpeg.Jpeg)
        assert iptc.keywords(left.other() or b"") == wanted[:1]
    old = embed.parse(PHOTOS["iim latin-1"])
    new_one = embed.parse(embed.with_keywords(PHOTOS["iim latin-1"], [DOG], SOURCE)[0])
    assert isinstance(old, jpeg.Jpeg)
    assert isinstance(new_one, jpeg.Jpeg)
    assert old.other() == new_one.other()


def test_a_stale_digest_stays_stale() -> None:
    """It says that another program changed IPTC alone, so that readers prefer IPTC to XMP."""
    data = PHOTOS["iim utf-8"]
    photo = embed.parse(data)
    assert isinstance(photo, jpeg.Jpeg)
    right = iptc._find(photo.other() or b"", iptc.DIGEST)
    assert right is not None
    stale = data.replace(right, b"\1" * 16)
    new = embed.parse(embed.with_keywords(stale, [DOG], SOURCE)[0])
    assert isinstance(new, jpeg.Jpeg)
    assert iptc.keywords(new.other() or b"") == ["München", "dog"]
    assert iptc._find(new.other() or b"", iptc.DIGEST) == b"\1" * 16


def test_a_list_that_we_make_starts_with_what_iptc_has() -> None:
    data = files.iim("München".encode(), b"dog", utf8=True)
    new, before = embed.with_keywords(data, [DOG, SKY], SOURCE)
    packet = embed.packet_of(embed.parse(new))
    assert packet.keywords(SUBJECT) == ["München", "dog", "sky"]
    assert [label for label, _ in packet.ours()] == ["sky"]
    assert data in embed.restored(new, before)


EXTENDED = files.segment(0xE1, jpeg.EXTENDED + b"0" * 32 + b"\0" * 8 + b"<more/>")
BOMB = (
    b'<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY l2 "&lol;&lol;&lol;&lol;&lol;&lol;">]>'
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>&l2;</x:xmpmeta>"
)
OUTSIDE = (
    b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>&f;</x:xmpmeta>"
)
DEEP = b"<a>" * 100_000 + b"</a>" * 100_000
REFUSED = {
    "cut off": (files.jpeg()[:-200], "cut off"),
    "no picture": (b"\xff\xd8\xff\xd9", "no picture|damaged"),
    "two packets": (files.with_xmp(PHOTOS["xmp"], files.packet()), "several"),
    "extended": (
        files.behind_head(files.with_xmp(files.jpeg(), files.packet()), EXTENDED),
        "extended",
    ),
    "too large": (
        files.with_xmp(files.jpeg(), files.packet(*["word" * 10] * 1136)),
        "larger than 65502",
    ),
    "unknown trailer": (files.jpeg() + b"something else", "unknown data"),
    "bomb": (files.png(BOMB), "DOCTYPE|cannot be read"),
    "outside entity": (files.png(OUTSIDE), "DOCTYPE|cannot be read"),
    "deep": (files.png(DEEP), "cannot be read|rdf"),
    "huge": (files.png(b" " * (9 << 20), packed=True), "larger than 8 MB"),
    "no rdf": (files.png(b"<a/>"), "no rdf"),
    "png cut off": (files.png()[:-5], "cut off"),
    "png trailer": (files.png() + b"more", "unknown data"),
    "webp cut off": (files.webp()[:-5], "cut off"),
    "gif": (b"GIF89a", "format"),
    "nothing": (b"", "format"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(Refusal, match=reason):
        embed.with_keywords(data, [DOG], SOURCE)


@pytest.mark.skipif(not HAVE_TOOLS, reason="exiftool and exiv2 are not installed")
@pytest.mark.parametrize("name", PHOTOS)
def test_other_programs_read_it(name: str, tmp_path: Path) -> None:
    data = PHOTOS[name]
    suffix = {b"\x89P": ".png", b"RI": ".webp"}.get(data[:2], ".jpg")
    old, new = tmp_path / f"old{suffix}", tmp_path / f"new{suffix}"
    old.write_bytes(data)
    new.write_bytes(embed.with_keywords(data, [DOG, SKY], SOURCE)[0])
    before, after = everything(old), everything(new)
    subject = after["XMP-dc:Subject"]
    assert {"dog", "sky"} <= set(subject if isinstance(subject, list) else [subject])
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    allowed = ("XMP-", "System:", "IPTC:Keywords", "Photoshop:IPTCDigest", "File:CurrentIPTCDigest")
    allowed += ("MPF0:MPImageLength", "MPImage", "ExifTool:", "RIFF:WebP_Flags", "Composite:")
    allowed += ("RIFF:ImageWidth", "RIFF:ImageHeight", "RIFF:AlphaIsUsed", "File:FileType")
    assert {key for key in changed if not key.startswith(allowed)} == set()
    kept = {key for key in before if key.startswith("XMP-") and "Subject" not in key}
    assert {key for key in kept & changed if "XMPToolkit" not in key} == set()
    assert "Warning" not in " ".join(after) or "Warning" in " ".join(before)
    printed = subprocess.run(
        ["exiv2", "-q", "-g", "Xmp.dc.subject", "-Pv", str(new)], capture_output=True, text=True
    )
    assert "dog" in printed.stdout


def everything(photo: Path) -> dict[str, object]:
    done = subprocess.run(
        ["exiftool", "-a", "-G1", "-s", "-j", "-b", str(photo)], capture_output=True, check=True
    )
    found: dict[str, object] = json.loads(done.stdout)[0]
    del found["SourceFile"]
    return found


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1
).filter(lambda text: text.strip() != "" and text == text.strip())


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=8, unique_by=str.casefold))
def test_any_words(words: list[str]) -> None:
    data = PHOTOS["xmp"]
    new, before = embed.with_keywords(data, [Keyword(word, 0.5) for word in words], SOURCE)
    found = embed.packet_of(embed.parse(new))
    mine = {"mine", "dog show"}
    assert set(found.keywords(SUBJECT)) == {"mine", "Dog show"} | {
        word for word in words if word.casefold() not in mine
    }
    assert data in embed.restored(new, before)
    assert Packet(found.document(packet=True)).ours() == found.ours()


@given(st.sampled_from([chr(n) for n in (0, 1, 8, 11, 27, 127, 0x85, 0xD800, 0xFFFE)]))
def test_characters_that_xml_cannot_hold(char: str) -> None:
    with pytest.raises(Refusal, match="cannot be a keyword"):
        embed.with_keywords(PHOTOS["plain"], [Keyword(f"a{char}b", 0.5)], SOURCE)


def test_a_webp_keeps_the_place_of_its_packet() -> None:
    data = bytearray(PHOTOS["webp xmp"] + b"ABCD\4\0\0\0wxyz")
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    new, before = embed.with_keywords(bytes(data), [DOG], SOURCE)
    assert new.endswith(b"ABCD\4\0\0\0wxyz")
    assert bytes(data) in embed.restored(new, before)


def test_a_webp_whose_padding_says_something_is_refused() -> None:
    data = bytearray(PHOTOS["webp xmp"])
    assert data[-1] == 0  # what evens the packet's odd length
    data[-1] = 1
    with pytest.raises(Refusal, match="XMP chunk is damaged"):
        embed.with_keywords(bytes(data), [DOG], SOURCE)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(PHOTOS)), st.data())
def test_mutated_photos_are_written_whole_or_refused(name: str, draw: st.DataObject) -> None:
    data = bytearray(PHOTOS[name])
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(data) - 1))
        kind = draw.draw(st.integers(0, 2))
        if kind == 0:
            data[at] = draw.draw(st.integers(0, 255))
        elif kind == 1:
            del data[at : at + draw.draw(st.integers(1, 20))]
        else:
            data[at:at] = draw.draw(st.binary(max_size=20))
        if not data:
            return
    try:
        new, before = embed.with_keywords(bytes(data), [DOG], SOURCE)
    except Refusal:
        return
    if new != bytes(data):
        assert bytes(data) in embed.restored(new, before)


def test_keywords_behind_a_long_head_are_read(tmp_path: Path) -> None:
    padding = files.segment(0xEF, b"x" * 60_000) * 4
    photo = tmp_path / "long.jpg"
    photo.write_bytes(files.behind_head(files.with_xmp(files.jpeg(), files.packet("mine")), b""))
    assert reading.of_photo(photo).keywords == ("mine",)
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + padding + data[2:])
    assert reading.of_photo(photo).keywords == ("mine",)
