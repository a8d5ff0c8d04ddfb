"""Every format through everything: tagged, found, shown, written beside and into, and taken back
with all bytes as they were."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from qks_cli.keywords.xmp import SUBJECT, Packet
from qks_cli.model.fake import Picture, write_fake_bundle
from qks_cli.photos.decode import decode
from qks_cli.photos.suffixes import kind_of
from qks_cli.review.app import make_app
from qks_cli.review.security import Key
from qks_cli.review.state import Review
from qks_cli.types import UInt8Array
from tests.conftest import run_qks
from tests.photos.formats import KINDS, make

Files = dict[str, bytes]
HAVE_EXIFTOOL = shutil.which("exiftool") is not None
ORIGIN = "http://127.0.0.1:4000"


def jsonl(done: subprocess.CompletedProcess[bytes]) -> dict[str, dict[str, Any]]:
    """Rows by the names of their files; the command has to have gone well."""
    assert done.returncode == 0, done.stderr.decode()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(os.fsdecode(row["path"])).name: row for row in rows}


def bytes_of(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@dataclass
class Run:
    """What commands did to one folder: rows by file, and files after each of them."""

    folder: Path
    db: Path
    before: Files
    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    after: dict[str, Files] = field(default_factory=dict)


@pytest.fixture(scope="module")
def image(pictures: dict[str, UInt8Array]) -> Image.Image:
    return Image.fromarray(pictures["cat.jpg"]).resize((320, 240))


@pytest.fixture(scope="module")
def surroundings(
    image: Image.Image, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """A folder with a photo in every format, and a library for it; the fake model knows the photo,
    also as it is developed."""
    home = tmp_path_factory.mktemp("formats")
    make(home / "photos", image)
    known = [np.asarray(image)]
    if (bare := home / "photos" / "bare.dng").exists():
        developed_SS3 = np.zeros((64, 64, 3), np.uint8)
        decode(bare, "squash", developed_SS3)
        known.append(developed_SS3)
    seen = [Picture(pixels_HW3, {"cat": 0.95}) for pixels_HW3 in known]
    write_fake_bundle(home / "models" / "mini", seen, ["cat", "dog"], name="mini")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MODELS", "CACHE", "CONFIG", "DB", "SOCKET"):
            patch.setenv(f"QKS_{name}", str(home / name.lower()))
        yield home / "photos", home / "db"


@pytest.fixture(scope="module")
def run(surroundings: tuple[Path, Path]) -> Run:
    """Everything once for all formats: starting a command for each would take minutes."""
    folder, db = surroundings
    all_done = Run(folder, db, bytes_of(folder))
    rows, after = all_done.rows, all_done.after

    def did(step: str, *line: object, stdin: bytes = b"") -> None:
        rows[step] = jsonl(run_qks(*line, "--format", "jsonl", stdin=stdin))
        after[step] = bytes_of(folder)

    did("tag", "tag", folder)
    did("search", "search", "cat", "--tags-only", "--all", "--limit", 1000)
    paths = run_qks("search", "tag:cat", "--all", "--format", "paths", "-0", "--limit", 1000)
    did("write", "write", "-", "-0", stdin=paths.stdout)
    did("undo write", "undo")
    did("embed", "write", folder, "--to", "embed")
    did("undo embed", "undo")
    did("tag again", "tag", "-", "-0", stdin=paths.stdout)
    did("status", "status", folder)
    return all_done


ALL = [
    pytest.param(name, marks=pytest.mark.skipif(not kind.readable, reason=f"no {kind.needs}"))
    for name, kind in KINDS.items()
]


@pytest.mark.parametrize("name", ALL)
def test_tagged_and_found(run: Run, name: str) -> None:
    row = run.rows["tag"][name]
    assert [tag["label"] for tag in row["tags"]] == ["cat"]
    assert row["status"] == ("shared" if KINDS[name].beside else "tagged")
    assert name in run.rows["search"]
    is_video = kind_of(name) == "video"
    assert ("seconds" in row["tags"][0]) == (is_video and not KINDS[name].beside)


@pytest.mark.parametrize("name", ALL)
def test_written_beside_and_undone(run: Run, name: str) -> None:
    assert run.rows["write"][name]["status"] == "written"
    written, side = run.after["write"], f"{name}.xmp"
    assert written[name] == run.before[name]
    assert Packet(written[side]).keywords(SUBJECT) == ["cat"]
    assert run.after["undo write"][name] == run.before[name]
    assert side not in run.after["undo write"]


@pytest.mark.parametrize("name", ALL)
def test_written_into_where_that_is_safe_and_undone(run: Run, name: str) -> None:
    assert run.rows["embed"][name]["status"] == "written"
    written = run.after["embed"]
    if KINDS[name].embeds:
        assert written[name] != run.before[name]
        assert f"{name}.xmp" not in written
    else:
        assert written[name] == run.before[name]
        assert Packet(written[f"{name}.xmp"]).keywords(SUBJECT) == ["cat"]
    assert run.after["undo embed"][name] == run.before[name]


@pytest.mark.parametrize("name", ALL)
def test_as_it_was_in_the_end(run: Run, name: str) -> None:
    """Nothing of it is read again: the library knows what was written and taken back."""
    assert run.rows["tag again"][name]["status"] == "unchanged"
    assert run.rows["status"].get(name, {"state": "unchanged"})["state"] == "unchanged"


def test_nothing_is_left_behind(run: Run) -> None:
    assert run.after["undo write"] == run.after["undo embed"] == run.before
    assert run.rows["tag"].keys() == run.rows["search"].keys() == run.before.keys()


@pytest.mark.skipif(not HAVE_EXIFTOOL, reason="exiftool is not installed")
@pytest.mark.parametrize(
    "name", [x for x in ALL if isinstance(x.values[0], str) and KINDS[x.values[0]].exiftool]
)
def test_written_into_by_exiftool_and_undone(run: Run, name: str) -> None:
    """TIFF and DNG, for whoever asks for that. Older versions of exiftool cannot prove that they
    left a sensor's picture alone: then a DNG gets a sidecar."""
    photo = run.folder / name
    line = ("write", photo, "--to", "embed", "--backend", "exiftool", "--db", run.db)
    row = jsonl(run_qks(*line, "--format", "jsonl"))[name]
    assert row["status"] == "written"
    if name.endswith(".tif") or row["file"] == str(photo):
        asked = ["exiftool", "-s3", "-XMP-dc:Subject", photo]
        assert subprocess.run(asked, capture_output=True, check=True).stdout == b"cat\n"
        assert photo.read_bytes() != run.before[name]
    else:
        assert photo.read_bytes() == run.before[name]
    assert run_qks("undo", "--db", run.db).returncode == 0
    assert bytes_of(run.folder) == run.before


