"""Which files are one stack: every way of naming them that is known, and what must stay apart."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from qks_cli.photos.stacking import Candidate, leads, live_photos, stacks
from qks_cli.types import StackRole

NOON = "2023-06-01T12:00:00"


def shot(name: str, at: str | None = NOON, camera: str | None = "X100V") -> Candidate:
    """A photo with all that a camera notes; its id is given by ``found``."""
    return Candidate(0, "/p", name, 5_000_000, at, camera, exposed=True)


def named(name: str) -> Candidate:
    """A file of which nothing but its name is known."""
    folder, _, last = f"/p/{name}".rpartition("/")
    return Candidate(0, folder, last, 5_000_000)


def found(*files: Candidate) -> list[list[str]]:
    """Stacks, their members as name and role; whatever order the files come in."""
    numbered = [replace(one, id=number) for number, one in enumerate(files)]
    names = {one.id: one.name for one in numbered}
    results = []
    for order in (numbered, numbered[::-1]):
        results.append([[f"{names[x.id]} {x.role}" for x in members] for members in stacks(order)])
    assert results[0] == results[1]
    return results[0]


@pytest.mark.parametrize(
    ("names", "main_first"),
    [
        ("IMG_1.CR2 IMG_1.JPG", "IMG_1.JPG photo, IMG_1.CR2 raw"),
        ("img_1.nef IMG_1.jpeg", "IMG_1.jpeg photo, img_1.nef raw"),
        ("a.arw a.heic", "a.heic photo, a.arw raw"),
        ("a.cr3 a.dng", "a.cr3 photo, a.dng raw"),
        ("a.cr3 a.dng a.jpg", "a.jpg photo, a.cr3 raw, a.dng raw"),
        ("IMG_1.HEIC IMG_1.MOV", "IMG_1.HEIC photo, IMG_1.MOV live"),
        ("IMG_1.HEIC IMG_1.HEIC.MOV", "IMG_1.HEIC photo, IMG_1.HEIC.MOV live"),
        ("IMG_1.jpg IMG_1.mp4", "IMG_1.jpg photo, IMG_1.mp4 live"),
        ("a.heic a.mov a.dng", "a.heic photo, a.dng raw, a.mov live"),
        ("IMG_1234.HEIC IMG_E1234.HEIC", "IMG_E1234.HEIC edited, IMG_1234.HEIC photo"),
        (
            "IMG_1234.HEIC IMG_1234.MOV IMG_E1234.JPG IMG_E1234.MOV",
            "IMG_E1234.JPG edited, IMG_1234.HEIC photo, IMG_1234.MOV live, IMG_E1234.MOV live",
        ),
        ("IMG_1.jpg IMG_1-edited.jpg", "IMG_1-edited.jpg edited, IMG_1.jpg photo"),
        ("sea.jpg,sea (edited).jpg", "sea (edited).jpg edited, sea.jpg photo"),
        ("sea.jpg,sea-bearbeitet.jpg", "sea-bearbeitet.jpg edited, sea.jpg photo"),
        ("sea.jpg,sea-modifie\u0301.jpg", "sea-modifie\u0301.jpg edited, sea.jpg photo"),
        ("海.jpg,海-編集済み.jpg", "海-編集済み.jpg edited, 海.jpg photo"),
        ("PXL_1.jpg PXL_1~2.jpg", "PXL_1~2.jpg edited, PXL_1.jpg photo"),
        ("a.nef a-Edit.tif a-Edit-2.tif", "a-Edit-2.tif edited, a-Edit.tif edited, a.nef photo"),
        ("a.nef a-Edit-Edit.tif", "a-Edit-Edit.tif edited, a.nef photo"),
        ("a.nef a-NEF_DxO_DeepPRIME.dng", "a-NEF_DxO_DeepPRIME.dng edited, a.nef photo"),
        ("a.cr2 a-Enhanced-NR.dng a.jpg", "a.jpg photo, a-Enhanced-NR.dng edited, a.cr2 raw"),
        ("a.cr2 a.CR2.jpg", "a.CR2.jpg edited, a.cr2 photo"),
        ("a.cr2 darktable_exported/a.jpg", "a.jpg edited, a.cr2 photo"),
        (
            "PXL_1.RAW-01.COVER.jpg PXL_1.RAW-02.ORIGINAL.dng",
            "PXL_1.RAW-01.COVER.jpg photo, PXL_1.RAW-02.ORIGINAL.dng raw",
        ),
        (
            "00000IMG_00000_BURST20190101120000123.jpg "
            "00001IMG_00001_BURST20190101120000123_COVER.jpg",
            "00001IMG_00001_BURST20190101120000123_COVER.jpg burst, "
            "00000IMG_00000_BURST20190101120000123.jpg burst",
        ),
        (
            "IMG_20190101_120000_BURST010.jpg IMG_20190101_120000_BURST2.jpg",
            "IMG_20190101_120000_BURST2.jpg burst, IMG_20190101_120000_BURST010.jpg burst",
        ),
    ],
)
def test_names_that_belong_together(names: str, main_first: str) -> None:
    parts = names.split("," if "," in names else " ")
    assert found(*map(named, parts)) == [main_first.split(", ")]


@pytest.mark.parametrize(
    "names",
    [
        "IMG_1.jpg IMG_2.jpg",
        "IMG_1.jpg IMG_1.png",  # counters begin again, and screenshots count too
        "IMG_1.png IMG_1.mov",  # no camera makes live PNGs
        "a.jpg a.avi",
        "a-edited.jpg b.jpg",
        "credited.jpg cr.jpg",
        "unedited.jpg un.jpg",
        "a.jpg a-2.jpg",  # numbers alone say nothing
        "a.jpg a_01.jpg",
        "a.jpg b/a.jpg",
        "a.cr2 b/a.jpg",
        "a.mov a.mp4",
        "sunburst01.jpg sunburst02.jpg",
        "a.jpg a.xmp",
        ".jpg .cr2",
    ],
)
def test_names_that_say_too_little(names: str) -> None:
    assert found(*map(named, names.split())) == []


def test_a_film_beside_its_poster_is_no_live_photo() -> None:
    assert found(named("holiday.jpg"), replace(named("holiday.mp4"), size=900_000_000)) == []


def test_two_cameras_or_two_days_are_not_one_shot() -> None:
    jpeg = shot("IMG_1.JPG")
    assert found(jpeg, shot("IMG_1.CR2", camera="EOS R6")) == []
    assert found(jpeg, shot("IMG_1.CR2", "2021-06-01T12:00:00")) == []
    assert found(jpeg, shot("IMG_1-edited.jpg", camera="EOS R6")) == []
    # A clock that was put right in one of them, and a file without a date.
    assert len(found(jpeg, shot("IMG_1.CR2", "2023-06-01T14:00:00"))) == 1
    assert len(found(jpeg, shot("IMG_1.CR2", None, None))) == 1


def test_numbered_copies_need_the_same_second_and_camera() -> None:
    original, copy = shot("a.jpg"), shot("a-2.jpg")
    assert found(original, copy) == [["a-2.jpg edited", "a.jpg photo"]]
    assert found(shot("a.jpg"), shot("a (1).jpg")) == [["a (1).jpg edited", "a.jpg photo"]]
    assert found(shot("a.orf"), shot("a_01.jpg")) == [["a_01.jpg edited", "a.orf photo"]]
    assert found(original, shot("a-2.jpg", "2023-06-01T12:00:01")) == []
    assert found(original, shot("a-2.jpg", camera=None)) == []
    # Two shots of one second, as phones name them.
    assert found(shot("20230601_120000.jpg"), shot("20230601_120000_1.jpg")) == []


def test_converted_copies_of_one_name() -> None:
    assert found(shot("a.heic"), shot("a.jpg")) == [["a.jpg edited", "a.heic photo"]]
    assert found(shot("a.heic"), shot("a.jpg", camera=None)) == []


def burst(*seconds: int) -> list[Candidate]:
    return [
        shot(f"DSC_{number + 8}.JPG", f"2023-06-01T12:00:{second:02}")
        for number, second in enumerate(seconds)
    ]


def test_shots_within_a_second_are_a_burst() -> None:
    assert found(*burst(1, 1, 2, 2)) == [
        ["DSC_8.JPG burst", "DSC_9.JPG burst", "DSC_10.JPG burst", "DSC_11.JPG burst"]
    ]
    # Two bursts, and one shot between them.
    assert [len(x) for x in found(*burst(1, 1, 1, 5, 9, 9, 10))] == [3, 3]


def test_what_is_no_burst() -> None:
    assert found(*burst(1, 1)) == []  # two are not enough
    assert found(*burst(1, 3, 5)) == []
    assert found(*burst(*range(0, 50))) == []  # an interval timer
    assert found(*burst(*[7] * 25)) == []  # one date for all
    assert found(*(replace(x, exposed=False) for x in burst(1, 1, 1))) == []  # a scanner
    assert found(*(replace(x, camera=None) for x in burst(1, 1, 1))) == []
    assert found(*(replace(x, taken_at="2023-06-01T00:00:00") for x in burst(1, 1, 1))) == []
    two = [replace(x, camera=f"camera {i % 2}") for i, x in enumerate(burst(1, 1, 1, 1))]
    assert found(*two) == []


def test_a_burst_of_pairs_with_an_edited_copy_is_one_stack() -> None:
    pairs = [x for one in burst(1, 1, 1) for x in (one, replace(one, name=one.name[:-3] + "NEF"))]
    (members,) = found(*pairs, shot("DSC_9-Edit.tif"))
    assert members == [
        "DSC_8.JPG burst",
        "DSC_8.NEF raw",
        "DSC_9-Edit.tif edited",
        "DSC_9.JPG burst",
        "DSC_9.NEF raw",
        "DSC_10.JPG burst",
        "DSC_10.NEF raw",
    ]


def test_the_highest_rating_is_the_main_photo() -> None:
    one, two, three = burst(1, 1, 1)
    assert found(one, replace(two, rating=4), three)[0][0] == "DSC_9.JPG burst"
    raw = replace(shot("DSC_8.NEF"), rating=5)
    assert found(one, raw)[0][0] == "DSC_8.JPG photo"  # a raw file never is it beside a photo


def test_companions_know_their_photo() -> None:
    files = ["a.jpg", "a.cr2", "a.dng", "b.heic", "b.mov", "c.nef", "c.dng", "d.mov"]
    numbered = [replace(named(name), id=number) for number, name in enumerate(files)]
    assert leads(numbered) == {1: 0, 2: 0, 4: 3, 6: 5}
    (pair, _, _) = stacks(numbered)
    assert [(x.id, x.role, x.lead) for x in pair] == [
        (0, StackRole.photo, None),
        (1, StackRole.raw, 0),
        (2, StackRole.raw, 0),
    ]


def test_names_of_live_photos() -> None:
    assert live_photos("IMG_1.MOV")[0] == "img_1.heic"
    assert "img_1.jpg" in live_photos("IMG_1.HEIC.MOV")
    assert live_photos("IMG_1.avi") == live_photos(".mov") == []


@pytest.mark.parametrize(
    "stem", ["_dxo" * 60, "-edit" * 50, "(edited" * 30, "~1" * 100, "burst" * 50, "1" * 250]
)
def test_no_name_keeps_it_busy(stem: str) -> None:
    before = time.process_time()
    found(named(f"{stem}.jpg"), named(f"{stem[:-1]}.jpg"), named("\udcff.jpg"))
    assert time.process_time() - before < 1


def test_a_hundred_thousand_photos_take_seconds() -> None:
    draw = random.Random(1)
    files, at = [], 0
    for number in range(30_000):
        at += draw.choice((0, 0, 1, 7, 60))
        when = (datetime(2023, 1, 1) + timedelta(seconds=at)).isoformat()
        for suffix in ("JPG", "NEF", "MOV")[: draw.choice((2, 3))]:
            one = shot(f"DSC_{number}.{suffix}", when)
            files.append(replace(one, id=len(files), folder=f"/p/{number // 500}"))
    before = time.process_time()
    assert len(stacks(files)) > 10_000
    assert time.process_time() - before < 10  # 1.5 s here; a busy machine may take longer
