from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from qks_cli.photos.details import read_details
from qks_cli.types import Details

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
