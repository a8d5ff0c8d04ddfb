"""Nobody but the user's own browser, and nothing but photos of the library."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from qks_cli.review import app as app_module
from qks_cli.review.security import LARGEST, Key
from tests.review.conftest import ORIGIN, Page

PAGES = ["/", "/api/listing", "/small/1", "/large/1", "/static/style.css", "/static/photos.js"]


@pytest.mark.parametrize("path", PAGES)
def test_without_the_token_there_is_nothing(stranger: TestClient, path: str) -> None:
    assert stranger.get(path).status_code == 403
    assert stranger.get("/open/wrong").status_code == 403
    assert stranger.get(path).status_code == 403


@pytest.mark.parametrize("path", PAGES)
def test_with_it_there_is(page: Page, path: str) -> None:
    assert page.client.get(path).status_code == 200


def test_the_cookie_is_strict_hidden_and_not_the_token(stranger: TestClient, key: Key) -> None:
    answer = stranger.get(f"/open/{key.token}")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower()
    assert key.token not in cookie and key.token not in answer.text
    assert key.name in cookie and "4000" in key.name  # another server's is another cookie
    assert Key(1).token != Key(1).token and len(key.token) >= 40


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Host": "evil.example:4000"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Host": "127.0.0.1:4001"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:4000"}, 403),
        ({"Origin": "http://localhost:4000"}, 403),  # a page of the other name is another site
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Cookie": "qks-review-4000=guessed"}, 403),
        ({"Cookie": 'x="; qks-review-4000'}, 403),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "localhost:4000", "Origin": "http://localhost:4000"}, 200),
    ],
)
def test_other_sites_are_refused(page: Page, headers: dict[str, str], code: int) -> None:
    held = "; ".join(f"{cookie.name}={cookie.value}" for cookie in page.client.cookies.jar)
    page.client.cookies.clear()
    answer = page.client.get("/api/listing", headers={"Cookie": held} | headers)
    assert answer.status_code == code, answer.text


def test_nothing_changes_without_an_origin(page: Page) -> None:
    body = {"said": "confirm", "label": "dog", "ids": [1]}
    assert page.client.post("/api/say", json=body).status_code == 403
    assert page.client.get("/api/say", params={"said": "confirm"}).status_code == 405
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = page.client.request(method, "/api/say", headers={"Origin": ORIGIN})
        assert answer.status_code == 405
    assert page.get("/api/photo", photo=1)["tags"][0]["state"] == "tagged"
    page.post("/api/say", **body)
    assert page.get("/api/photo", photo=1)["tags"][0]["state"] == "confirmed"


def test_every_answer_has_the_headers(page: Page, stranger: TestClient) -> None:
    asked = ["/", "/none", "/small/1", "/static/style.css", "/static/../app.py", "/open/wrong"]
    for path in asked:
        headers = page.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "private" in headers["cache-control"] or "no-store" in headers["cache-control"]
    assert (
        page.client.get("/static/photos.js").headers["content-type"].startswith("text/javascript")
    )


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/small/..%2f..%2fetc%2fpasswd",
        "/small/99",
        "/small/99999999999999999999999",
        "/small/-1",
        "/large/1.5",
    ],
)
def test_nothing_outside_is_served(page: Page, path: str) -> None:
    assert page.client.get(path).status_code == 404
    assert page.complaints == []


def test_a_photo_that_left_the_library_is_not_served(page: Page, folder: Path, db: Path) -> None:
    from qks_cli.library.store import Library

    assert page.client.get("/small/1").status_code == 200
    with Library.open(db) as library, library.atomic():
        library.execute("DELETE FROM photos WHERE id = 1")
    assert page.client.get("/small/1").status_code == 404
    (folder / "b.png").unlink()
    answer = page.client.get("/small/2")
    assert answer.status_code == 404 and "gone" in answer.json()["error"]


def test_a_body_has_a_limit(page: Page) -> None:
    def parts() -> object:
        for _ in range(LARGEST // 2**16 + 2):
            yield b" " * 2**16

    headers = {"Origin": ORIGIN}
    large = page.client.post("/api/say", content=b" " * (LARGEST + 1), headers=headers)
    assert large.status_code == 413
    streamed = page.client.post("/api/say", content=parts(), headers=headers)
    assert streamed.status_code == 413
    for body in (b"", b"[]", b"[" * 100_000, b"\xff", b'"x"'):
        assert page.client.post("/api/say", content=body, headers=headers).status_code == 400
    assert page.complaints == []


def test_pages_run_only_scripts_of_qks(page: Page) -> None:
    """The policy would block it: a page that needs it would be broken."""
    here = Path(app_module.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in (here / "templates").iterdir()]
    scripts = [path.read_text(encoding="utf-8") for path in (here / "static").glob("*.js")]
    for text in texts:
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://|\|\s*safe", text)
        assert re.findall(r"<script[^>]*>(.*?)</script>", text) in ([], [""])
    for text in scripts:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"https?://", text)


def test_what_was_not_foreseen_is_one_line(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    from qks_cli.workflows import review

    def broken(*_: object) -> None:
        raise RuntimeError("line\nline")

    monkeypatch.setattr(review, "photo", broken)
    answer = page.client.get("/api/photo", params={"photo": 1})
    assert answer.status_code == 500 and "RuntimeError" not in answer.text
    assert answer.headers["content-security-policy"]
    assert page.complaints == [r"qks: /api/photo: RuntimeError: line\nline"]
