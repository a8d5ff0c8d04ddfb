"""Videos as users meet them: tagged, found with their moment, written beside, shown."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from qks_cli.library import moments
from qks_cli.library.store import Library
from qks_cli.types import UInt8Array
from tests.conftest import Qks

pytest.importorskip("av")
from tests.photos.videos import video

SCENES = (("cat.jpg", 4.0), ("coffee.jpg", 3.0), ("space/astronaut.jpg", 3.0))


@pytest.fixture(scope="module")
def made(pictures: dict[str, UInt8Array], tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenes = [(Image.fromarray(pictures[name]).resize((320, 240)), x) for name, x in SCENES]
    noted = {"creation_time": "2022-01-21T10:15:30.000000Z"}
    return video(tmp_path_factory.mktemp("video") / "a.mp4", scenes, metadata=noted)


@pytest.fixture
def clip(photos: Path, made: Path, fake_model: Path, qks: Qks) -> Path:
    path = Path(shutil.copy(made, photos / "clip.mp4"))
    done = qks("tag", photos)
    assert done.returncode == 0, done.stderr
    return path


def rows(done: Any) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {Path(row["path"]).name: row for row in found}


def labels(row: dict[str, Any]) -> dict[str, list[float]]:
    return {tag["label"]: tag.get("seconds", []) for tag in row["tags"]}


def test_a_video_has_the_tags_of_its_scenes(clip: Path, qks: Qks) -> None:
    row = rows(qks("tag", clip, "--format", "jsonl"))["clip.mp4"]
    assert row["status"] == "unchanged"
    seen = labels(row)
    assert {"cat", "coffee", "astronaut"} <= set(seen)
    assert max(seen["cat"]) < 4 <= min(seen["coffee"]) < 7 <= min(seen["astronaut"])
    assert "animal" in seen and seen["animal"] == seen["cat"]
    with Library.open(Path(os.environ["QKS_DB"])) as library:
        (row,) = library.rows("SELECT taken_at, duration, width FROM photos WHERE path LIKE '%mp4'")
        assert row[0] == "2022-01-21T10:15:30" and abs(row[1] - 10) < 0.2 and row[2] == 320
        listed = library.rows("SELECT DISTINCT label FROM moment_list")
    assert {("cat",), ("coffee",)} <= set(listed)


@pytest.mark.parametrize(
    ("query", "options", "begin", "end"),
    [
        ("coffee", (), 4, 7),
        ("coffee", ("--tags-only",), 4, 7),
        ("breakfast", (), 4, 7),  # by meaning alone
        ("tag:astronaut", (), 7, 10),
        ("cat", ("--semantic-only",), 0, 4),
    ],
)
def test_a_search_shows_the_moment(
    clip: Path, qks: Qks, query: str, options: tuple[str, ...], begin: float, end: float
) -> None:
    row = rows(qks("search", query, *options, "--format", "jsonl"))["clip.mp4"]
    assert begin <= row["moment"] < end
    table = qks("search", query, *options, "--format", "table").stdout.decode()
    (line,) = [line for line in table.splitlines() if "clip.mp4" in line]
    assert f"[at 0:{int(row['moment']):02}]" in line
    others = rows(qks("search", query, *options, "--format", "jsonl"))
    assert all("moment" not in own for name, own in others.items() if name != "clip.mp4")


def test_a_photo_finds_the_moment_that_looks_like_it(clip: Path, photos: Path, qks: Qks) -> None:
    row = rows(qks("similar", photos / "coffee.jpg", "--format", "jsonl"))["clip.mp4"]
    assert row["score"] > 0.9
    assert 4 <= row["moment"] < 7
    row = rows(qks("search", f"like:{photos / 'cat.jpg'}", "--format", "jsonl"))["clip.mp4"]
    assert row["moment"] < 4


def test_filters_of_videos(clip: Path, qks: Qks) -> None:
    assert set(rows(qks("search", "has:video"))) == {"clip.mp4"}
    assert "clip.mp4" not in rows(qks("search", "missing:video"))
    assert set(rows(qks("search", "duration:>5"))) == {"clip.mp4"}
    assert qks("search", "duration:>60").returncode == 1
    assert "moment" not in rows(qks("search", "type:mp4"))["clip.mp4"]


def test_keywords_go_to_a_sidecar_alone(clip: Path, qks: Qks) -> None:
    before = clip.read_bytes(), clip.stat().st_mtime_ns
    for target in ("sidecar", "embed"):
        done = qks("write", clip, "--to", target)
        assert done.returncode == 0, done.stderr
        sidecar = clip.with_name("clip.mp4.xmp")
        assert b"coffee" in sidecar.read_bytes()
        assert (clip.read_bytes(), clip.stat().st_mtime_ns) == before
        assert qks("undo").returncode == 0
        assert not sidecar.exists()
    assert rows(qks("tag", clip, "--format", "jsonl"))["clip.mp4"]["status"] == "unchanged"


def test_other_words_reach_every_moment(clip: Path, qks: Qks, tmp_path: Path) -> None:
    words = tmp_path / "labels.txt"
    words.write_text("cup\nrocket\ncat\n")
    assert qks("retag", "--labels", words).returncode == 0
    seen = labels(rows(qks("search", "type:mp4"))["clip.mp4"])
    assert set(seen) == {"cup", "cat"} and 4 <= min(seen["cup"]) < 7
    assert "coffee" not in seen
    done = qks("tag", clip, "--labels", words, "--min-score", "0.3", "--format", "jsonl")
    assert rows(done)["clip.mp4"]["status"] == "retagged"


def test_verdicts_and_names_of_labels_hold_for_moments(clip: Path, qks: Qks) -> None:
    assert qks("tags", "rename", "coffee", "espresso", "--yes").returncode == 0
    row = rows(qks("search", "tag:espresso"))["clip.mp4"]
    assert 4 <= row["moment"] < 7
    assert qks("tags", "reject", "espresso", clip).returncode == 0
    assert "espresso" not in labels(rows(qks("search", "type:mp4"))["clip.mp4"])


def test_a_file_that_is_no_video_any_more_has_no_moments(
    clip: Path, photos: Path, qks: Qks
) -> None:
    shutil.copy(photos / "cat.jpg", clip)
    assert qks("tag", photos).returncode == 0
    row = rows(qks("search", "cat"))["clip.mp4"]
    assert "moment" not in row
    with Library.open(Path(os.environ["QKS_DB"])) as library:
        assert not moments.any_moments(library)
        assert library.value("SELECT count(*) FROM moment_tags") == 0
        assert library.value("SELECT duration FROM photos WHERE path LIKE '%mp4'") is None


def test_a_damaged_video_loses_its_moments(clip: Path, photos: Path, qks: Qks) -> None:
    clip.write_bytes(clip.read_bytes()[:500])
    done = qks("tag", photos)
    assert done.returncode == 0 and b"clip.mp4" in done.stderr
    with Library.open(Path(os.environ["QKS_DB"])) as library:
        assert not moments.any_moments(library)


def test_thumbnails_text_and_reasons_are_of_a_frame(clip: Path, qks: Qks, tmp_path: Path) -> None:
    from qks_cli.photos.readers import Readers
    from qks_cli.photos.thumbnails import Thumbnails

    with Readers() as readers:
        made = Thumbnails(tmp_path / "small").one(clip, readers)
    assert (made.width, made.height) == (320, 240)
    with Image.open(made.file, formats=("WEBP",)) as image:
        assert np.asarray(image).std() > 20
    row = rows(qks("text", clip, "--format", "jsonl"))["clip.mp4"]
    assert row["status"] == "read"
    done = qks("explain", clip, "cat")
    assert done.returncode == 0 and b"cat" in done.stdout


def test_all_videos_are_looked_at_in_a_large_library(
    clip: Path, qks: Qks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qks_cli.search.ranking.EXACT", 1)
    row = rows(qks("search", "breakfast", "--limit", "1", "--format", "jsonl"))
    assert len(row) == 1
    assert "clip.mp4" in rows(qks("search", "coffee", "--limit", "9", "--format", "jsonl"))
