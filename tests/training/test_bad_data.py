"""Faults of labelled data that would shift labels silently: each an error or a counted warning."""

from __future__ import annotations

import codecs
import json
import shutil
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from qks_cli.errors import TrainingError
from qks_cli.training import datasets
from qks_cli.training.datasets.digest import split_digest
from qks_cli.training.datasets.labelled import from_rows
from qks_cli.training.datasets.paths import PathList
from qks_cli.training.datasets.rows import Row
from tests.conftest import Qks
from tests.training import miniatures

Spoil = Callable[[Path], object]
LEAN = 600  # bytes that a photo of Open Images with five labels may take, beside its path


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


NUSWIDE: list[tuple[Spoil, str]] = [
    (lambda r: append(r / "NUS_WID_Tags" / "Train_Tags1k.dat", "0\t" * 5 + "\n"), "fewer lines"),
    (lambda r: append(r / "ImageList" / "TrainImagelist.txt", "a\\b.jpg\n"), "fewer lines"),
    (lambda r: replace(r / "NUS_WID_Tags" / "Train_Tags1k.dat", "1\t", "2\t"), "line 1: '2' where"),
    (lambda r: replace(r / "NUS_WID_Tags" / "Test_Tags1k.dat", "0\t", "-1\t"), "'-1' where only"),
    (
        lambda r: replace(next(r.rglob("Labels_white_Test.txt")), "1\n", "1.0\n"),
        "'1.0' where only 0 and 1",
    ),
    (
        lambda r: [append(path, "0\n") for path in r.rglob("Labels_*_Test.txt")],
        "17 lines a concept, but only 16 test photos",
    ),
    (
        lambda r: [
            path.write_text("".join(path.read_text().splitlines(True)[:-1]))
            for path in r.rglob("Labels_*_Test.txt")
        ],
        "15 lines a concept, but more test photos",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), NUSWIDE)
def test_lists_that_do_not_belong_together(tmp_path: Path, spoil: Spoil, message: str) -> None:
    root = miniatures.nuswide(tmp_path)
    spoil(root)
    with pytest.raises(TrainingError, match=message):
        datasets.read("nuswide", root)


@pytest.mark.parametrize("kind", ["prefix", "flat"])
def test_nuswide_with_other_places_of_photos(tmp_path: Path, kind: str) -> None:
    straight = datasets.read("nuswide", miniatures.nuswide(tmp_path / "one"))
    root = miniatures.nuswide(tmp_path / "two")
    if kind == "prefix":
        for listing in (root / "ImageList").iterdir():
            lines = listing.read_text().splitlines()
            listing.write_text("".join(f"Flickr\\{line}\n" for line in lines))
    else:
        for photo in (root / "Flickr" / "striped").iterdir():
            shutil.move(photo, root / "Flickr" / photo.name)
    data = datasets.read("nuswide", root)
    assert not data.missing
    assert [file.name for file in data.train.files] == [file.name for file in straight.train.files]


@pytest.mark.parametrize(
    ("name", "file", "word", "message"),
    [
        ("coco", "unseen.txt", "television", "'television'"),
        ("coco", "unseen.txt", "Whiet", r"'Whiet'"),
        ("coco", "unseen.txt", "Black", r"'Black' \('black'\?\)"),
        ("voc", "unseen.txt", "tv", "'tv'"),
        ("folder", "unseen.txt", "television", "1 unseen name is no label"),
        ("csv", "unseen.txt", "television", "'television'"),
        ("jsonl", "unseen.txt", "television", "'television'"),
    ],
)
def test_unseen_names_that_match_nothing(
    tmp_path: Path, name: str, file: str, word: str, message: str
) -> None:
    root = miniatures.MAKERS[name](tmp_path)
    (root / file).write_text(f"{word}\n")
    with pytest.raises(TrainingError, match=message):
        datasets.read(name, root)


def test_unseen_words_match_in_any_case(tmp_path: Path) -> None:
    root = miniatures.folder(tmp_path)
    (root / "black").rename(root / "Black")
    data = datasets.read("folder", root)
    names = dict(zip(data.names, data.seen_C, strict=True))
    assert "black" not in names
    assert not names["Black"]


