"""The user's exiftool is not trusted with a picture either."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import exiftool
from qks_cli.keywords.xmp import Keyword, Source
from tests.keywords import files

SOURCE = Source("mini", "3", "2026-11-24T10:00:00+00:00")
DOG = [Keyword("dog", 0.9)]

pytestmark = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool is not installed"
)


def tiff() -> bytes:
    stream = io.BytesIO()
    files.picture().save(stream, "TIFF", save_all=True, append_images=[files.picture((32, 32))])
    return stream.getvalue()


def test_all_pages_stay() -> None:
    data = tiff()
    new, _ = exiftool.with_keywords(Path("a.tif"), data, DOG, SOURCE)
    with Image.open(io.BytesIO(data)) as old, Image.open(io.BytesIO(new)) as image:
        assert image.n_frames == old.n_frames == 2  # type: ignore[attr-defined]
        assert image.tobytes() == old.tobytes()


def test_a_changed_picture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = exiftool._run

    def careless(program: str, *arguments: str) -> bytes:
        output = run(program, *arguments)
        if any(x.startswith("-XMP<=") for x in arguments):
            photo = Path(arguments[-1])
            with Image.open(photo) as image:
                image.seek(1)
                image.copy().save(photo)  # loses a page
        return output

    monkeypatch.setattr(exiftool, "_run", careless)
    with pytest.raises(Refusal, match="would change the picture"):
        exiftool.with_keywords(Path("a.tif"), tiff(), DOG, SOURCE)


def test_a_picture_that_nobody_can_check_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = exiftool._run

    def unhashed(program: str, *arguments: str) -> bytes:
        return b"" if "-ImageDataHash" in arguments else run(program, *arguments)

    def blind(photo: Path) -> Image.Image:
        raise OSError("cannot decode")

    monkeypatch.setattr(exiftool, "_run", unhashed)
    monkeypatch.setattr(Image, "open", blind)
    with pytest.raises(Refusal, match="could not be checked"):
        exiftool.with_keywords(Path("a.tif"), tiff(), DOG, SOURCE)
