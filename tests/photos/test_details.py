from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.photos.decode import full_pixels
from qks_cli.photos.details import read_details
from qks_cli.types import Details
from tests.photos.made import (
    ASCII,
    LONG,
    RATIONAL,
    SHORT,
    SIGNED,
    exif,
    jpeg_with_exif,
    picture,
    png_chunk,
    saved,
    with_chunk,
    xmp,
)

WANTED = Details(
    taken_at="2023-07-04T12:30:00",
    camera="FUJIFILM X100V",
    lens="XF 23mm",
    iso=400,
    aperture=2.8,
    exposure=1 / 250,
    focal=23.0,
    latitude=-33.5,
    longitude=16.25,
    rating=4,
    taken_from="exif",
)


def noted() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x4746] = "FUJIFILM", "X100V", 4
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x8827], inner[0xA434] = "2023:07:04 12:30:00", 400, "XF 23mm"
    inner[0x829A], inner[0x829D], inner[0x920A] = 1 / 250, 2.8, 23.0
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "S", (33.0, 30.0, 0.0), "E", (16.0, 15.0, 0.0)
    return exif


def near(found: Details) -> Details:
    assert found.exposure == pytest.approx(WANTED.exposure)
    assert found.aperture == pytest.approx(WANTED.aperture)
    assert (found.latitude, found.longitude) == pytest.approx((-33.5, 16.25))
    return Details(
        **{
            name: getattr(WANTED, name)
            if name in ("exposure", "aperture", "latitude", "longitude")
            else getattr(found, name)
            for name in Details.__slots__
        }
    )


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.avif"])
def test_what_cameras_note(tmp_path: Path, name: str) -> None:
    photo = tmp_path / name
    Image.new("RGB", (16, 16)).save(photo, exif=noted())
    assert near(read_details(photo)) == WANTED


def test_heic(tmp_path: Path) -> None:
    import pillow_heif

    photo = tmp_path / "a.heic"
    picture = pillow_heif.from_pillow(Image.new("RGB", (64, 64)))
    picture.save(photo, exif=noted().tobytes())
    assert near(read_details(photo)) == WANTED


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_rating_in_xmp(tmp_path: Path, name: str) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-'
        b'rdf-syntax-ns#"><rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        b'xmp:Rating="3"/></rdf:RDF></x:xmpmeta>'
    )
    options = {"xmp": packet}
    if name == "a.png":
        from PIL import PngImagePlugin

        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode())
        options = {"pnginfo": text}  # type: ignore[dict-item]
    Image.new("RGB", (16, 16)).save(tmp_path / name, **options)
    assert read_details(tmp_path / name) == Details(rating=3)


def test_senseless_values_are_left_out(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x4746] = "\x00 \x00", 99
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x8827], inner[0x829D] = "0000:00:00 00:00:00", 0, float("nan")
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (0.0, 0.0, 0.0), "E", (0.0, 0.0, 0.0)
    photo = tmp_path / "a.jpg"
    Image.new("RGB", (16, 16)).save(photo, exif=exif)
    assert read_details(photo) == Details()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.heic", "a.tif"])
