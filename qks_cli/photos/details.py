"""What a camera and its owner noted in a photo: time, camera, lens, exposure, place, rating.

From Exif first, then XMP, IPTC, a PNG's texts, at last the file's name; of raw files without Exif
by exiftool, where that is installed. Whatever is broken or senseless is left out; nothing here ever
fails a photo.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qks_cli.errors import PhotoError
from qks_cli.photos import dates, exif, xmp
from qks_cli.photos.exiftool import by_exiftool
from qks_cli.photos.limits import Limits
from qks_cli.photos.opened import PhotoFile, opened
from qks_cli.photos.pictures import AnyPicture, Notes, open_picture
from qks_cli.photos.recognise import JPEG, RAW, TIFF, VIDEOS
from qks_cli.photos.segments import exif_blocks
from qks_cli.types import Details

_BY_EXIFREAD = (JPEG, TIFF, RAW)  # elsewhere it misses dates that Pillow finds
# A raw file that has none of these is of a kind that neither of the two knows.
_TELLING = {"EXIF DateTimeOriginal", "Image DateTime", "Image Model"}
# More than any camera has.
_F_NUMBERS, _SECONDS, _MILLIMETRES = 1000.0, 1e7, 1e5
_ISO_BEYOND = 65535  # the most that Exif's first place for it holds
_WIDE_ISO = ("RecommendedExposureIndex", "ISOSpeed")
_SIDES = {"Latitude": ("N", "S"), "Longitude": ("E", "W")}
_PNG_TIMES = ("creation time", "creationtime", "create-date", "date taken")


def read_details(path: Path, *, limits: Limits | None = None) -> Details:
    """The details of one file; all None where there are none or it cannot be read."""
    try:
        with opened(path, whole=False) as file:
            return details_of(file, open_picture(file, limits or Limits()))
    except PhotoError:
        return Details()


def read_packet(path: Path) -> bytes:
    """The XMP packet that stands in one file; empty where there is none or it cannot be read.
    No pixels are decoded, so that no picture is too large."""
    try:
        with opened(path, whole=False) as file:
            return open_picture(file, Limits(decoded_mb=math.inf)).notes.xmp
    except PhotoError:
        return b""


def details_of(file: PhotoFile, picture: AnyPicture) -> Details:
    """The details of an opened photo."""
    if file.format in VIDEOS:
        from qks_cli.photos.video import VideoPicture
        from qks_cli.photos.video_details import video_details

        assert isinstance(picture, VideoPicture)
        return video_details(picture.metadata, picture.duration, file.path.stem)
    notes = picture.notes
    values = exif.by_exifread(file.stream) if file.format in _BY_EXIFREAD else {}
    if file.format is JPEG and len(blocks := exif_blocks(file.stream)) > 1:
        values = exif.of_blocks(blocks)
    values = values or exif.by_pillow(notes.exif)
    if file.format is RAW and not _TELLING & values.keys() and isinstance(file.path, Path):
        values = by_exiftool(file.path) or values
    packet = xmp.properties(notes.xmp)
    latitude, longitude = _place(values, packet)
    taken = _taken(values, packet, notes) or dates.of_name(file.path.stem)
    rating = _number(values.get("Image Rating"))
    if rating is None:
        rating = _number(packet.get("xmp:Rating"))
    iso = _iso(values)
    return Details(
        taken_at=taken.at if taken else None,
        taken_from=taken.source if taken else None,
        taken_offset=taken.offset if taken else None,
        camera=_camera(values, packet),
        lens=exif.text(values, "EXIF LensModel")
        or exif.text(packet, "exifEX:LensModel")
        or exif.text(packet, "aux:Lens"),
        iso=None if iso is None or iso <= 0 else round(iso),
        aperture=_positive(_F_NUMBERS, values.get("EXIF FNumber"), packet.get("exif:FNumber")),
        exposure=_positive(
            _SECONDS, values.get("EXIF ExposureTime"), packet.get("exif:ExposureTime")
        ),
        focal=_positive(
            _MILLIMETRES, values.get("EXIF FocalLength"), packet.get("exif:FocalLength")
        ),
        latitude=latitude,
        longitude=longitude,
        rating=round(rating) if rating is not None and -1 <= rating <= 5 else None,
    )


def _taken(
    values: Mapping[str, Any], packet: Mapping[str, str], notes: Notes
) -> dates.Taken | None:
    """The first sensible time: taken, then made digital, then written."""

    def noted(name: str, offset: str) -> tuple[str, str | None, str | None]:
        return "exif", exif.text(values, f"EXIF {name}"), exif.text(values, f"EXIF {offset}")

    png = next((value for key, value in notes.texts.items() if key.lower() in _PNG_TIMES), None)
    return dates.first(
        (
            noted("DateTimeOriginal", "OffsetTimeOriginal"),
            ("xmp", packet.get("exif:DateTimeOriginal"), None),
            ("xmp", packet.get("photoshop:DateCreated"), None),
            ("iptc", notes.iptc_date, None),
            noted("DateTimeDigitized", "OffsetTimeDigitized"),
            ("xmp", packet.get("exif:DateTimeDigitized"), None),
            ("xmp", packet.get("xmp:CreateDate"), None),
            ("exif", exif.text(values, "Image DateTime"), exif.text(values, "EXIF OffsetTime")),
            ("png", png, None),
            ("gps", _gps_time(values), "+00:00"),
        )
    )


def _gps_time(values: Mapping[str, Any]) -> str | None:
    """The satellites' clock, in Greenwich's time."""
    day, clock = exif.text(values, "GPS GPSDate"), values.get("GPS GPSTimeStamp")
    if not day or not isinstance(clock, list) or len(clock) != 3:
        return None
    parts = [_number(part) for part in clock]
    if any(part is None for part in parts):
        return None
    hour, minute, second = (int(part or 0) for part in parts)
    return f"{day} {hour:02}:{minute:02}:{second:02}"


def _camera(values: Mapping[str, Any], packet: Mapping[str, str]) -> str | None:
    make = exif.text(values, "Image Make") or exif.text(packet, "tiff:Make")
    model = exif.text(values, "Image Model") or exif.text(packet, "tiff:Model")
    if make and model and make.split()[0].casefold() not in model.casefold():
        return f"{make} {model}"
    return model or make


def _number(value: Any) -> float | None:
    """A number, a fraction in text (``1/250``), or the first of a list."""
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    try:
        above, slash, below = value.partition("/") if isinstance(value, str) else (value, "", "")
        number = float(above) / (float(below) if slash else 1.0)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _positive(most: float, *values: Any) -> float | None:
    """The first sensible number: above zero, and not what stands for "unknown" or "infinite"."""
    numbers = (_number(value) for value in values)
    return next((x for x in numbers if x is not None and 0 < x <= most), None)


def _iso(values: Mapping[str, Any]) -> float | None:
    """The sensitivity; where two bytes were too few for it (65535), from where there are four."""
    iso = _number(values.get("EXIF ISOSpeedRatings"))
    if iso != _ISO_BEYOND:
        return iso
    further = (_number(values.get(f"EXIF {name}")) for name in _WIDE_ISO)
    return next((x for x in further if x is not None and x >= _ISO_BEYOND), iso)


def _place(
    values: Mapping[str, Any], packet: Mapping[str, str]
) -> tuple[float | None, float | None]:
    """Latitude and longitude, both or neither. Cameras without a fix write zeros."""
    for latitude, longitude in (
        (_degrees(values, "Latitude", 90), _degrees(values, "Longitude", 180)),
        (_xmp_degrees(packet, "Latitude", 90), _xmp_degrees(packet, "Longitude", 180)),
    ):
        if latitude is not None and longitude is not None and (latitude, longitude) != (0, 0):
            return latitude, longitude
    return None, None


def _degrees(values: Mapping[str, Any], name: str, limit: float) -> float | None:
    parts = values.get(f"GPS GPS{name}")
    parts = [parts] if isinstance(parts, float) else parts
    if not isinstance(parts, list) or not parts or len(parts) > 3:
        return None
    total, sign = 0.0, 1
    for place, part in enumerate(parts):
        number = _number(part)
        if number is None or (place and not 0 <= number <= 60):
            return None
        if place == 0 and number < 0:
            number, sign = -number, -1
        total += number / 60**place
    # Without a letter nobody knows on which side of the equator, or of Greenwich, it is.
    side = (exif.text(values, f"GPS GPS{name}Ref") or "")[:1].upper()
    if total > limit or side not in _SIDES[name]:
        return None
    return -total if side in _SIDES[name][1] else sign * total


def _xmp_degrees(packet: Mapping[str, str], name: str, limit: float) -> float | None:
    """``48,12.5N`` or ``48,12,30N``, as XMP writes places; also degrees alone, signed."""
    text = packet.get(f"exif:GPS{name}", "").strip().upper()
    alone = _number(text)
    if alone is not None and "/" not in text:
        return alone if abs(alone) <= limit else None
    if text[-1:] not in ("N", "S", "E", "W"):
        return None
    parts = [_number(part) for part in text[:-1].split(",")]
    if not 1 <= len(parts) <= 3 or any(part is None or part < 0 for part in parts):
        return None
    total = sum((part or 0.0) / 60**place for place, part in enumerate(parts))
    return (-total if text[-1] in "SW" else total) if total <= limit else None