def test_shown_in_a_report(run: Run, tmp_path: Path) -> None:
    done = run_qks("report", "--out", tmp_path / "report", "--all", "--db", run.db)
    assert done.returncode == 0
    assert done.stderr.decode().startswith(f"qks: {len(run.before)} photos in ")  # and no problem
    assert (
        len(list((tmp_path / "report" / "photos").iterdir())) >= len(run.before) - 5
    )  # equal ones


def test_shown_and_judged_in_the_browser(run: Run) -> None:
    key = Key(4000)
    complaints: list[str] = []
    review = Review(run.db, complain=complaints.append)
    with TestClient(make_app(review, key), base_url=ORIGIN) as client:
        client.get(f"/open/{key.token}")
        listing = client.get("/api/listing", params={"q": ""}).json()
        leads = {name for name in run.before if not KINDS[name].beside}
        assert listing["total"] == len(leads)
        window = {"listing": listing["listing"], "start": 0, "count": 100, "label": "cat"}
        cards = client.get("/api/window", params=window).json()["photos"]
        assert {card["name"] for card in cards} == leads
        assert {card["state"] for card in cards} == {"tagged"}
        assert {card["name"]: card["files"] for card in cards if card["files"] > 1} == {
            KINDS[name].beside: 2 for name in run.before if KINDS[name].beside
        }
        for card in cards:
            small = client.get(f"/small/{card['id']}")
            assert small.content[8:12] == b"WEBP", card["name"]
            tags = client.get("/api/photo", params={"photo": card["id"]}).json()["tags"]
            assert [tag["label"] for tag in tags] == ["cat"]
        said = {"said": "reject", "label": "cat", "ids": [card["id"] for card in cards]}
        change = client.post("/api/say", json=said, headers={"Origin": ORIGIN}).json()
        assert run_qks("search", "tag:cat", "--all", "--db", run.db).returncode == 1
        undone = {"change": change["change"]}
        assert client.post("/api/undo", json=undone, headers={"Origin": ORIGIN}).status_code == 200
    line = ("search", "tag:cat", "--all", "--limit", 1000, "--format", "jsonl", "--db", run.db)
    assert jsonl(run_qks(*line)).keys() == run.before.keys()
    assert complaints == [] and bytes_of(run.folder) == run.before