def test_broken_files_have_no_details(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe1\x00\x40Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert read_details(tmp_path / name) == Details()
    assert read_details(tmp_path / "nothing.jpg") == Details()


@pytest.mark.parametrize("name", ["a.jpg", "a.HEIC", "a.HIF", "a.mpo", "a.JPE", "a.png", "a.dat"])
def test_a_suffix_that_lies_changes_nothing(tmp_path: Path, name: str) -> None:
    data = exif({0x010F: (ASCII, "Maker"), 0x0132: (ASCII, "2022:03:04 05:06:07")})
    (tmp_path / name).write_bytes(jpeg_with_exif(data))
    found = read_details(tmp_path / name)
    assert (found.camera, found.taken_at) == ("Maker", "2022-03-04T05:06:07")


def test_a_heic_that_is_named_jpg_keeps_its_details(tmp_path: Path) -> None:
    import pillow_heif

    photo = tmp_path / "a.jpg"
    heic = pillow_heif.from_pillow(Image.new("RGB", (64, 64)))
    heic.add_from_pillow(Image.new("RGB", (64, 64)))
    heic.save(tmp_path / "a.heic", exif=noted().tobytes())
    (tmp_path / "a.heic").rename(photo)
    assert near(read_details(photo)) == WANTED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_zero_denominators_are_left_out(tmp_path: Path, kind: str) -> None:
    block = exif(
        {0x010F: (ASCII, "Maker")},
        inner={0x829D: (RATIONAL, [(28, 0)]), 0x829A: (RATIONAL, [(1, 0)])},
        gps={
            1: (ASCII, "N"),
            2: (RATIONAL, [(1, 0), (6, 0), (36, 1)]),
            3: (ASCII, "E"),
            4: (RATIONAL, [(8, 1), (0, 1), (0, 1)]),
        },
    )
    photo = tmp_path / "a"
    head = b"Exif\0\0" if kind == "JPEG" else b""
    photo.write_bytes(saved(picture(), kind, exif=head + block))
    if kind == "TIFF":
        loaded = Image.Exif()
        loaded.load(block)
        photo.write_bytes(saved(picture(), kind, exif=loaded))
    assert read_details(photo) == Details(camera="Maker")


def test_fractions_with_zeros_below_only_in_places_drop_the_place(tmp_path: Path) -> None:
    for seconds in ((0, 0), (36, 0)):
        gps = {
            1: (ASCII, "N"),
            2: (RATIONAL, [(48, 1), (6, 1), seconds]),
            3: (ASCII, "E"),
            4: (RATIONAL, [(8, 1), (0, 1), (0, 1)]),
        }
        (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(exif({}, gps=gps)))
        assert read_details(tmp_path / "a.jpg") == Details()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_text_in_exif_is_latin_1_or_utf_8(tmp_path: Path, kind: str, encoding: str) -> None:
    block = exif(
        {0x010F: (ASCII, "Müller".encode(encoding))},
        inner={0xA434: (ASCII, "Objektiv für Nähe".encode(encoding))},
    )
    head = b"Exif\0\0" if kind == "JPEG" else b""
    (tmp_path / "a").write_bytes(saved(picture(), kind, exif=head + block))
    found = read_details(tmp_path / "a")
    assert (found.camera, found.lens) == ("Müller", "Objektiv für Nähe")


def test_the_time_zone_of_the_camera_is_kept(tmp_path: Path) -> None:
    inner = {0x9003: (ASCII, "2023:07:04 12:30:00"), 0x9011: (ASCII, "+02:00")}
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(exif({}, inner=inner)))
    assert read_details(tmp_path / "a.jpg") == Details(
        taken_at="2023-07-04T12:30:00", taken_from="exif", taken_offset="+02:00"
    )


