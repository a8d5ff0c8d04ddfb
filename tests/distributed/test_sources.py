"""Where photos come from, and how they are read there; without Ray, in a store in memory."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Qks

pa = pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")
pq = pytest.importorskip("pyarrow.parquet")

from qks_cli.distributed import sources  # noqa: E402
from qks_cli.distributed.reading import Read  # noqa: E402


@pytest.fixture
def store(photos: Path) -> Iterator[str]:
    """The photos in a store, with a file beside them that is no photo."""
    files = fsspec.filesystem("memory")
    for path in photos.rglob("*.*"):
        files.pipe_file(f"/archive/{path.relative_to(photos)}", path.read_bytes())
    files.pipe_file("/archive/notes.txt", b"no photo")
    yield "memory://archive"
    files.rm("/archive", recursive=True)


def test_folders_stores_and_lists(store: str, photos: Path, tmp_path: Path) -> None:
    problems: list[Path] = []
    told = lambda path, reason: problems.append(path)  # noqa: E731
    here = list(sources.listed([str(photos), str(tmp_path / "nothing")], told))
    there = list(sources.listed([store], told))
    assert problems == [tmp_path / "nothing"]
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.*"))
    assert sorted(one.path.removeprefix(f"{photos}/") for one in here) == names
    assert sorted(one.path.removeprefix("memory://").removeprefix("/") for one in there) == [
        f"archive/{name}" for name in names
    ]
    assert sorted(one.size or 0 for one in here) == sorted(one.size or 0 for one in there)
    pq.write_table(pa.table({"path": ["s3://b/1.jpg", "/2.jpg"]}), tmp_path / "list.parquet")
    listed = list(sources.listed([str(tmp_path / "list.parquet")], told))
    assert [(one.path, one.size) for one in listed] == [("s3://b/1.jpg", None), ("/2.jpg", None)]


def test_a_photo_of_a_store_reads_as_the_same_file_here(store: str, photos: Path) -> None:
    paths = [str(photos / "cat.jpg"), f"{store}/cat.jpg", f"{store}/gone.jpg", "/nothing/x.jpg"]
    paths.append(f"{store}/notes.txt")
    rows = pa.table(
        {
            "path": paths,
            "size": pa.nulls(5, pa.int64()),
            "mtime_ns": pa.nulls(5, pa.int64()),
            "partition": [0] * 5,
        }
    )
    done = Read(32, "squash")(rows)
    here, there, gone, missing, other = map(pickle.loads, done.column("entry").to_pylist())
    pixels = done.column("pixels").to_pylist()
    assert pixels[0] == pixels[1] != bytes(len(pixels[0]))
    assert pixels[2] == bytes(len(pixels[0]))
    assert (here.size, here.fingerprint, here.picture) == (
        there.size,
        there.fingerprint,
        there.picture,
    )
    assert there.mtime_ns is None or there.mtime_ns > 0
    assert gone.error == missing.error == ("missing", "the file is gone")
    assert other.error[0] == "unsupported"


def test_a_list_of_a_store_that_is_not_there(tmp_path: Path, fake_model: Path, qks: Qks) -> None:
    done = qks("ray", "tag", tmp_path / "no.parquet", "--out", tmp_path / "set")
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert str(tmp_path / "no.parquet").encode() in done.stderr
    done = qks("ray", "tag", "nonsense://x", "--out", tmp_path / "set")
    assert done.returncode == 2 and b"nonsense" in done.stderr and b"Traceback" not in done.stderr
