"""What a file is comes from its bytes, and only documented formats are ever opened."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from qks_cli.errors import PhotoError
from qks_cli.photos.decode import decode
from qks_cli.photos.opened import opened
from qks_cli.photos.recognise import recognise
from qks_cli.photos.suffixes import JXL, OTHER_VIDEOS, PHOTOS, RAW, SIDECARS, VIDEOS, kind_of
from tests.photos.made import LONG, SHORT, exif, picture, psd, saved

POSTSCRIPT = (
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n0 0 moveto showpage\n"
)


def heic() -> bytes:
    import io

    out = io.BytesIO()
    pillow_heif.from_pillow(picture()).save(out)
    return out.getvalue()


MAKERS = {
    "JPEG": lambda: saved(picture(), "JPEG"),
    "PNG": lambda: saved(picture(), "PNG"),
    "WebP": lambda: saved(picture(), "WEBP"),
    "GIF": lambda: saved(picture(), "GIF"),
    "BMP": lambda: saved(picture(), "BMP"),
    "DIB": lambda: saved(picture(), "BMP")[14:],
    "TIFF": lambda: saved(picture(), "TIFF"),
    "AVIF": lambda: saved(picture(), "AVIF"),
    "JPEG 2000": lambda: saved(picture(), "JPEG2000"),
    "HEIC": heic,
    "Photoshop": lambda: psd(picture()),
}


def refusal(path: Path) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        decode(path, "squash", np.zeros((32, 32, 3), np.uint8))
    return caught.value


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("suffix", [".jpg", ".HEIC", ".dat"])
def test_a_suffix_may_lie(tmp_path: Path, name: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(MAKERS[name]())
    with opened(path) as file:
        assert file.format.name == name
    out = np.zeros((32, 32, 3), np.uint8)
    assert decode(path, "squash", out) == (320, 240)
    wanted = np.asarray(picture().resize((32, 32), Image.Resampling.BICUBIC)).astype(int)
    assert abs(out - wanted).mean() < 12


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (POSTSCRIPT, "its bytes say PostScript"),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "its bytes say PostScript"),
        (b"%PDF-1.7\n", "its bytes say PDF"),
        (b"8BPS\0\2" + bytes(40), "its bytes say Photoshop's large documents (PSB)"),
        (b"icns" + bytes(40), "its bytes say Apple icon"),
        (b"\0\0\0\x18ftypM4A " + bytes(20), "its bytes say audio"),
        (b"0&\xb2u\x8ef\xcf\x11" + bytes(40), "its bytes say Windows Media"),
        (b"\x1aE\xdf\xa3" + bytes(40), "its bytes say Matroska of another kind"),
        (b"P6 2 2 255\n" + bytes(12), "not an image that qks can read"),
        (b"hello", "not an image that qks can read"),
    ],
)
def test_nothing_else_is_opened(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    error = refusal(path)
    assert error.kind == "unsupported"
    assert error.reason.startswith("not an image that qks can read")
    assert says in error.reason


@pytest.mark.parametrize(
    "data",
    [
        b"II*\0\x08\x0a\0\0IIIICwaR" + bytes(40),  # Phase One, Leaf
        b"MM\0*\0\0\x0a\x08MMMMRawC" + bytes(40),
        b"\00070.1 .reV\0\0LATIGID N\0\0\0\0ARECOYK 03:41" + bytes(40),  # Kyocera
    ],
)
def test_raw_files_that_begin_in_a_way_of_their_own(data: bytes) -> None:
    found = recognise(io.BytesIO(data))
    assert found is not None and found.name == "RAW"


@pytest.mark.parametrize(
    ("data", "helps"),
    [
        (b"%PDF-1.7\n", "apt-get install poppler-utils"),
        (b"<svg xmlns", "apt-get install librsvg2-bin"),
        (b"8BPS\0\2" + bytes(40), "saved as PSD"),
        (b"0&\xb2u\x8ef\xcf\x11" + bytes(40), "apt-get install ffmpeg"),
        (b"FLV\1" + bytes(40), "apt-get install ffmpeg"),
        (b"FUJIFILMCCD-RAW" + bytes(200), "pip install --upgrade rawpy"),
        (b"IIU\0" + bytes(200), "pip install --upgrade rawpy"),
    ],
)
def test_what_is_not_read_says_what_helps(tmp_path: Path, data: bytes, helps: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    reason = refusal(path).reason
    assert helps in reason and "\n" not in reason


def test_no_other_plugin_is_so_much_as_imported(tmp_path: Path) -> None:
    """Pillow's own way imports and tries all of them, that for PostScript too."""
    (tmp_path / "a.jpg").write_bytes(POSTSCRIPT)
    (tmp_path / "b.webp").write_bytes(saved(picture(), "WEBP"))
    program = (
        "import sys; from pathlib import Path; import numpy as np\n"
        "from qks_cli.photos.decode import read_photo\n"
        "out = np.zeros((32, 32, 3), np.uint8)\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "print([read_photo(folder / name, 'squash', out) for name in ('a.jpg', 'b.webp')])\n"
        "print([name for name in sys.modules if name.endswith(('EpsImagePlugin', 'Icns', 'Wmf'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[False, True]", "[]"]


