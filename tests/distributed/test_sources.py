"""Where photos come from, and how they are read there; without Ray, in a store in memory."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Qks

pa = pytest.importorskip("pyarrow")
fsspec = pytest.importorskip("fsspec")
pq = pytest.importorskip("pyarrow.parquet")

from qks_cli.distributed import sources  # noqa: E402
from qks_cli.distributed.dataset import DataSet  # noqa: E402
from qks_cli.distributed.manifest import Manifest, stored_basis  # noqa: E402
from qks_cli.distributed.reading import Read  # noqa: E402
from qks_cli.distributed.table import Entry  # noqa: E402
from qks_cli.distributed.tagging import outstanding  # noqa: E402
from qks_cli.errors import UsageError  # noqa: E402
from qks_cli.photos.walk import read_names  # noqa: E402


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


def found(*given: str, names: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
    """Paths of the photos of sources, and whether something was read of each meanwhile."""
    listed = sources.listed(given, lambda path, reason: None, names)
    return [(one.path, one.size is not None) for one in listed]


def test_a_list_of_parquet(tmp_path: Path) -> None:
    """Every row is a photo, and none is looked for."""
    file = str(tmp_path / "list.parquet")
    paths = ["s3://b/1.jpg", "/2.jpg", None, "file:///3.jpg", "s3://b/no-suffix"]
    pq.write_table(pa.table({"path": paths, "other": [1, 2, 3, 4, 5]}), file)
    assert found(file) == [(x, False) for x in ("s3://b/1.jpg", "/2.jpg", "/3.jpg", paths[4])]
    raw = "/caf\udce9.jpg"
    pq.write_table(pa.table({"path": ["/caf\ufffd.jpg"], "path_bytes": [os.fsencode(raw)]}), file)
    assert found(f"file://{file}") == [(raw, False)]
    pq.write_table(pa.table({"name": ["/2.jpg"]}), file)
    with pytest.raises(UsageError, match="no column path"):
        found(file)


def test_a_list_of_text_and_one_on_stdin(photos: Path, store: str, tmp_path: Path) -> None:
    names = ("s3://nobody/is-asked.JPG", str(photos / "cat.jpg"), f"{store}/space", "/gone.jpg")
    wanted = [
        (names[0], False),
        (names[1], True),
        ("memory:///archive/space/astronaut.jpg", True),
        ("memory:///archive/space/rocket.png", True),
    ]
    (tmp_path / "list.txt").write_bytes("\r\n".join(names).encode() + b"\n")
    assert found(str(tmp_path / "list.txt")) == wanted
    assert found(f"file://{tmp_path}/list.txt") == wanted
    assert found(names=names) == wanted
    fsspec.filesystem("memory").pipe_file("/archive/list.txt", names[0].encode())
    assert found(f"{store}/list.txt") == wanted[:1]
    assert list(read_names(io.BytesIO("\n".join(names).encode()))) == list(names)
    # What a list names is no list itself: `find` names everything.
    assert found(names=(str(tmp_path / "list.txt"),)) == [(str(tmp_path / "list.txt"), True)]


def test_files_of_this_machine_by_their_urls(photos: Path) -> None:
    assert found(f"file://{photos}") == found(str(photos))
    assert found(f"file://{photos}/cat.jpg") == [(str(photos / "cat.jpg"), True)]


def test_urls_with_nothing_behind_them(store: str) -> None:
    assert found(f"{store}/gone.jpg") == [(f"{store}/gone.jpg", False)]  # a row will say it
    assert found("https://host/a.jpg?size=large") == [("https://host/a.jpg?size=large", False)]
    with pytest.raises(UsageError, match="nothing is there"):
        found(f"{store}/nowhere")


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


def test_what_is_left_to_do(tmp_path: Path) -> None:
    """Of a partition that was cut off only photos without a row are read, however many files it
    has; one that is listed twice has two rows; a file that is no whole one is removed."""
    basis = stored_basis(np.eye(3, 2, dtype=np.float32))
    made = Manifest("fake", "1", "hash", 2, 3, "digest", "dog", "", None, 20, basis, 4)
    target = DataSet.create(str(tmp_path / "set"), made)
    names = ["/a.jpg", "/b.jpg", "/b.jpg", "/c.jpg", "/d.jpg", "/e.jpg", "/f.jpg"]
    photos = sources.write_list(target, (Entry(name, None, None) for name in names))
    target = target.keep(replace(made, photos=photos))

    def left() -> list[tuple[int, list[str]]]:
        return [
            (part.column("partition").to_pylist()[0], part.column("path").to_pylist())
            for part in outstanding(target, 3)
        ]

    def write(name: str, *paths: str) -> Path:
        file = tmp_path / "set" / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = [Entry(path, 1, 2, error=("missing", "the file is gone")) for path in paths]
        pq.write_table(target.shape.table(rows), file)
        return file

    assert left() == [(0, names[:3]), (0, names[3:4]), (1, names[4:])]
    write("partition=0/one.parquet", "/b.jpg")
    write("partition=0/two.parquet", "/c.jpg")
    cut = write("partition=1/one.parquet", "/d.jpg", "/e.jpg", "/f.jpg")
    assert left() == [(0, ["/a.jpg", "/b.jpg"])]
    write("partition=0/three.parquet", "/b.jpg", "/a.jpg")
    assert left() == []
    cut.write_bytes(cut.read_bytes()[:-9])
    assert left() == [(1, names[4:])] and not cut.exists()


def test_a_list_of_a_store_that_is_not_there(tmp_path: Path, fake_model: Path, qks: Qks) -> None:
    done = qks("ray", "tag", tmp_path / "no.parquet", "--out", tmp_path / "set")
    assert done.returncode == 2 and b"Traceback" not in done.stderr
    assert str(tmp_path / "no.parquet").encode() in done.stderr
    done = qks("ray", "tag", "nonsense://x", "--out", tmp_path / "set")
    assert done.returncode == 2 and b"nonsense" in done.stderr and b"Traceback" not in done.stderr
