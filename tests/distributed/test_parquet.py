"""A library as a Parquet data set, and back: everything is there again, to the last digit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qks_cli.distributed.dataset import DataSet
from qks_cli.distributed.table import Entry, Shape
from qks_cli.errors import UsageError
from qks_cli.library.current import current, rows
from qks_cli.workflows.parquet import export_library, local_path, merge
from qks_cli.workflows.session import open_library
from tests.conftest import Qks

pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def tagged(photos: Path, fake_model: Path, qks: Qks) -> Path:
    """A library of four photos and a broken one; returns its file."""
    (photos / "broken.jpg").write_bytes(b"no photo")
    assert qks("tag", photos, "-q").returncode == 0
    return Path(os.environ["QKS_DB"])


def contents(db: Path) -> list[object]:
    """All that matters of a library, ordered by path."""
    with open_library(db) as library:
        found = current(library)
        assert found is not None
        every = [row for lot in rows(library, found, size=100) for row in lot]
        tags = library.tags.of([row[0] for row in every])
        told = []
        for row in sorted(every, key=lambda row: str(row[1])):
            _, tokens = library.tokens.of([row[0]], found.model_id)
            told.append((row[1:], tags[row[0]], None if tokens is None else tokens.tobytes()))
        return [found.model_hash, found.digest, found.text, found.selection, told]


def test_there_and_back_nothing_is_lost(tagged: Path, tmp_path: Path, qks: Qks) -> None:
    folder = tmp_path / "set"
    done = qks("library", "export", "--parquet", folder, "--partition-size", 2)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"5 photos in" in done.stderr
    done = qks("ray", "export", folder, "--db", tmp_path / "copy.db")
    assert done.returncode == 0, done.stderr
    assert b"4 photos merged, 1 failed" in done.stderr
    assert contents(tmp_path / "copy.db") == contents(tagged)


def test_other_programs_read_the_files(tagged: Path, tmp_path: Path) -> None:
    with open_library(tagged) as library:
        export_library(library, str(tmp_path / "set"), partition_size=1024)
    table = pq.read_table(tmp_path / "set" / "photos")
    by_name = {Path(row["path"]).name: row for row in table.to_pylist()}
    assert by_name["cat.jpg"]["tags"][0]["label"] == "cat"
    assert by_name["broken.jpg"]["tags"] is None and by_name["broken.jpg"]["tokens"] is None
    assert by_name["broken.jpg"]["error_kind"] == "unsupported"


def test_a_part_is_merged(tagged: Path, tmp_path: Path) -> None:
    # Ids are given in the order of the walk: two photos, then the next.
    with open_library(tagged) as library:
        export_library(library, str(tmp_path / "set"), partition_size=2)
    with open_library(tmp_path / "copy.db", create=True) as copy:
        assert len(DataSet.open(str(tmp_path / "set")).partitions()) > 1
        counts = merge(copy, str(tmp_path / "set"), partitions=[1])
        assert counts["tagged"] + counts["failed"] == 2
        with pytest.raises(UsageError, match="no partition 9"):
            merge(copy, str(tmp_path / "set"), partitions=[9])


def test_a_newer_file_of_the_library_is_kept(tagged: Path, tmp_path: Path, photos: Path) -> None:
    with open_library(tagged) as library:
        export_library(library, str(tmp_path / "set"))
        library.execute("UPDATE photos SET mtime_ns = mtime_ns + 1, size = 7")
        counts = merge(library, str(tmp_path / "set"))
        assert counts == {"newer": 5}
        assert library.value("SELECT count(*) FROM photos WHERE size = 7") == 5


def test_names_that_are_no_text(tmp_path: Path) -> None:
    import numpy as np

    shape = Shape(2, 3, np.eye(3, 2, dtype=np.float32))
    name = os.fsdecode(b"/photos/caf\xe9.jpg")
    entry = Entry(name, 1, 2, np.zeros((2, 3), np.float32))
    (back,) = shape.entries(shape.table([entry]))
    assert back.path == name and back.size == 1
    assert shape.table([entry]).column("path").to_pylist() == ["/photos/caf\ufffd.jpg"]


def test_urls_belong_to_folders_or_are_elsewhere(tmp_path: Path) -> None:
    folders = {"s3://bucket/": tmp_path, "s3://bucket/deep": tmp_path / "elsewhere"}
    assert local_path("s3://bucket/a/b.jpg", folders) == tmp_path / "a" / "b.jpg"
    assert local_path("s3://bucket/deep/b.jpg", folders) == tmp_path / "elsewhere" / "b.jpg"
    assert local_path("s3://bucket/deeper/b.jpg", folders) == tmp_path / "deeper" / "b.jpg"
    assert local_path("s3://bucket/../../etc/passwd", folders) is None
    assert local_path("s3://other/b.jpg", folders) is None
    assert local_path("/photos/b.jpg", folders) == Path("/photos/b.jpg")


def test_what_is_no_data_set(tagged: Path, tmp_path: Path, qks: Qks) -> None:
    assert b"no data set at" in qks("ray", "export", tmp_path / "nothing").stderr
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"format": 99, "qks": "9.9"}')
    done = qks("ray", "export", folder)
    assert done.returncode == 2 and b"made by a newer qks (9.9)" in done.stderr
    done = qks("library", "export", "--parquet", folder)
    assert done.returncode == 2 and b"holds a data set already" in done.stderr


def test_a_file_that_was_cut_off_is_told_of(tagged: Path, tmp_path: Path, qks: Qks) -> None:
    with open_library(tagged) as library:
        export_library(library, str(tmp_path / "set"))
    (file,) = tmp_path.glob("set/photos/*/*.parquet")
    file.write_bytes(file.read_bytes()[:-100])
    assert DataSet.open(str(tmp_path / "set")).count(str(file)) is None
    done = qks("ray", "export", tmp_path / "set", "--db", tmp_path / "copy.db")
    assert done.returncode == 2 and b"no whole Parquet file" in done.stderr
