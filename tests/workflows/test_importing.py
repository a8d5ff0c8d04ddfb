"""Keywords and ratings of the user's own, in whatever dress they stand."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.keywords import reading
from qks_cli.keywords.formats import jpeg
from qks_cli.library import keywords
from qks_cli.library.store import Library
from qks_cli.workflows.importing import Imported, import_all
from tests.keywords import cameras, files
from tests.workflows.libraries import chosen, library_of, write

HIERARCHY = (
    '<lr:hierarchicalSubject xmlns:lr="http://ns.adobe.com/lightroom/1.0/"><rdf:Bag>{}</rdf:Bag>'
    "</lr:hierarchicalSubject>"
)
TAGS_LIST = (
    '<digiKam:TagsList xmlns:digiKam="http://www.digikam.org/ns/1.0/"><rdf:Seq>{}</rdf:Seq>'
    "</digiKam:TagsList>"
)


def items(*words: str) -> str:
    return "".join(f"<rdf:li>{word}</rdf:li>" for word in words)


def imported(folder: Path, **sidecars: bytes) -> tuple[Library, dict[str, Imported]]:
    """What is imported of a.jpg with these sidecars (``a_jpg_xmp`` is a.jpg.xmp)."""
    (folder / "a.jpg").write_bytes(files.jpeg())
    for name, data in sidecars.items():
        (folder / name.replace("_", ".")).write_bytes(data)
    return again(folder)


def again(folder: Path) -> tuple[Library, dict[str, Imported]]:
    photos = [path for path in folder.iterdir() if path.suffix in (".jpg", ".png", ".tif")]
    library = library_of(folder / "library.db", {path: () for path in photos})
    return library, {one.path.name: one for one in import_all(library, chosen(library))}


def keywords_of(data: bytes, tmp_path: Path, name: str = "photo") -> tuple[str, ...]:
    photo = tmp_path / name
    photo.write_bytes(data)
    return reading.of_photo(photo).keywords


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])
def test_iptc_that_does_not_say_its_encoding(tmp_path: Path, encoding: str) -> None:
    words = ["Dänemark", "Malmö"] + (["Straße – Süd"] if encoding != "latin-1" else [])
    data = files.iim(*(word.encode(encoding) for word in words), utf8=False)
    assert keywords_of(data, tmp_path) == tuple(words)


def test_a_new_sidecar_starts_with_such_keywords(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(files.iim("Dänemark".encode("latin-1"), utf8=False))
    with library_of(tmp_path / "library.db", {tmp_path / "a.jpg": ["dog"]}) as library:
        write(library)
    side = (tmp_path / "a.jpg.xmp").read_text()
    assert side.count("<rdf:li>Dänemark</rdf:li>") == 3


def windows(order: str, text: str, rating: int | None = None) -> bytes:
    """An Exif block with the keywords that Windows writes."""
    value = text.encode("utf-16-le") + b"\0\0"
    entries: dict[int, cameras.Value] = {0x9C9E: (1, len(value), value)}
    if rating is not None:
        entries[0x4746] = (3, 1, struct.pack(order + "H", rating))
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "I", 8) + cameras.directory(8, order, entries)


@pytest.mark.parametrize("order", "<>")
def test_the_keywords_of_windows(tmp_path: Path, order: str) -> None:
    block = windows(order, "Urlaub;Surname, Firstname; AC/DC ;;", 4)
    words = ("Urlaub", "Surname, Firstname", "AC/DC")
    plain = files.jpeg()
    app = files.segment(0xE1, b"Exif\0\0" + block)
    assert keywords_of(plain[:2] + app + plain[2:], tmp_path) == words
    assert keywords_of(files.webp(exif=block), tmp_path) == words
    image = io.BytesIO()
    files.picture().save(image, "PNG", exif=block)
    assert keywords_of(image.getvalue(), tmp_path) == words
    assert keywords_of(block, tmp_path) == words  # a TIFF
    assert reading.of_photo(tmp_path / "photo").rating == 4


def test_tiffs(tmp_path: Path) -> None:
    image = io.BytesIO()
    files.picture().save(image, "TIFF", tiffinfo={700: files.packet("mine", "AC/DC")})
    assert keywords_of(image.getvalue(), tmp_path, "a.jpg") == ("mine", "AC/DC")
    assert reading.of_photo(tmp_path / "a.jpg").rating == 3


@pytest.mark.parametrize("suffix", ["AVIF", "HEIF"])
def test_formats_that_qks_does_not_edit(tmp_path: Path, suffix: str) -> None:
    image = io.BytesIO()
    if suffix == "HEIF":
        heif = pytest.importorskip("pillow_heif")
        made = heif.from_pillow(files.picture())
        made.info["xmp"] = files.packet("mine")
        made.save(image)
    else:
        files.picture().save(image, "AVIF", xmp=files.packet("mine"))
    assert keywords_of(image.getvalue(), tmp_path) == ("mine",)


@pytest.mark.parametrize("name", ["a.jpg.XMP", "a.XMP", "a.jpg.Xmp", "a.xmp"])
def test_sidecars_of_any_name_and_a_rating_that_they_alone_have(tmp_path: Path, name: str) -> None:
    library, found = imported(tmp_path, **{name.replace(".", "_"): files.packet("kept", rating=5)})
    assert found["a.jpg"].keywords == ("kept",)
    assert library.rows("SELECT rating FROM photos") == [(5,)]
    library.close()


def test_the_photos_own_rating_stands(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(files.with_xmp(files.jpeg(), files.packet(rating=2)))
    (tmp_path / "b.jpg.xmp").write_bytes(files.packet(rating=5))
    library, _ = imported(tmp_path)
    assert library.rows("SELECT rating FROM photos") == [(None,), (None,)]
    library.close()


def test_separators_inside_keywords(tmp_path: Path) -> None:
    words = ("AC/DC", "Surname, Firstname", "rock|pop")
    lists = HIERARCHY.format(items("bands|AC/DC", "people|Surname, Firstname", "rock|pop"))
    lists += TAGS_LIST.format(items("bands/AC/DC", "people/Surname, Firstname", "AC/DC"))
    _, found = imported(tmp_path, a_jpg_xmp=files.packet(*words, extra=lists))
    assert found["a.jpg"].keywords == words
    # The list with other separators alone names it as well.
    lists = HIERARCHY.format(items("bands|AC/DC")) + TAGS_LIST.format(items("bands/AC/DC"))
    _, found = imported(tmp_path, a_jpg_xmp=files.packet(extra=lists))
    assert found["a.jpg"].keywords == ("AC/DC",)


@pytest.mark.parametrize("flat", [("darktable|format|jpg",), ("darktable", "format", "jpg")])
def test_what_darktable_notes_for_itself(tmp_path: Path, flat: tuple[str, ...]) -> None:
    lists = HIERARCHY.format(items("darktable|format|jpg", "places|Rome"))
    _, found = imported(tmp_path, a_jpg_xmp=files.packet("Rome", *flat, extra=lists))
    assert found["a.jpg"].keywords == ("Rome",)
    # What the user says too is the user's.
    lists = HIERARCHY.format(items("darktable|format|jpg", "file|format"))
    _, found = imported(tmp_path, a_jpg_xmp=files.packet(*flat, extra=lists))
    assert found["a.jpg"].keywords == ("format",)
    _, found = imported(tmp_path, a_jpg_xmp=files.packet("darktable"))
    assert found["a.jpg"].keywords == ("darktable",)


@pytest.mark.parametrize(
    "subject", ['dc:subject="AC/DC"', "><dc:subject>AC/DC</dc:subject><x:y xmlns:x='x'"]
)
def test_a_keyword_that_is_in_no_list(tmp_path: Path, subject: str) -> None:
    close = "/>" if subject.startswith("dc:") else "/></rdf:Description>"
    data = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/" {subject}{close}</rdf:RDF></x:xmpmeta>'
    )
    _, found = imported(tmp_path, a_jpg_xmp=data.encode())
    assert found["a.jpg"].problems == ()
    assert found["a.jpg"].keywords == ("AC/DC",)


@pytest.mark.parametrize("broken", [b"", b"no xml", b"<a/>", b"<!DOCTYPE a []><a/>", b"\xff\xfe<"])
def test_what_cannot_be_read_is_named_and_what_was_known_stays(
    tmp_path: Path, broken: bytes
) -> None:
    library, _ = imported(tmp_path, a_jpg_xmp=files.packet("kept"))
    (tmp_path / "a.jpg.xmp").write_bytes(broken)
    (one,) = import_all(library, chosen(library))
    ((file, reason),) = one.problems
    assert file == tmp_path / "a.jpg.xmp"
    assert reason
    assert library.rows("SELECT keyword, source FROM keywords") == [("kept", "sidecar")]
    (tmp_path / "a.jpg.xmp").unlink()
    (one,) = import_all(library, chosen(library))
    assert one.problems == ()
    assert library.rows("SELECT keyword FROM keywords") == []
    library.close()


def test_a_broken_packet_inside_a_photo_is_named(tmp_path: Path) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(files.with_xmp(files.iim(b"town", utf8=False), b"<broken"))
    own = reading.of_photo(photo)
    assert own.keywords == ("town",)
    assert "cannot be read" in own.problem


def test_several_packets_are_all_read(tmp_path: Path) -> None:
    data = files.with_xmp(files.with_xmp(files.jpeg(), files.packet("one")), files.packet("two"))
    assert data.count(jpeg.XMP) == 2
    assert set(keywords_of(data, tmp_path)) == {"one", "two"}


def test_names_that_are_too_long(tmp_path: Path) -> None:
    for name in ("n" * 249 + ".jpg", "猫" * 83 + ".jpg"):
        (tmp_path / name).write_bytes(files.with_xmp(files.jpeg(), files.packet("mine")))
    library, found = again(tmp_path)
    assert {one.keywords for one in found.values()} == {("mine",)}
    library.close()


def test_files_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(files.png())
    (tmp_path / "p.jpg").write_bytes(files.jpeg())
    (tmp_path / "p.dng").write_bytes(b"II*\0")
    (tmp_path / "p.xmp").write_bytes(files.packet("of the raw file"))
    _, found = imported(tmp_path, a_xmp=files.packet("Grandma"))
    assert {name: one.keywords for name, one in found.items()} == {
        "a.jpg": ("Grandma",),
        "a.png": (),
        "p.jpg": (),
    }


def test_two_sidecars_of_a_photo_are_both_read(tmp_path: Path) -> None:
    library, found = imported(
        tmp_path, a_jpg_xmp=files.packet("Oma", rating=0), a_xmp=files.packet("Opa", rating=4)
    )
    assert found["a.jpg"].keywords == ("Oma", "Opa")
    assert [file.name for file in found["a.jpg"].sidecars] == ["a.jpg.xmp", "a.xmp"]
    # Of one that is broken since, what was read before is kept.
    (tmp_path / "a.xmp").write_bytes(b"")
    (tmp_path / "a.jpg.xmp").write_bytes(files.packet("Hund"))
    (one,) = import_all(library, chosen(library))
    assert [file.name for file, _ in one.problems] == ["a.xmp"]
    ((photo_id, _),) = chosen(library)
    assert keywords.of(library, photo_id) == ["Hund", "Oma", "Opa"]


def test_windows_keywords_of_a_second_exif_block(tmp_path: Path) -> None:
    data = files.jpeg()
    for words in ("Oma", ""):
        exif = Image.Exif()
        exif[0x010F] = "Maker"
        if words:
            exif[0x9C9E] = words.encode("utf-16-le") + b"\0\0"
        data = data[:2] + files.segment(0xE1, exif.tobytes()) + data[2:]
    assert keywords_of(data, tmp_path) == ("Oma",)


def test_what_a_longer_packet_left_behind_another_ones_end(tmp_path: Path) -> None:
    rest = files.packet("Oma") + b'<?xpacket end="w"?>li></rdf:Bag><?xpacket end="w"?>'
    _, found = imported(tmp_path, a_jpg_xmp=rest)
    assert (found["a.jpg"].keywords, found["a.jpg"].problems) == (("Oma",), ())


@pytest.mark.parametrize(
    ("link", "reason"), [("nowhere", "gone"), ("a.jpg.xmp", "links"), ("/dev/zero", "regular")]
)
def test_a_sidecar_that_leads_nowhere_is_named(tmp_path: Path, link: str, reason: str) -> None:
    (tmp_path / "a.jpg.xmp").symlink_to(link)
    _, found = imported(tmp_path)
    ((file, problem),) = found["a.jpg"].problems
    assert file.name == "a.jpg.xmp" and reason in problem
