"""Keywords that somebody made to cost hours, to break a run, or in encodings of long ago."""

from __future__ import annotations

import io
import os
import struct
import time
from pathlib import Path

import pytest

from qks_cli.keywords import reading, sidecar
from qks_cli.keywords.formats import iptc
from qks_cli.keywords.verify import has_ours, mentions_us, verify
from qks_cli.keywords.xmp import HIERARCHY, SUBJECT, Keyword, Packet, Source, flat
from tests.keywords import files

SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
SECONDS = 20.0  # what takes a second or two here; before, hours


def bag(name: str, entries: list[str]) -> str:
    items = "".join(f"<rdf:li>{entry}</rdf:li>" for entry in entries)
    return f"<{name}><rdf:Bag>{items}</rdf:Bag></{name}>"


def provenance(entries: list[str]) -> str:
    rows = "".join(
        f'<rdf:li rdf:parseType="Resource"><qks:label>{entry}</qks:label>'
        f"<qks:places>dc:subject={entry}</qks:places></rdf:li>"
        for entry in entries
    )
    space = 'xmlns:qks="http://ns.qks-tagger.org/1.0/"'
    return f"<qks:Tags {space}><rdf:Bag>{rows}</rdf:Bag></qks:Tags>"


def resource(sets: bytes, signature: bytes = b"8BIM") -> bytes:
    head = signature + b"\x04\x04\0\0" + len(sets).to_bytes(4)
    return head + sets + b"\0" * (len(sets) % 2)


def dataset(record: int, number: int, value: bytes) -> bytes:
    return bytes((0x1C, record, number)) + len(value).to_bytes(2) + value


def with_resources(*parts: bytes) -> bytes:
    segments = [files.segment(0xED, b"Photoshop 3.0\0" + part) for part in parts]
    return files.behind_head(files.jpeg(), *segments)


def words_of(data: bytes, folder: Path, name: str = "a.jpg") -> tuple[str, ...]:
    (folder / name).write_bytes(data)
    return reading.of_photo(folder / name).keywords


def test_a_hundred_thousand_keywords_are_read_in_seconds(tmp_path: Path) -> None:
    many = [f"w{number}" for number in range(100_000)]
    (tmp_path / "a.xmp").write_bytes(files.packet(*many))
    began = time.monotonic()
    assert reading.of_sidecar(tmp_path / "a.xmp").keywords == tuple(many)
    assert time.monotonic() - began < SECONDS


def test_a_path_of_a_hundred_thousand_parts_is_its_last() -> None:
    began = time.monotonic()
    assert flat({HIERARCHY: ["a|" * 300_000 + "dog"]}) == ["dog"]
    assert time.monotonic() - began < SECONDS
    assert flat({SUBJECT: ["x|y"], HIERARCHY: ["a|x|y"]}) == ["x|y"]


def test_a_provenance_of_thousands_is_erased_in_one_pass() -> None:
    many = [f"w{number}" for number in range(20_000)]
    packet = Packet(files.packet("mine", *many, extra=provenance(many)))
    began = time.monotonic()
    packet.erase()
    assert time.monotonic() - began < SECONDS
    assert packet.keywords(SUBJECT) == ["mine"] and packet.ours() == []


@pytest.mark.parametrize("place", ["", "dog", "own:list=dog", "nobody:knows=dog", "dc:subject"])
def test_a_provenance_that_makes_no_sense_changes_nothing(place: str) -> None:
    space = 'xmlns:qks="http://ns.qks-tagger.org/1.0/"'
    row = f"<qks:label>dog</qks:label><qks:places>{place}</qks:places>"
    extra = (
        f'<qks:Tags {space}><rdf:Bag><rdf:li rdf:parseType="Resource">{row}</rdf:li></rdf:Bag>'
        f"</qks:Tags><qks:Seeded {space}><rdf:Bag><rdf:li>{place}</rdf:li></rdf:Bag></qks:Seeded>"
    )
    new = sidecar.with_keywords(files.packet("dog", extra=extra), [Keyword("cat", 0.9)], SOURCE)
    assert new is not None
    assert Packet(new).keywords(SUBJECT) == ["dog", "cat"]
    bare = sidecar.with_keywords(new, [], SOURCE)
    assert bare is not None
    assert Packet(bare).keywords(SUBJECT) == ["dog"]


