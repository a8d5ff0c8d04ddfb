"""What common readers say of a photo is the same before and after keywords went into it: XMP that
stood ahead of Exif hid orientation, camera and date from many of them."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.keywords import embed
from qks_cli.keywords.xmp import Keyword, Source
from tests.keywords import cameras, files
from tests.keywords.test_embed import PHOTOS
from tests.keywords.test_references import MAKERS

Said = dict[str, object]
SOURCE = Source("mini", "2", "2026-11-24T10:00:00+00:00")
WORDS = [Keyword("dog", 0.91, ("animal",)), Keyword("sky", 0.5)]
JPEGS = {name: data for name, data in PHOTOS.items() if data[:2] == b"\xff\xd8"} | {
    make: cameras.photo(make.encode(), note) for make, (note, _) in MAKERS.items()
}
OTHERS = {name: data for name, data in PHOTOS.items() if data[:2] != b"\xff\xd8"}
_stream = io.BytesIO()
files.picture().save(_stream, "PNG", exif=files.exif(), icc_profile=b"x" * 200)
OTHERS["png exif"] = _stream.getvalue()
SHORT_MAKES = {make.split()[0].replace(".", "") for make in MAKERS}
ORIENTED = ("Canon", "NIKON CORPORATION", "PENTAX Corporation")


def by_exifread(photo: Path) -> Said:
    import exifread

    with photo.open("rb") as stream:
        found = exifread.process_file(stream, details=True)
    # Offsets that were corrected stand in the maker notes of these.
    left_out = ("MakerNote", "EXIF MakerNote") if photo.stem.split("-")[0] in SHORT_MAKES else ()
    return {
        name: repr(value)
        for name, value in found.items()
        if not name.startswith((*left_out, "Image ApplicationNotes"))
    }


def by_exif(photo: Path) -> Said:
    import exif

    try:
        image = exif.Image(photo.read_bytes())
        return {name: str(image.get(name)) for name in ("make", "model", "orientation")}
    except Exception:  # it raises where there is no Exif
        return {}


def by_piexif(photo: Path) -> Said:
    import piexif

    try:
        found = piexif.load(str(photo))
    except Exception:  # as above
        return {}
    found["Exif"].pop(0x927C, None)
    return {name: repr(value) for name, value in found.items() if value}


def by_pillow(photo: Path) -> Said:
    with Image.open(photo) as image:
        found = image.getexif()
        inner = {tag: value for tag, value in found.get_ifd(0x8769).items() if tag != 0x927C}
        return {"pixels": hash(image.tobytes()), "exif": repr(dict(found)), "inner": repr(inner)}


def of_folder(read: Callable[[Path], Said]) -> Callable[[Path], dict[str, Said]]:
    return lambda folder: {path.name: read(path) for path in sorted(folder.iterdir())}


def by_exiftool(folder: Path) -> dict[str, Said]:
    printed = subprocess.run(
        ["exiftool", "-a", "-G1", "-s", "-j", "-b", str(folder)], capture_output=True, check=True
    ).stdout
    allowed = ("XMP-", "System:", "IPTC:Keywords", "Photoshop:IPTCDigest", "MPF0:MPImageLength")
    allowed += ("MPImage", "ExifTool:", "RIFF:WebP_Flags", "File:CurrentIPTCDigest", "RIFF:Image")
    allowed += ("RIFF:AlphaIsUsed", "File:FileType", "Composite:ImageSize", "Composite:Megapixels")
    # Where things lie is told as places in the file.
    moved = re.compile(r"(PreviewImageStart|OriginalDecisionDataOffset|MPImageStart)$")
    return {
        Path(one["SourceFile"]).name: {
            tag: value
            for tag, value in one.items()
            if tag != "SourceFile" and not tag.startswith(allowed) and not moved.search(tag)
        }
        for one in json.loads(printed)
    }


def by_exiv2(folder: Path) -> dict[str, Said]:
    found: dict[str, Said] = {}
    for path in sorted(folder.iterdir()):
        printed = subprocess.run(
            ["exiv2", "-q", "-pe", "-Pkv", str(path)], capture_output=True
        ).stdout.decode(errors="replace")
        lines = [line for line in printed.splitlines() if "Preview" not in line]
        found[path.name] = {
            "exif": [
                line
                for line in lines
                if "MakerNote" not in line
                and ".OriginalDecision" not in line
                and not re.match(r"Exif\.(Canon\.0x0083|Canon\.0x00b6|\S+\.0x0004)", line)
            ]
        }
    return found


EXIFR = """
const exifr = require('exifr'), fs = require('fs'), path = require('path');
(async () => {
  const folder = process.argv[1], found = {};
  for (const name of fs.readdirSync(folder)) {
    try {
      const said = await exifr.parse(path.join(folder, name),
        {tiff: true, exif: true, gps: true, xmp: false, iptc: false, makerNote: false});
      found[name] = said || {};
    } catch (error) { found[name] = {error: String(error)}; }
  }
  console.log(JSON.stringify(found));
})();
"""


def by_exifr(folder: Path) -> dict[str, Said]:
    done = subprocess.run(["node", "-e", EXIFR, str(folder)], capture_output=True, check=True)
    found: dict[str, Said] = json.loads(done.stdout)
    return found


def has_exifr() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(["node", "-e", "require('exifr')"], capture_output=True)
    return asked.returncode == 0


READERS: dict[str, tuple[Callable[[Path], dict[str, Said]], Callable[[], bool]]] = {
    "exifread": (of_folder(by_exifread), lambda: True),
    "exif": (of_folder(by_exif), lambda: importlib.util.find_spec("exif") is not None),
    "piexif": (of_folder(by_piexif), lambda: importlib.util.find_spec("piexif") is not None),
    "pillow": (of_folder(by_pillow), lambda: True),
    "exiftool": (by_exiftool, lambda: shutil.which("exiftool") is not None),
    "exiv2": (by_exiv2, lambda: shutil.which("exiv2") is not None),
    "exifr": (by_exifr, has_exifr),  # `npm install exifr`, found by NODE_PATH
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    for name, data in (JPEGS | OTHERS).items():
        suffix = {b"\x89P": ".png", b"RI": ".webp"}.get(data[:2], ".jpg")
        file = name.replace(" ", "-").replace(",", "").replace(".", "") + suffix
        (old / file).write_bytes(data)
        (new / file).write_bytes(embed.with_keywords(data, WORDS, SOURCE)[0])
    return old, new


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_the_same(reader: str, folders: tuple[Path, Path]) -> None:
    read, installed = READERS[reader]
    if not installed():
        pytest.skip(f"{reader} is not installed")
    before, after = (read(folder) for folder in folders)
    assert set(before) == set(after)
    assert len(before) == len(JPEGS) + len(OTHERS)
    for name, said in before.items():
        assert after[name] == said, name


def test_orientation_is_what_it_was(folders: tuple[Path, Path]) -> None:
    """The readers are asked the right thing: they know the photo's orientation."""
    for make in ORIENTED:
        data = embed.with_keywords(JPEGS[make], WORDS, SOURCE)[0]
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif()[0x0112] == 6
    for photo in folders[1].glob("Canon*"):
        assert "Rotated 90" in str(by_exifread(photo)["Image Orientation"])
        if importlib.util.find_spec("exif") is not None:
            assert by_exif(photo)["orientation"] == "6"
