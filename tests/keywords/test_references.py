"""Data behind a picture is still found after writing, or the photo is not written to."""

from __future__ import annotations

import random
import struct

import pytest

from qks_cli.keywords import embed
from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import jpeg
from qks_cli.keywords.xmp import Keyword, Packet, Source
from tests.keywords import cameras, files

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
DOG = [Keyword("dog", 0.9)]
MAKERS = {
    "Canon": (cameras.canon, 0x00B6),
    "NIKON CORPORATION": (cameras.nikon, 0x0201),
    "OLYMPUS CORPORATION": (cameras.olympus, 0x0101),
    "PENTAX Corporation": (cameras.pentax, 0x0004),
    "CASIO COMPUTER CO.,LTD.": (cameras.casio, 0x0004),
    "Konica Minolta Camera, Inc.": (cameras.minolta, 0x0088),
}


def pointed_to(data: bytes, make: str, order: str) -> bytes:
    """What the maker note points to."""
    offset = cameras.found_at(data, MAKERS[make][1], order)
    base = data.index(b"Exif\0\0") + 6
    if make.startswith("NIKON"):
        base = data.index(b"Nikon\0\2") + 10
    elif make.startswith("OLYMPUS C"):
        base = data.index(b"OLYMPUS\0" + (b"II" if order == "<" else b"MM"))
    return data[base + offset :]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("make", MAKERS)
def test_previews_behind_the_picture(make: str, order: str) -> None:
    data = cameras.photo(make.encode(), MAKERS[make][0], order)
    assert pointed_to(data, make, order) == cameras.PREVIEW
    new, before = embed.with_keywords(data, DOG, SOURCE)
    assert pointed_to(new, make, order) == cameras.PREVIEW
    assert files.second_picture(new).startswith(cameras.PREVIEW[:100])
    assert next(embed.restored(new, before)) == data
    # With more keywords, and without any, that are put in its place.
    more, _ = embed.with_keywords(new, [*DOG, Keyword("sky" * 900, 0.5)], SOURCE)
    assert pointed_to(more, make, order) == cameras.PREVIEW
    bare, _ = embed.with_keywords(more, [], SOURCE)
    assert pointed_to(bare, make, order) == cameras.PREVIEW


def test_a_value_behind_the_picture() -> None:
    data = cameras.photo(b"SONY", cameras.sony)

    def preview(photo: bytes) -> bytes:
        at = photo.index(struct.pack("<HH", 0x2001, 7))
        return photo[photo.index(b"Exif\0\0") + 6 + struct.unpack_from("<I", photo, at + 8)[0] :]

    assert preview(data) == cameras.PREVIEW
    new, before = embed.with_keywords(data, DOG, SOURCE)
    assert preview(new) == cameras.PREVIEW
    assert data in embed.restored(new, before)


def test_canons_original_decision_data() -> None:
    """Its offset counts from the start of the file."""
    data = cameras.photo(b"Canon", cameras.canon, behind=cameras.DECISION)
    assert data[cameras.found_at(data, 0x0083) :] == cameras.DECISION
    new, before = embed.with_keywords(data, DOG, SOURCE)
    assert new[cameras.found_at(new, 0x0083) :] == cameras.DECISION
    assert data in embed.restored(new, before)


@pytest.mark.parametrize("note", [cameras.unknown, cameras.unknown_absolute])
@pytest.mark.parametrize("make", [b"Canon", b"Nobody"])
def test_what_cannot_be_told_from_other_numbers_is_refused(make: bytes, note: cameras.Note) -> None:
    data = cameras.photo(make, note)
    with pytest.raises(Refusal, match="may point to data behind") as refused:
        embed.with_keywords(data, DOG, SOURCE)
    assert refused.value.sidecar


def test_numbers_across_the_entries_of_a_directory_are_no_offsets() -> None:
    """The end of one entry and the start of the next may look like one."""

    def panasonic(at: int, order: str, relative: int, absolute: int) -> bytes:
        # Read as big-endian, two bytes of a value and the tag behind it make the offset.
        entries = struct.pack("<HHHII", 2, 0x0001, 3, 1, 0)
        entries += struct.pack(">H", absolute & 0xFFFF) + struct.pack("<HII", 3, 1, 0)
        return b"Panasonic\0\0\0" + entries + bytes(4)

    data = cameras.photo(b"Panasonic", panasonic)
    place = len(data) - len(cameras.PREVIEW)
    assert struct.pack(">I", place) in data[: data.index(b"MPF\0")]
    new, before = embed.with_keywords(data, DOG, SOURCE)
    assert data in embed.restored(new, before)


def test_a_reference_to_nothing_stays_as_it_is() -> None:
    """An editor cut the preview off: the offset leads out of the file, or into the picture."""
    data = cameras.photo(b"Canon", cameras.canon)[: -len(cameras.PREVIEW)]
    new, before = embed.with_keywords(data, DOG, SOURCE)
    for tag in (0x0083, 0x00B6):
        assert cameras.found_at(new, tag) == cameras.found_at(data, tag)
    assert data in embed.restored(new, before)


def test_photos_of_the_older_way_are_moved_over() -> None:
    """Also where Exif counts from the start of the file, which the older way did not correct."""
    data = cameras.photo(b"Canon", cameras.canon, behind=cameras.DECISION)
    packet = Packet(None)
    packet.restate(DOG, SOURCE)
    document = packet.document(packet=True)
    older = jpeg.parse(data).with_xmp(document, ahead=True, correct=False)
    assert older.index(jpeg.XMP) < older.index(b"Exif\0\0")
    assert older[cameras.found_at(older, 0x0083) :] != cameras.DECISION
    new, before = embed.with_keywords(older, DOG, SOURCE)  # the same words
    assert new.index(jpeg.XMP) > new.index(b"Exif\0\0")
    assert new[cameras.found_at(new, 0x0083) :] == cameras.DECISION
    assert older in embed.restored(new, before)
    assert data in embed.restored(older, embed.Before(None))
    assert data in embed.restored(new, embed.Before(None))
    assert embed.with_keywords(new, DOG, SOURCE)[0] == new


def test_another_programs_xmp_ahead_of_exif_stays_there() -> None:
    data = files.the_older_way(files.jpeg(exif=files.exif()), files.packet("mine"))
    new, _ = embed.with_keywords(data, DOG, SOURCE)
    assert new.index(jpeg.XMP) < new.index(b"Exif\0\0")
    again, _ = embed.with_keywords(new, [Keyword("sky", 0.5)], SOURCE)
    assert again.index(jpeg.XMP) < again.index(b"Exif\0\0")
    # Unless the library knows that there was none before us.
    moved, before = embed.with_keywords(new, DOG, SOURCE, ours_alone=True)
    assert moved.index(jpeg.XMP) > moved.index(b"Exif\0\0")
    assert new in embed.restored(moved, before)


def test_hostile_exif_ends() -> None:
    chance = random.Random(3)
    for make, (note, _) in MAKERS.items():
        data = cameras.photo(make.encode(), note)
        head = data.index(b"MPF\0")
        for _ in range(60):
            broken = bytearray(data)
            for _ in range(chance.randrange(1, 6)):
                broken[chance.randrange(12, head)] = chance.choice((0, 1, 8, 127, 255))
            try:
                new, before = embed.with_keywords(bytes(broken), DOG, SOURCE)
            except Refusal:
                continue
            assert bytes(broken) in embed.restored(new, before)
