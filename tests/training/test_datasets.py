"""Every layout, read from a miniature with the real file formats."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import TrainingError, UsageError
from qks_cli.training import datasets
from qks_cli.training.datasets.labelled import DataSet, from_rows
from qks_cli.training.datasets.paths import TarEntry
from qks_cli.training.datasets.rows import Row, RowList
from tests.conftest import Qks
from tests.training import miniatures


def truth(data: DataSet, split: str, name: str) -> dict[str, int]:
    """Three-valued truth of the photo whose file name begins with ``name``, by label key."""
    part = data.train if split == "train" else data.test
    row = next(r for r, file in enumerate(part.files) if file.name.startswith(name))
    values = part.truth[row].toarray()[0]
    return {label.key: int(v) for label, v in zip(data.labels, values, strict=True) if v}


def test_nuswide(tmp_path: Path) -> None:
    data = datasets.read("nuswide", miniatures.nuswide(tmp_path))
    seen = [label.key for label, own in zip(data.labels, data.seen_C, strict=True) if own]
    assert seen == ["green", "blue", "yellow", "reds"]
    # Photos whose only tags are concepts are not trained on; users' tags are the truth there.
    carried = [i for i in range(32) if {"green", "blue", "yellow", "red"} & set(colours(i))]
    assert len(data.train) == len(carried)
    assert len(data.test) == 16
    own = dict.fromkeys(colours(33), 1)
    expected = own | ({"reds": 1} if "red" in own else {})
    assert truth(data, "test", "0033") == expected
    names = np.array([label.key for label in data.labels])
    assert set(names[data.subsets["clean unseen"]]) == {"white", "black"}  # "reds" is seen
    present, known = data.test.rows(np.array([0]))
    assert known.all()
    assert present.sum() == len(truth(data, "test", data.test.files[0].name))


def colours(index: int) -> list[str]:
    return miniatures.colours_of(index)


def test_openimages_is_keyed_by_mid_and_three_valued(tmp_path: Path) -> None:
    data = datasets.read("openimages", miniatures.openimages(tmp_path))
    assert [label.name for label in data.labels].count("red") == 2
    assert len({label.key for label in data.labels}) == len(data.labels)
    assert not any(file.name.startswith(f"{0:016x}") for file in data.train.files)  # contradictory
    found = truth(data, "test", f"{33:016x}")
    assert found["/m/02"] == (1 if "blue" in colours(33) else -1) or "/m/02" not in found
    row = next(r for r, f in enumerate(data.test.files) if f.name.startswith(f"{33:016x}"))
    present, known = data.test.rows(np.array([row]))
    assert 0 < known.sum() < known.size
    assert not (present & ~known).any()


def test_coco_and_voc(tmp_path: Path) -> None:
    data = datasets.read("coco", miniatures.coco(tmp_path / "coco"))
    assert truth(data, "test", f"{40:012}") == dict.fromkeys(colours(40), 1)
    assert data.test.unlisted_absent
    data = datasets.read("voc", miniatures.voc(tmp_path / "voc"))
    called = dict(
        zip(miniatures.COLOURS, ("bird", "boat", "bus", "car", "cat", "cow"), strict=True)
    )
    found = truth(data, "test", "000040")
    first, second = (called[name] for name in colours(40))
    assert found[first] == 1
    assert second not in found  # only difficult objects: nobody says
    assert sum(value == -1 for value in found.values()) == 18


@pytest.mark.parametrize("name", ["folder", "csv", "jsonl", "webdataset"])
def test_simple_layouts(tmp_path: Path, name: str) -> None:
    data = datasets.read(name, miniatures.MAKERS[name](tmp_path))
    everyone = {str(file) for part in (data.train, data.test) for file in part.files}
    assert len(data.train) > 20
    assert 5 <= len(data.test) <= 17
    assert len(everyone) == len(data.train) + len(data.test)
    seen = {label.key for label, own in zip(data.labels, data.seen_C, strict=True) if own}
    assert "black" not in seen
    assert {"red", "green"} <= seen
    if name == "jsonl":
        assert list(data.missing) == [tmp_path / "other" / "1.jpg"]
        with data.test.files[0].open("rb") as stream:
            assert stream.read(2) == b"\xff\xd8"


def test_missing_photos_are_counted_and_missing_parts_named(tmp_path: Path) -> None:
    root = miniatures.nuswide(tmp_path)
    gone = sorted((root / "Flickr" / "striped").iterdir())[1:3]
    for path in gone:
        path.unlink()
    data = datasets.read("nuswide", root)
    assert set(data.missing) == set(gone)
    (root / "Concepts81.txt").unlink()
    with pytest.raises(TrainingError, match="Concepts81") as raised:
        datasets.read("nuswide", root)
    assert "National University of Singapore" in raised.value.hint


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: (r / "NUS_WID_Tags" / "Train_Tags1k.dat").write_text("1\t0\n"), "line 1: 2"),
        (
            lambda r: next((r / "Groundtruth").rglob("*white_Test.txt")).write_text("1\n"),
            "lines",
        ),
    ],
)
def test_parts_that_do_not_fit(tmp_path: Path, spoil: object, message: str) -> None:
    root = miniatures.nuswide(tmp_path)
    spoil(root)  # type: ignore[operator]
    with pytest.raises(TrainingError, match=message):
        datasets.read("nuswide", root)


def test_bad_lines_are_named(tmp_path: Path) -> None:
    root = miniatures.jsonl(tmp_path / "jsonl")
    with (root / "photos.jsonl").open("a") as lines:
        lines.write("{\n")
    with pytest.raises(TrainingError, match="line 50"):
        datasets.read("jsonl", root)
    root = miniatures.table(tmp_path / "csv")
    (root / "labels.csv").write_text("file,words\n")
    with pytest.raises(TrainingError, match="file, words"):
        datasets.read("csv", root)
    with pytest.raises(UsageError, match="no data set 'imagenet'"):
        datasets.read("imagenet", root)


def test_a_data_set_without_photos_or_labels(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 photo that it names missing"):
        from_rows("x", [Row(tmp_path / "gone.jpg", ("sky",))])
    photo = miniatures.photo(tmp_path / "a.jpg", 1)
    assert from_rows("x", [Row(photo, ("blue\nsky",))]).names == ("blue sky",)
    with pytest.raises(TrainingError, match="no photo of the data set x has a label"):
        from_rows("x", [])


def test_check_says_what_is_missing_and_where_it_comes_from(tmp_path: Path, qks: Qks) -> None:
    root = miniatures.coco(tmp_path)
    done = qks("datasets", "check", "coco", "--root", root, "--format", "table")
    assert done.returncode == 0, done.stderr
    assert b"4 seen and 2 unseen labels" in done.stderr
    next((root / "annotations").glob("*val*")).unlink()
    done = qks("datasets", "check", "coco", "--root", root, "--format", "jsonl")
    assert done.returncode == 1
    missing = [line for line in done.stdout.decode().splitlines() if '"there": "no"' in line]
    assert len(missing) == 1
    assert "cocodataset.org" in missing[0]
    assert b"nuswide" in qks("datasets", "list").stdout


def test_a_row_list_holds_what_it_was_given(tmp_path: Path) -> None:
    rows = [
        Row(tmp_path / "a.jpg", ("sea", "sky"), ("dog",)),
        Row(tmp_path / "b.jpg", ()),
        Row(tmp_path / "c.jpg", ("dog",), ("sea", "sea")),
    ]
    held = RowList(rows)
    assert list(held) == rows
    assert held[1:] == rows[1:]
    assert (held[-1], len(held), len(RowList())) == (rows[-1], 3, 0)
    with pytest.raises(IndexError):
        held[3]


def test_rows_of_archives_take_little_memory(tmp_path: Path) -> None:
    """Words are kept once, not with each of their photos."""
    archive, words = tmp_path / "train.tar", [f"word {number}" for number in range(40)]
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = RowList(
        Row(TarEntry(archive, 512 * at, 99, f"{at:012}.jpg"), (*words[:4],), ("absent word",))
        for at in range(3000)
    )
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held[2999].file.offset == 512 * 2999
    assert taken / 3000 < 120 + len(str(tmp_path))
