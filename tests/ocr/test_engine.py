"""The reader of text itself, on drawn pictures."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qks_cli.errors import MissingPackageError
from qks_cli.ocr import engine
from tests.photos.drawn import RECEIPT, SCREENSHOT, document, screenshot, sign


@pytest.fixture(scope="module")
def reader() -> engine.RapidReader:
    return engine.RapidReader()


@pytest.mark.parametrize(
    ("picture", "expected"),
    [(sign(), "EXIT 34"), (document(), " ".join(RECEIPT)), (screenshot(), " ".join(SCREENSHOT))],
    ids=["sign", "receipt", "screenshot"],
)
def test_signs_documents_and_screenshots(
    reader: engine.RapidReader, picture: Image.Image, expected: str
) -> None:
    assert " ".join(reader.lines(np.asarray(picture))) == expected


def test_a_line_on_its_head_is_read(reader: engine.RapidReader) -> None:
    upside_down = document(["BOARDING PASS"]).transpose(Image.Transpose.ROTATE_180)
    assert reader.lines(np.asarray(upside_down)) == ["BOARDING PASS"]


@pytest.mark.parametrize("shape", [(400, 600, 3), (1, 1, 3), (1, 1600, 3), (1600, 2, 3)])
def test_a_picture_without_text_has_none(
    reader: engine.RapidReader, shape: tuple[int, ...]
) -> None:
    assert reader.lines(np.zeros(shape, np.uint8)) == []


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **more: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    assert engine.RapidReader().lines(np.asarray(sign())) == ["EXIT 34"]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError) as caught:
        engine.RapidReader()
    assert "pip install '.[text]'" in caught.value.hint


def test_a_release_with_other_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from types import SimpleNamespace

    found = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: found)
    with pytest.raises(MissingPackageError, match="does not carry"):
        engine.check_installed()
