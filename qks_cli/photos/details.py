"""What a camera and its owner noted in a photo: time, camera, lens, exposure, place, rating.

exifread for JPEG and TIFF with Pillow as the fallback, Pillow first elsewhere (metadata.md,
Reading). Whatever is broken or senseless is left out; nothing here ever fails a photo.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from qks_cli.types import Details

EXIFREAD_FIRST = frozenset(".jpg .jpeg .jpe .jfif .tif .tiff .dng .nef .cr2 .arw".split())
HEIF = frozenset(".heic .heif".split())
XMP_LIMIT = 1 << 20  # bytes of a packet that is looked at for a rating
_EXIF, _GPS = 0x8769, 0x8825
_NAMES = {  # Pillow's numbers to exifread's names
    0x010F: "Image Make",
    0x0110: "Image Model",
    0x0132: "Image DateTime",
    0x4746: "Image Rating",
    0x829A: "EXIF ExposureTime",
    0x829D: "EXIF FNumber",
    0x8827: "EXIF ISOSpeedRatings",
    0x9003: "EXIF DateTimeOriginal",
    0x9004: "EXIF DateTimeDigitized",
    0x920A: "EXIF FocalLength",
    0xA434: "EXIF LensModel",
}
_GPS_NAMES = {
    1: "GPS GPSLatitudeRef",
    2: "GPS GPSLatitude",
    3: "GPS GPSLongitudeRef",
    4: "GPS GPSLongitude",
}
_RATING = re.compile(rb"<[^>]*\bRating\s*(?:=\s*[\"']|>)\s*(-?\d(?:\.\d+)?)\s*[\"'<]")


def read_details(path: Path) -> Details:
    """The details of one file; all None where there are none or it cannot be read."""
    suffix = path.suffix.lower()
    values: Mapping[str, Any] = {}
    xmp = b""
    if suffix in EXIFREAD_FIRST:
        values = _by_exifread(path)
    if not values or suffix not in EXIFREAD_FIRST or "Image Rating" not in values:
        pillow, xmp = _by_pillow(path, heif=suffix in HEIF)
        values = values or pillow
    return _details(values, xmp)


def _by_exifread(path: Path) -> Mapping[str, Any]:
    import exifread

    try:
        with path.open("rb") as stream:
            found: Mapping[str, Any] = exifread.process_file(
                stream, details=False, extract_thumbnail=False, builtin_types=True
            )
            return found
    except Exception:  # a parser of broken files raises whatever they make it raise
        return {}


def _by_pillow(path: Path, *, heif: bool) -> tuple[dict[str, Any], bytes]:
    from PIL import Image

    try:
        if heif:
            import pi_heif

            image: Image.Image = pi_heif.open_heif(path, convert_hdr_to_8bit=True)[0].to_pillow()
        else:
            image = Image.open(path)
        with image:
            xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
            exif = image.getexif()
            values = {_NAMES[tag]: value for tag, value in exif.items() if tag in _NAMES}
            inner = exif.get_ifd(_EXIF)
            values |= {_NAMES[tag]: value for tag, value in inner.items() if tag in _NAMES}
            gps = exif.get_ifd(_GPS)
            values |= {_GPS_NAMES[tag]: x for tag, x in gps.items() if tag in _GPS_NAMES}
            return values, xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    except Exception:  # as above
        return {}, b""


def _details(values: Mapping[str, Any], xmp: bytes) -> Details:
    rating = _number(values.get("Image Rating"))
    if rating is None and xmp:
        found = _RATING.search(xmp[:XMP_LIMIT])
        rating = float(found[1]) if found else None
    latitude = _degrees(values, "Latitude", 90)
    longitude = _degrees(values, "Longitude", 180)
    if latitude is None or longitude is None or (latitude == 0 and longitude == 0):
        latitude = longitude = None  # cameras without a fix write zeros
    iso = _number(values.get("EXIF ISOSpeedRatings"))
    return Details(
        taken_at=_time(values),
        camera=_camera(values),
        lens=_text(values.get("EXIF LensModel")),
        iso=None if iso is None or iso <= 0 else round(iso),
        aperture=_positive(values.get("EXIF FNumber")),
        exposure=_positive(values.get("EXIF ExposureTime")),
        focal=_positive(values.get("EXIF FocalLength")),
        latitude=latitude,
        longitude=longitude,
        rating=round(rating) if rating is not None and -1 <= rating <= 5 else None,
    )


def _time(values: Mapping[str, Any]) -> str | None:
    """The first sensible time, as the camera's clock showed it: ``2023-07-04T12:00:00``."""
    for name in ("EXIF DateTimeOriginal", "EXIF DateTimeDigitized", "Image DateTime"):
        digits = re.findall(r"\d+", _text(values.get(name)) or "")
        try:
            year, month, day, hour, minute, second = (int(x) for x in (digits + ["0"] * 3)[:6])
            if year > 1800:
                return datetime(year, month, day, hour, minute, second).isoformat()
        except ValueError:
            continue
    return None


def _camera(values: Mapping[str, Any]) -> str | None:
    make, model = _text(values.get("Image Make")), _text(values.get("Image Model"))
    if make and model and make.split()[0].casefold() not in model.casefold():
        return f"{make} {model}"
    return model or make


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    printable = "".join(char for char in value if char.isprintable())
    return " ".join(printable.split()) or None


def _number(value: Any) -> float | None:
    """A number, a fraction of two, or the first of a list of one of them."""
    try:
        if isinstance(value, (list, tuple)):
            if len(value) == 2 and all(isinstance(part, int) for part in value):
                return value[0] / value[1] if value[1] else None
            value = value[0]
        number = float(value)
    except (TypeError, ValueError, IndexError, ZeroDivisionError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _degrees(values: Mapping[str, Any], name: str, limit: float) -> float | None:
    parts = values.get(f"GPS GPS{name}")
    if not isinstance(parts, (list, tuple)) or not parts:
        return None
    numbers = [_number(part) for part in parts]
    if any(number is None for number in numbers):
        return None
    total = sum((number or 0.0) / 60**place for place, number in enumerate(numbers))
    if (_text(values.get(f"GPS GPS{name}Ref")) or "").upper() in ("S", "W"):
        total = -total
    return total if abs(total) <= limit else None
