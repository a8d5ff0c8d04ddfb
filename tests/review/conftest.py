"""A library of photos with odd names, and a client that was let in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from qks_cli.review.app import make_app
from qks_cli.review.security import Key
from qks_cli.review.state import Review
from tests.workflows.libraries import library_of

NAMES = ["a.png", "b.png", "<script>alert(1)<∕script>.png", "d.png"]
ORIGIN = "http://127.0.0.1:4000"


class Page:
    """What a page of the server can do."""

    def __init__(self, client: TestClient, complaints: list[str]) -> None:
        self.client = client
        self.complaints = complaints

    def get(self, path: str, code: int = 200, **values: object) -> Any:
        answer = self.client.get(path, params={name: str(x) for name, x in values.items()})
        assert answer.status_code == code, answer.text
        return answer.json()

    def post(self, path: str, code: int = 200, **values: object) -> Any:
        answer = self.client.post(path, json=values, headers={"Origin": ORIGIN})
        assert answer.status_code == code, answer.text
        return answer.json()

    def ids(self, q: str = "", **values: object) -> list[int]:
        found = self.get("/api/listing", q=q, **values)
        ids: list[int] = self.get("/api/ids", listing=found["listing"])["ids"]
        assert len(ids) == found["total"]
        return ids


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos, each of one colour."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for at, name in enumerate(NAMES):
        Image.new("RGB", (64, 48), (60 * at, 0, 0)).save(photos / name)
    return photos


@pytest.fixture
def db(folder: Path, tmp_path: Path) -> Path:
    """A library of them: a and b have a dog, the one with markup in its name has markup as tag."""
    tags = [["dog"], ["dog", "sky"], ["<b>bold</b>"], []]
    file = tmp_path / "library" / "library.db"
    with library_of(file, {folder / name: own for name, own in zip(NAMES, tags, strict=True)}):
        return file


@pytest.fixture
def key() -> Key:
    return Key(4000)


@pytest.fixture
def stranger(db: Path, key: Key) -> Iterator[TestClient]:
    """A client without a cookie."""
    complaints: list[str] = []
    review = Review(db, complain=complaints.append)
    app = make_app(review, key)
    with TestClient(app, base_url=ORIGIN, raise_server_exceptions=False) as client:
        client.app_state = {"complaints": complaints}
        yield client


@pytest.fixture
def page(stranger: TestClient, key: Key) -> Page:
    """A client that opened the printed address."""
    assert stranger.get(f"/open/{key.token}").status_code == 200
    return Page(stranger, stranger.app_state["complaints"])
