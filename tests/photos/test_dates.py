from __future__ import annotations

import pytest

from qks_cli.photos.dates import Taken, of_name, parse, zone


@pytest.mark.parametrize(
    ("text", "at", "offset"),
    [
        ("2023:07:04 12:30:00", "2023-07-04T12:30:00", None),
        ("2014:07:09 24:28:33", "2014-07-10T00:28:33", None),
        ("2014:12:31 23:59:60", "2015-01-01T00:00:00", None),
        ("2014:12:31 23:60:10", "2015-01-01T00:00:10", None),
        ("2023:07:04 12:30", "2023-07-04T12:30:00", None),
        ("2023:07:04", "2023-07-04T00:00:00", None),
        ("2023-07-04T12:30:00.123+02:00", "2023-07-04T12:30:00", "+02:00"),
        ("2023-07-04T12:30:00Z", "2023-07-04T12:30:00", "+00:00"),
        ("2023-07-04T12:30-0530", "2023-07-04T12:30:00", "-05:30"),
        ("2023:07:04 12:30:00+02:00", "2023-07-04T12:30:00", "+02:00"),
        ("2023/07/04 12:30:00\0", "2023-07-04T12:30:00", None),
        ("1985", "1985-01-01T00:00:00", None),
        ("1985-06", "1985-06-01T00:00:00", None),
        ("Fri, 21 Jan 2022 10:15:30 +0100", "2022-01-21T10:15:30", "+01:00"),
    ],
)
def test_dates_as_they_are_written(text: str, at: str, offset: str | None) -> None:
    assert parse(text, "exif") == Taken(at, "exif", offset)


@pytest.mark.parametrize(
    "text",
    [
        "0000:00:00 00:00:00",
        "    :  :     :  :  ",
        "2023:13:04 12:30:00",
        "2023:02:30 12:30:00",
        "2023:07:04 25:00:00",
        "2023:07:04 12:61:00",
        "2023:07:04 12:30:99",
        "1600:01:01 00:00:00",
        "9999:12:31 24:00:00",
        "04.07.2023",
        "yesterday",
        "",
        "9" * 5000,
    ],
)
def test_senseless_dates_are_none(text: str) -> None:
    assert parse(text, "exif") is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("+02:00", "+02:00"),
        ("-0330", "-03:30"),
        ("Z", "+00:00"),
        ("+99:00", None),
        ("2", None),
        (None, None),
    ],
)
def test_time_zones(text: str | None, found: str | None) -> None:
    assert zone(text) == found


@pytest.mark.parametrize(
    ("stem", "at", "offset"),
    [
        ("IMG-20220121-WA0004", "2022-01-21T00:00:00", None),
        ("IMG_20220121_101530", "2022-01-21T10:15:30", None),
        ("IMG_20220121_101530_HDR", "2022-01-21T10:15:30", None),
        ("20220121_101530(1)", "2022-01-21T10:15:30", None),
        ("20220121101530", "2022-01-21T10:15:30", None),
        ("PXL_20220121_101530123", "2022-01-21T10:15:30", "+00:00"),
        ("Screenshot_2022-01-21-10-15-30", "2022-01-21T10:15:30", None),
        ("Screenshot 2022-01-21 at 10.15.30", "2022-01-21T10:15:30", None),
        ("Screenshot 2022-01-21 at 10.15.30 PM", "2022-01-21T22:15:30", None),
        ("Screen Shot 2022-01-21 at 9.15.30 PM", "2022-01-21T21:15:30", None),
        ("WIN_20220121_10_15_30_Pro", "2022-01-21T10:15:30", None),
        ("WhatsApp Image 2022-01-21 at 10.15.30", "2022-01-21T10:15:30", None),
        ("signal-2022-01-21-101530", "2022-01-21T10:15:30", None),
        ("photo_2022-01-21_10-15-30", "2022-01-21T10:15:30", None),
        ("2022-01-21 10.15.30-2", "2022-01-21T10:15:30", None),
        ("2022.01.21 Zoo", "2022-01-21T00:00:00", None),
        ("FB_IMG_1642756530000", "2022-01-21T09:15:30", "+00:00"),
        ("mmexport1642756530000", "2022-01-21T09:15:30", "+00:00"),
    ],
)
def test_dates_in_names(stem: str, at: str, offset: str | None) -> None:
    assert of_name(stem) == Taken(at, "name", offset)


@pytest.mark.parametrize(
    "stem",
    [
        "IMG_0004",
        "DSC00012345678",
        "IMG_20229921",
        "12345678",
        "19020121",
        "99991231",
        "holiday 2022",
        "IMG_120220121",
        "FB_IMG_9999999999999",
        "2022-01.21",
    ],
)
def test_other_numbers_in_names_are_no_dates(stem: str) -> None:
    assert of_name(stem) is None