def test_photos_in_both_parts_and_photos_named_twice(tmp_path: Path) -> None:
    root = miniatures.table(tmp_path)
    with (root / "labels.csv").open("a") as out:
        out.write("photos/0.jpg,yellow,test\nphotos/1.jpg,yellow,train\n")
    data = datasets.read("csv", root)
    assert not {str(f) for f in data.train.files} & {str(f) for f in data.test.files}
    assert any("1 photo is in the training and in the test part" in w for w in data.warnings)
    assert any("1 photo is listed more than once" in w for w in data.warnings)
    row = next(r for r, file in enumerate(data.train.files) if file.name == "1.jpg")
    own = data.train.truth[row].toarray()[0]
    present = {name for name, value in zip(data.names, own, strict=True) if value > 0}
    assert present == {*miniatures.colours_of(1), "yellow"}
    photo = miniatures.photo(tmp_path / "a.jpg", 1)
    rows = [Row(photo, ("sky",), ("sea",)), Row(photo, ("sea",), ("land",))]
    joined = from_rows("x", rows, test=[], unlisted_absent=False).train.truth.toarray()
    assert joined.tolist() == [[-1, 1, 1]]  # land, sea, sky: one line is enough to be there


@pytest.mark.parametrize("name", ["nuswide", "openimages", "coco", "voc", "folder", "csv", "jsonl"])
def test_a_byte_order_mark_changes_nothing(tmp_path: Path, name: str) -> None:
    root = miniatures.MAKERS[name](tmp_path)
    before = datasets.read(name, root)
    for path in root.rglob("*"):
        if path.suffix in (".txt", ".csv", ".json", ".jsonl"):
            path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    after = datasets.read(name, root)
    assert after.labels == before.labels
    assert after.seen_C.tolist() == before.seen_C.tolist()
    for one, two in ((before.train, after.train), (before.test, after.test)):
        assert (one.truth != two.truth).nnz == 0


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nuswide", "NUS_WID_Tags/TagList1k.txt"),
        ("openimages", "class-descriptions.csv"),
        ("openimages", "train-annotations-human-imagelabels.csv"),
        ("coco", "annotations/instances_train2017.json"),
        ("voc", "unseen.txt"),
        ("csv", "labels.csv"),
        ("jsonl", "photos.jsonl"),
    ],
)
def test_latin_1_is_said(tmp_path: Path, name: str, file: str) -> None:
    root = miniatures.MAKERS[name](tmp_path)
    path = root / file
    path.write_bytes(path.read_bytes() + "café\n".encode("latin-1"))
    with pytest.raises(TrainingError, match=r"is not UTF-8") as raised:
        datasets.read(name, root)
    assert "iconv" in raised.value.hint
    assert Path(file).name in raised.value.message


def test_confidences_that_people_do_not_give(tmp_path: Path) -> None:
    root = miniatures.openimages(tmp_path)
    replace(root / "train-annotations-human-imagelabels.csv", ",1\n", ",0.7\n")
    with pytest.raises(TrainingError, match=r"line \d+: the confidence '0.7'") as raised:
        datasets.read("openimages", root)
    assert "machine-generated" in raised.value.hint


def test_openimages_in_any_order_and_with_photos_that_say_nothing(tmp_path: Path) -> None:
    straight = datasets.read("openimages", miniatures.openimages(tmp_path / "one"))
    root = miniatures.openimages(tmp_path / "two")
    table = root / "train-annotations-human-imagelabels.csv"
    head, *lines = table.read_text().splitlines()
    table.write_text("\n".join([head, *lines[::2], *lines[1::2]]) + "\n")
    miniatures.photo(root / "test" / "ffff.jpg", 3)
    append(root / "test-annotations-human-imagelabels.csv", "ffff,verification,/m/none,1\n")
    (root / "class-descriptions.csv").write_text("/m/00,Red\n")
    data = datasets.read("openimages", root)
    assert (data.train.truth != straight.train.truth).nnz == 0
    assert len(data.test) == len(straight.test) + 1  # unfiltered means all test photos
    assert any("6 MIDs without a name" in warning for warning in data.warnings)


def test_annotations_that_point_nowhere(tmp_path: Path) -> None:
    root = miniatures.coco(tmp_path / "coco")
    path = root / "annotations" / "instances_val2017.json"
    data = json.loads(path.read_text())
    data["annotations"][0]["category_id"] = 999
    path.write_text(json.dumps(data))
    with pytest.raises(TrainingError, match="annotation of no category_id"):
        datasets.read("coco", root)
    root = miniatures.voc(tmp_path / "voc")
    replace(next(root.rglob("000000.xml")), "<name>bird<", "<name>Bird<")
    with pytest.raises(TrainingError, match="no class of VOC: Bird"):
        datasets.read("voc", root)


def test_one_word_is_no_list(tmp_path: Path) -> None:
    root = miniatures.jsonl(tmp_path)
    append(root / "photos.jsonl", '{"file": "striped/1.jpg", "labels": "red"}\n')
    with pytest.raises(TrainingError, match="a list of words is expected, not 'red'"):
        datasets.read("jsonl", root)