@pytest.mark.parametrize(
    ("mark", "encoding", "word"),
    [
        (b"\x1b.A", "latin-1", "Größe"),
        (b"\x1b-A", "latin-1", "Größe"),
        (b"\x1b-B", "iso8859-2", "Łódź"),
        (b"\x1b-L", "iso8859-5", "Отпуск"),
        (b"\x1b-F", "iso8859-7", "Αθήνα"),
        (b"\x1b%G", "utf-8", "Größe"),
        (b"\x1b%G", "latin-1", "Größe"),  # it lies
        (b"", "utf-16", "Größe"),
    ],
)
def test_iptc_in_the_characters_that_it_names(
    tmp_path: Path, mark: bytes, encoding: str, word: str
) -> None:
    sets = (dataset(1, 90, mark) if mark else b"") + dataset(2, 25, word.encode(encoding))
    assert words_of(with_resources(resource(sets)), tmp_path) == (word,)


@pytest.mark.parametrize(
    "sets",
    [
        b"\0\0\0" + dataset(2, 25, b"dog"),
        dataset(2, 25, b"dog") + b"\x1c\x02\x19\xff",
        dataset(2, 25, b"dog") + b"\x1c\x02\x19\x7f\xffcut",
        dataset(2, 25, b"dog\0\x01") + dataset(2, 25, b"") + dataset(2, 25, b" \0"),
        b"\x1c\x02\x19\x80\x04\0\0\0\x03dog",
    ],
    ids=["zeros first", "cut", "too long", "control characters", "a long field"],
)
def test_iptc_is_read_as_far_as_it_is_whole(tmp_path: Path, sets: bytes) -> None:
    assert words_of(with_resources(resource(sets)), tmp_path) == ("dog",)


def test_iptc_that_goes_on_in_the_next_segment(tmp_path: Path) -> None:
    whole = resource(dataset(2, 25, b"dog") + dataset(2, 25, b"beach"))
    assert words_of(with_resources(whole[:20], whole[20:]), tmp_path) == ("dog", "beach")
    two = [resource(dataset(2, 25, word)) for word in (b"dog", b"beach")]
    assert words_of(with_resources(*two), tmp_path) == ("dog", "beach")
    assert words_of(with_resources(two[0][:-3], two[1]), tmp_path) == ("beach",)
    lightroom = resource(dataset(2, 25, b"dog"), b"AgHg")
    assert words_of(with_resources(lightroom), tmp_path) == ("dog",)


def test_a_megabyte_of_iptc_is_read_in_seconds() -> None:
    iim = dataset(2, 25, b"dog") * 120_000
    began = time.monotonic()
    assert len(iptc.keywords_of_any(iim)) == 120_000
    assert iptc.keywords(struct.pack(">4sHHI", b"8BIM", iptc.IIM, 0, len(iim)) + iim)
    assert time.monotonic() - began < SECONDS


def test_control_characters_in_iptc_do_not_stop_a_sidecar(tmp_path: Path) -> None:
    from tests.workflows.libraries import library_of, write

    photo = tmp_path / "a.jpg"
    photo.write_bytes(with_resources(resource(dataset(2, 25, b"Gran\x01d\x1bma\x9d"))))
    with library_of(tmp_path / "library.db", {photo: ["dog"]}) as library:
        write(library)
    assert Packet((tmp_path / "a.jpg.xmp").read_bytes()).keywords(SUBJECT)[0].startswith("Grandma")


def test_a_heic_is_asked_for_xmp_by_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pi_heif
    import pillow_heif

    out = io.BytesIO()
    picture = pillow_heif.from_pillow(files.picture())
    picture.info["xmp"] = files.packet("Grandma")
    picture.save(out)
    monkeypatch.setattr(pi_heif, "open_heif", lambda *_, **__: pytest.fail("in this process"))
    assert words_of(out.getvalue(), tmp_path, "a.heic") == ("Grandma",)
    assert words_of(out.getvalue()[:300], tmp_path, "b.heic") == ()


def test_a_pipe_in_the_place_of_a_sidecar_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "a.jpg.xmp"
    os.mkfifo(pipe)
    assert reading.of_sidecar(pipe).problem == "its sidecar is not a regular file"
    assert mentions_us(pipe) and has_ours(pipe)
    assert verify(pipe, b"", ["dog"], embedded=False)[0] == "gone"