def test_pillow_is_told_what_it_may_open_everywhere() -> None:
    """Without a list it opens PostScript, by way of Ghostscript."""
    root = Path(__file__).parents[2]
    for path in [*(root / "qks_cli").rglob("*.py"), *(root / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                assert "formats" in {word.arg for word in node.keywords}, path


def test_what_only_the_decoder_does_not_know_is_not_called_damaged(tmp_path: Path) -> None:
    bitmap = bytearray(saved(picture(8, 8), "BMP"))
    bitmap[28] = 64  # bits a pixel, as Windows writes them for wide gamuts
    (tmp_path / "a.bmp").write_bytes(bitmap)
    size = {256: (LONG, 8), 257: (LONG, 8), 273: (LONG, 8), 279: (LONG, 384)}
    five = {258: (SHORT, [16] * 3), 259: (SHORT, 1), 262: (SHORT, 8), 277: (SHORT, 3)}
    (tmp_path / "a.tif").write_bytes(exif(size | five) + bytes(400))
    zipped = {258: (SHORT, 8), 259: (SHORT, 50_000), 262: (SHORT, 1), 277: (SHORT, 1)}
    (tmp_path / "b.tif").write_bytes(exif(size | zipped) + bytes(400))
    for name, format in (("a.bmp", "BMP"), ("a.tif", "TIFF"), ("b.tif", "TIFF")):
        error = refusal(tmp_path / name)
        assert error.kind == "unsupported", name
        assert f"a kind of {format} that qks's decoder does not know (" in error.reason
        assert "damaged" not in error.reason


@pytest.mark.parametrize("major", [b"heic", b"mif1", b"msf1", b"heix", b"MiHB", b"XXXX"])
def test_a_brand_that_nobody_knows_is_what_it_is_compatible_with(
    tmp_path: Path, major: bytes
) -> None:
    for name, data in (("HEIC", heic()), ("AVIF", saved(picture(), "AVIF"))):
        if major in (b"heic", b"heix") and name == "AVIF":
            continue
        (tmp_path / "a").write_bytes(data[:8] + major + data[12:])
        with opened(tmp_path / "a") as file:
            assert file.format.name == name


def test_every_kind_of_file_has_one_list() -> None:
    lists = (PHOTOS, JXL, RAW, VIDEOS, OTHER_VIDEOS, SIDECARS)
    assert len(frozenset().union(*lists)) == sum(map(len, lists))
    for name, kind in {
        "a.JPE": "photo",
        "a.hif": "photo",
        "a.MPO": "photo",
        "a.apng": "photo",
        "a.jp2": "photo",
        "a.dib": "photo",
        "a.psd": "photo",
        "a.JXL": "jxl",
        "a.DNG": "raw",
        "a.mov": "video",
        "a.WebM": "video",
        "a.mts": "other-video",
        "a.jpg.xmp": "sidecar",
        "a": "other",
        "a.txt": "other",
    }.items():
        assert kind_of(name) == kind