@pytest.mark.parametrize(
    "packet",
    [
        xmp('exif:DateTimeOriginal="2021-05-06T07:08:09+01:00"'),
        xmp(inner="<exif:DateTimeOriginal>2021-05-06T07:08:09+01:00</exif:DateTimeOriginal>"),
        xmp('xmp:CreateDate="2023-01-01" photoshop:DateCreated="2021-05-06T07:08:09+01:00"'),
        xmp('xmp:CreateDate="2021-05-06T07:08:09+01:00"'),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_dates_that_only_xmp_has(tmp_path: Path, packet: bytes, kind: str) -> None:
    (tmp_path / "a").write_bytes(saved(picture(), kind, xmp=packet))
    assert read_details(tmp_path / "a") == Details(
        taken_at="2021-05-06T07:08:09", taken_from="xmp", taken_offset="+01:00"
    )


def test_the_first_date_that_was_taken_counts(tmp_path: Path) -> None:
    """When a photo was edited stands in Exif, when it was taken in XMP alone."""
    block = exif({0x0132: (ASCII, "2023:01:01 00:00:00")})
    packet = xmp('photoshop:DateCreated="2021-05-06T07:08:09"')
    data = saved(picture(), "JPEG", exif=b"Exif\0\0" + block, xmp=packet)
    (tmp_path / "IMG-20200101-WA0001.jpg").write_bytes(data)
    found = read_details(tmp_path / "IMG-20200101-WA0001.jpg")
    assert (found.taken_at, found.taken_from) == ("2021-05-06T07:08:09", "xmp")


def test_places_and_cameras_that_only_xmp_has(tmp_path: Path) -> None:
    packet = xmp(
        'exif:GPSLatitude="48,12.5N" exif:GPSLongitude="16,30,0W" exif:FNumber="28/10" '
        'tiff:Make="Maker" tiff:Model="One" exif:ExposureTime="1/0" xmp:Rating="5"'
    )
    (tmp_path / "a.jpg").write_bytes(saved(picture(), "JPEG", xmp=packet))
    found = read_details(tmp_path / "a.jpg")
    assert (found.latitude, found.longitude) == pytest.approx((48 + 12.5 / 60, -16.5))
    assert (found.camera, found.aperture, found.exposure) == ("Maker One", 2.8, None)
    assert found.rating == 5


@pytest.mark.parametrize("key", ["Creation Time", "creation time"])
def test_a_pngs_creation_time(tmp_path: Path, key: str) -> None:
    data = with_chunk(
        saved(picture(), "PNG"), b"tEXt", key.encode() + b"\0Fri, 21 Jan 2022 10:15:30 +0100"
    )
    (tmp_path / "a.png").write_bytes(data)
    assert read_details(tmp_path / "a.png") == Details(
        taken_at="2022-01-21T10:15:30", taken_from="png", taken_offset="+01:00"
    )


def test_a_name_is_the_last_resort_and_marked(tmp_path: Path) -> None:
    (tmp_path / "IMG-20220121-WA0004.jpg").write_bytes(saved(picture(), "JPEG"))
    assert read_details(tmp_path / "IMG-20220121-WA0004.jpg") == Details(
        taken_at="2022-01-21T00:00:00", taken_from="name"
    )


def test_satellites_tell_the_time_too(tmp_path: Path) -> None:
    gps = {7: (RATIONAL, [(10, 1), (15, 1), (305, 10)]), 29: (ASCII, "2022:01:21")}
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(exif({}, gps=gps)))
    assert read_details(tmp_path / "a.jpg") == Details(
        taken_at="2022-01-21T10:15:30", taken_from="gps", taken_offset="+00:00"
    )


@pytest.mark.parametrize(
    "packet",
    [
        b"<" * 1_000_000,
        b"<x:xmpmeta " + b"a" * 1_000_000,
        b"<a>" * 300_000,
        b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'">]><a xmp:Rating="3">' + b"&b;" * 90_000,
        xmp('xmp:Rating="4"') * 2,
        b"\0" * 1_000_000,
    ],
)
def test_hostile_xmp_costs_no_time(tmp_path: Path, packet: bytes) -> None:
    import time

    chunk = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    plain = saved(picture(), "PNG")
    (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
    began = time.process_time()
    assert read_details(tmp_path / "a.png") == Details()
    assert time.process_time() - began < 1


def test_libraries_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    block = exif(
        {0x010F: (ASCII, b"M\xfcller"), 0x0110: (SHORT, 7)}, inner={0x9003: (ASCII, b"\xff\xfe")}
    )
    for kind in ("JPEG", "PNG", "WEBP"):
        head = b"Exif\0\0" if kind == "JPEG" else b""
        (tmp_path / "a").write_bytes(saved(picture(), kind, exif=head + block))
        assert read_details(tmp_path / "a").camera == "Müller"
    assert capfd.readouterr() == ("", "")


def test_what_stands_for_unknown_is_left_out(tmp_path: Path) -> None:
    most = [(0xFFFFFFFF, 1)]
    block = exif(
        {0x010F: (ASCII, "Maker")},
        inner={0x829A: (RATIONAL, most), 0x829D: (RATIONAL, most), 0x920A: (RATIONAL, most)},
    )
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(block))
    assert read_details(tmp_path / "a.jpg") == Details(camera="Maker")


@pytest.mark.parametrize("kind", ["a.jpg", "a.png"])
def test_a_sensitivity_that_two_bytes_cannot_hold(tmp_path: Path, kind: str) -> None:
    inner = {0x8827: (SHORT, 65535), 0x8832: (LONG, 102_400)}
    photo = tmp_path / kind
    if kind == "a.jpg":
        photo.write_bytes(jpeg_with_exif(exif({0x010F: (ASCII, "Maker")}, inner=inner)))
    else:
        photo.write_bytes(saved(picture(), "PNG", exif=exif({0x010F: (ASCII, "M")}, inner=inner)))
    assert read_details(photo).iso == 102_400


def test_south_and_west_in_full(tmp_path: Path) -> None:
    degrees = {2: (RATIONAL, [(48, 1), (12, 1), (0, 1)]), 4: (RATIONAL, [(16, 1), (30, 1), (0, 1)])}
    block = exif({0x010F: (ASCII, "M")}, gps={1: (ASCII, "South"), 3: (ASCII, "west")} | degrees)
    (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(block))
    found = read_details(tmp_path / "a.jpg")
    assert (found.latitude, found.longitude) == pytest.approx((-48.2, -16.5))


def test_signed_degrees_in_xmp(tmp_path: Path) -> None:
    data = xmp('exif:GPSLatitude="48.2" exif:GPSLongitude="-16.5"')
    (tmp_path / "a.jpg").write_bytes(saved(picture(), "JPEG", xmp=data))
    found = read_details(tmp_path / "a.jpg")
    assert (found.latitude, found.longitude) == (48.2, -16.5)


def test_the_name_of_a_camera_is_one_short_line(tmp_path: Path) -> None:
    for text, wanted in (("A\x1b[31mB\r\nC", "A [31mB C"), ("x" * 30_000, "x" * 256)):
        block = exif({0x0110: (ASCII, text)})
        (tmp_path / "a.jpg").write_bytes(jpeg_with_exif(block))
        assert read_details(tmp_path / "a.jpg").camera == wanted


@pytest.mark.parametrize("kind", ["exifread", "pillow"])
@pytest.mark.parametrize(
    ("letters", "degrees", "place"),
    [
        ({}, (48, 1), None),  # north or south, east or west?
        ({1: (ASCII, "N")}, (48, 1), None),
        ({1: (ASCII, ""), 3: (ASCII, "")}, (48, 1), None),
        ({1: (ASCII, "E"), 3: (ASCII, "N")}, (48, 1), None),
        ({1: (ASCII, "n"), 3: (ASCII, "w")}, (48, 1), (48.5, -16.25)),
        ({1: (ASCII, "S"), 3: (ASCII, "E")}, (-48, 1), (-48.5, 16.25)),
        ({1: (ASCII, "N"), 3: (ASCII, "E")}, (-48, 1), (-48.5, 16.25)),
    ],
)
def test_a_place_needs_its_letters(
    tmp_path: Path,
    kind: str,
    letters: dict[int, tuple[int, str]],
    degrees: tuple[int, int],
    place: tuple[float, float] | None,
) -> None:
    gps = letters | {
        2: (SIGNED, [degrees, (30, 1), (0, 1)]),
        4: (RATIONAL, [(16, 1), (15, 1), (0, 1)]),
    }
    block = exif({0x010F: (ASCII, "M")}, gps=dict(sorted(gps.items())))
    photo = tmp_path / "a"
    if kind == "exifread":
        photo.write_bytes(jpeg_with_exif(block))
    else:
        photo.write_bytes(saved(picture(), "PNG", exif=block))
    found = read_details(photo)
    if place is None:
        assert (found.latitude, found.longitude) == (None, None)
    else:
        assert (found.latitude, found.longitude) == pytest.approx(place)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # readers' processes hear no warnings
@pytest.mark.parametrize("first", ["small", "broken", "none"])
def test_a_second_exif_block_says_what_the_first_does_not(tmp_path: Path, first: str) -> None:
    block = {
        "small": exif({0x010F: (ASCII, "First")}),
        "broken": b"II*\0\xff\xff\xff\xff",
        "none": b"",
    }[first]
    second = exif(
        {0x010F: (ASCII, "Second"), 0x0112: (SHORT, 6)},
        inner={0x9003: (ASCII, "2023:07:04 12:30:00")},
    )
    data = saved(picture(64, 32), "JPEG")
    for own in (second, block):
        body = b"Exif\0\0" + own
        data = data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    photo = tmp_path / "a.jpg"
    photo.write_bytes(data)
    found = read_details(photo)
    assert found.taken_at == "2023-07-04T12:30:00"
    assert found.camera == ("First" if first == "small" else "Second")
    assert full_pixels(photo).shape == (64, 32, 3)  # and turned by it


def iptc(*fields: tuple[int, bytes]) -> bytes:
    """IPTC as Photoshop's resource, with these fields of its second record."""
    data = b"".join(b"\x1c\x02" + bytes([number, 0, len(x)]) + x for number, x in fields)
    return b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(data)) + data + b"\0"


