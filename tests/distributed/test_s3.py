"""`qks ray` and Parquet data sets in an S3 store: an endpoint of this machine, with photos and rows
in one bucket; nothing of it is simulated in qks itself."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from qks_cli.types import Tag
from tests.conftest import Qks
from tests.distributed.conftest import Store
from tests.distributed.test_ray import rows_of, tags_in

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="no ray here"),
    pytest.mark.skipif(find_spec("moto") is None, reason="no moto here"),
    pytest.mark.skipif(find_spec("s3fs") is None, reason="no s3fs here"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.usefixtures("two_workers"),
    # Ray and the clients of stores leave sockets to the garbage collector; nothing of ours.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture
def stored(photos: Path, s3: Store) -> dict[str, str]:
    """The photos in the bucket, and what is no photo; URLs by their names."""
    (photos / "broken.jpg").write_bytes(b"no photo")
    found = {
        (name := str(path.relative_to(photos))): s3.put(f"photos/{name}", path.read_bytes())
        for path in photos.rglob("*.*")
    }
    s3.put("photos/notes.txt", b"nothing to tag")
    return found


def test_photos_and_rows_in_a_store(
    stored: dict[str, str], s3: Store, photos: Path, fake_model: Path, tmp_path: Path, qks: Qks
) -> None:
    assert qks("tag", photos, "-q").returncode == 0
    here = tags_in(Path(os.environ["QKS_DB"]))
    wanted: dict[str, list[Tag]] = {
        url: here[str(photos / name)] for name, url in stored.items() if name != "broken.jpg"
    }
    out = s3.url("archive")
    command = ("ray", "tag", s3.url("photos"), "--out", out)
    done = qks(*command, "--batch-size", 2, "--partition-size", 3)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert b"5 photos tagged" in done.stderr
    rows = rows_of(out)
    assert {url: list(one.tags) for url, one in rows.items() if one.error is None} == wanted
    assert rows[stored["broken.jpg"]].error == ("unsupported", "not an image that qks can read")
    assert all(one.size and one.mtime_ns for one in rows.values())

    # What has its row is not fetched again; a file of rows that is gone is written again.
    s3.files.rm(f"{s3.bucket}/photos", recursive=True)
    assert b"0 photos tagged" in qks(*command, "--partition-size", 3).stderr

    labels = tmp_path / "labels.txt"
    labels.write_text("cat\nsky\n")
    done = qks("ray", "retag", out, "--out", s3.url("other"), "--labels", labels)
    assert done.returncode == 0, done.stderr
    assert {tag.label for one in rows_of(s3.url("other")).values() for tag in one.tags} == {
        "cat",
        "sky",
    }
    found = qks("ray", "search", out, "cat", "--format", "paths")
    assert found.stdout.decode().splitlines()[0] == stored["cat.jpg"], found.stderr

    copy = tmp_path / "copy.db"
    merged = qks("ray", "export", out, "--db", copy, "--folder", f"{s3.url('photos')}={photos}")
    assert b"4 photos merged, 1 failed" in merged.stderr
    assert tags_in(copy) == here


def test_what_is_gone_when_it_is_read(
    s3: Store, fake_model: Path, tmp_path: Path, qks: Qks
) -> None:
    gone = s3.url("photos", "gone.jpg")
    done = qks("ray", "tag", "-", "--out", tmp_path / "set", stdin=gone.encode())
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "set")[gone].error == ("missing", "the file is gone")


def test_a_library_goes_to_a_store_and_back(
    photos: Path, s3: Store, fake_model: Path, tmp_path: Path, qks: Qks
) -> None:
    assert qks("tag", photos, "-q").returncode == 0
    done = qks("library", "export", "--parquet", s3.url("mine"), "--partition-size", 2)
    assert done.returncode == 0, done.stderr
    copy = tmp_path / "copy.db"
    assert qks("ray", "export", s3.url("mine"), "--db", copy, "-q").returncode == 0
    assert tags_in(copy) == tags_in(Path(os.environ["QKS_DB"]))


@pytest.mark.parametrize("which", ["source", "target"])
def test_a_bucket_that_is_not_there(
    which: str, s3: Store, photos: Path, fake_model: Path, tmp_path: Path, qks: Qks
) -> None:
    nowhere = "s3://qks-nowhere/x"
    source, out = (nowhere, tmp_path / "set") if which == "source" else (photos, nowhere)
    done = qks("ray", "tag", source, "--out", out)
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert nowhere.encode() in done.stderr and done.stderr.count(b"\n") <= 2, done.stderr