def test_check_prints_an_example_of_the_path_it_expects(tmp_path: Path, qks: Qks) -> None:
    done = qks("datasets", "check", "nuswide", "--root", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/Flickr/actor/0001_2124494179.jpg".encode() in done.stderr


def test_millions_of_photos_fit_in_memory(tmp_path: Path) -> None:
    """What 4,000 photos more take, so that what is there in any case does not count."""
    peaks = []
    for count in (2000, 6000):
        root = many_photos(tmp_path / str(count), count)
        tracemalloc.start()
        data = datasets.read("openimages", root)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(data.train) == count
    path = len(str(data.train.files[0]))
    assert (peaks[1] - peaks[0]) / 4000 < LEAN + 2 * path  # bytes a photo


def many_photos(root: Path, count: int) -> Path:
    """Photos of Open Images with five labels each."""
    for part in ("train", "test"):
        (root / part).mkdir(parents=True)
    for name in ("trainable", "unseen"):
        (root / f"classes-{name}.txt").write_text(
            "".join(f"/m/{name}{place}\n" for place in range(300))
        )
    (root / "class-descriptions.csv").write_text("/m/trainable0,Dog\n")
    head = "ImageID,Source,LabelName,Confidence\n"
    lines = [
        f"{image:016x},verification,/m/trainable{(image + place) % 300},{place % 2}\n"
        for image in range(count)
        for place in range(5)
    ]
    (root / "train-annotations-human-imagelabels.csv").write_text(head + "".join(lines))
    (root / "test-annotations-human-imagelabels.csv").write_text(head)
    for image in range(count):
        (root / "train" / f"{image:016x}.jpg").touch()
    return root


def test_a_path_list_holds_what_it_was_given(tmp_path: Path) -> None:
    odd = tmp_path / "caf\udce9.jpg"
    files = PathList([tmp_path / "a.jpg", odd])
    assert list(files) == [tmp_path / "a.jpg", odd]
    assert list(files[1:]) == [odd]
    assert files[-1] == odd
    with pytest.raises(IndexError):
        files[2]


def test_archives_are_read_where_their_photos_lie(tmp_path: Path) -> None:
    data = datasets.read("webdataset", miniatures.webdataset(tmp_path / "one"))
    file = data.train.files[5]
    same = miniatures.photo(tmp_path / "same.jpg", int(file.name[:4]))
    with file.open("rb") as stream:
        assert stream.read() == same.read_bytes()
    assert (file.name[4:], file.parent.name) == (".jpg", "train-000000.tar")
    assert list(PathList([file])) == [file]
    assert split_digest(data.train) == split_digest(data.train.take(np.arange(len(data.train))))
    broken = tmp_path / "two"
    broken.mkdir()
    (broken / "train.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(TrainingError, match="not an archive of labelled photos"):
        datasets.read("webdataset", broken)
    with tarfile.open(broken / "train.tar", "w") as archive:
        archive.add(tmp_path / "same.jpg", "a.jpg")
    with pytest.raises(TrainingError, match=r"1 photo without JSON.* a"):
        datasets.read("webdataset", broken)


def test_the_digest_tells_photos_and_truth_apart(tmp_path: Path) -> None:
    first = datasets.read("csv", miniatures.table(tmp_path / "one")).train
    again = datasets.read("csv", miniatures.table(tmp_path / "elsewhere")).train
    assert split_digest(first) == split_digest(again)
    root = miniatures.table(tmp_path / "other")
    (root / "photos" / "0.jpg").write_bytes(b"another photo")
    assert split_digest(datasets.read("csv", root).train) != split_digest(first)
    root = miniatures.table(tmp_path / "truth")
    replace(root / "labels.csv", "photos/0.jpg,red,", "photos/0.jpg,blue,")
    assert split_digest(datasets.read("csv", root).train) != split_digest(first)


def test_unseen_labels_come_from_the_ground_truth_not_from_users(tmp_path: Path) -> None:
    """NUS-WIDE: a concept that is a user's tag too counts where people judged so."""
    root = miniatures.nuswide(tmp_path)
    path = next(root.rglob("Labels_white_Test.txt"))
    turned = "".join("0\n" if line == "1" else "1\n" for line in path.read_text().split())
    path.write_text(turned)
    data = datasets.read("nuswide", root)
    white = data.names.index("white")
    expected = [line == "1" for line in turned.split()]
    assert (data.test.truth[:, [white]].toarray()[:, 0] > 0).tolist() == expected