@pytest.mark.parametrize(
    ("fields", "at", "offset"),
    [
        ([(55, b"20050929"), (60, b"165100-0500")], "2005-09-29T16:51:00", "-05:00"),
        ([(55, b"20050929"), (60, b"165100")], "2005-09-29T16:51:00", None),
        ([(55, b"20050929")], "2005-09-29T00:00:00", None),
        ([(60, b"165100")], None, None),
        ([(55, b"00000000"), (60, b"\xff\xfe")], None, None),
    ],
)
def test_dates_that_only_iptc_has(
    tmp_path: Path, fields: list[tuple[int, bytes]], at: str | None, offset: str | None
) -> None:
    data, body = saved(picture(), "JPEG"), iptc(*fields)
    photo = tmp_path / "a.jpg"
    photo.write_bytes(data[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + data[2:])
    assert read_details(photo) == Details(
        taken_at=at, taken_from="iptc" if at else None, taken_offset=offset
    )


def test_a_day_without_a_time_gets_it_from_another_place(tmp_path: Path) -> None:
    packet = xmp('photoshop:DateCreated="2006-10-29"')
    body = iptc((55, b"20061029"), (60, b"062751-0500"))
    data = saved(picture(), "JPEG", xmp=packet)
    (tmp_path / "a.jpg").write_bytes(
        data[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    )
    assert read_details(tmp_path / "a.jpg").taken_at == "2006-10-29T06:27:51"
    other = body.replace(b"20061029", b"20061030")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes().replace(body, other))
    found = read_details(tmp_path / "a.jpg")
    assert (found.taken_at, found.taken_from) == ("2006-10-29T00:00:00", "xmp")


def test_exif_and_xmp_in_jpeg_2000(tmp_path: Path) -> None:
    block = exif({0x010F: (ASCII, "Maker")}, inner={0x8827: (SHORT, 400)})
    boxes = b""
    for body in (
        b"JpgTiffExif->JP2" + block,
        bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + xmp('xmp:Rating="4"'),
    ):
        boxes += struct.pack(">I", len(body) + 8) + b"uuid" + body
    data = saved(picture(), "JPEG2000")
    at = data.index(b"jp2c") - 4
    (tmp_path / "a.jp2").write_bytes(data[:at] + boxes + data[at:])
    wanted = Details(camera="Maker", iso=400, rating=4)
    assert read_details(tmp_path / "a.jp2") == wanted
    (tmp_path / "behind.jp2").write_bytes(data + boxes)
    assert read_details(tmp_path / "behind.jp2") == (
        wanted if data[at : at + 4] != bytes(4) else Details()
    )
    assert read_details(tmp_path / "a.jp2") == wanted
    (tmp_path / "cut.jp2").write_bytes((data[:at] + boxes + data[at:])[: at + 60])
    assert read_details(tmp_path / "cut.jp2") in (Details(), Details(camera="Maker"))


def test_what_a_longer_packet_left_behind_the_end_of_another_one(tmp_path: Path) -> None:
    packet = xmp('xmp:Rating="4"') + b'\n<?xpacket end="w"?>li>\n</rdf:Bag></x>'
    (tmp_path / "a.jpg").write_bytes(saved(picture(), "JPEG", xmp=packet))
    assert read_details(tmp_path / "a.jpg") == Details(rating=4)
