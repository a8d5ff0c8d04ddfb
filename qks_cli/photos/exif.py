"""Exif as plain values by exifread's names: exifread for JPEG, TIFF and RAW, else Pillow."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, BinaryIO

from PIL import Image, IptcImagePlugin

LONGEST = 256  # characters of a camera's name, or of another text
_EXIF, _GPS = 0x8769, 0x8825
_IPTC_DATE, _IPTC_TIME = (2, 55), (2, 60)
_NAMES = {  # Pillow's numbers to exifread's names
    0x010F: "Image Make",
    0x0110: "Image Model",
    0x0132: "Image DateTime",
    0x4746: "Image Rating",
    0x829A: "EXIF ExposureTime",
    0x829D: "EXIF FNumber",
    0x8827: "EXIF ISOSpeedRatings",
    0x8832: "EXIF RecommendedExposureIndex",
    0x8833: "EXIF ISOSpeed",
    0x9003: "EXIF DateTimeOriginal",
    0x9004: "EXIF DateTimeDigitized",
    0x9010: "EXIF OffsetTime",
    0x9011: "EXIF OffsetTimeOriginal",
    0x9012: "EXIF OffsetTimeDigitized",
    0x920A: "EXIF FocalLength",
    0xA434: "EXIF LensModel",
}
_GPS_NAMES = {
    1: "GPS GPSLatitudeRef",
    2: "GPS GPSLatitude",
    3: "GPS GPSLongitudeRef",
    4: "GPS GPSLongitude",
    7: "GPS GPSTimeStamp",
    29: "GPS GPSDate",
}
_WANTED = {*_NAMES.values(), *_GPS_NAMES.values()}
# What exifread finds odd is no news for a user: what cannot be read is left out.
logging.getLogger("exifread").addHandler(logging.NullHandler())
logging.getLogger("exifread").propagate = False


def by_exifread(stream: BinaryIO) -> dict[str, Any]:
    """Texts, numbers and lists of numbers, by name; empty where there is no Exif."""
    import exifread

    try:
        stream.seek(0)
        found = exifread.process_file(stream, details=False, extract_thumbnail=False)
    except TimeoutError:
        raise
    except Exception:  # a parser of broken files raises whatever they make it raise
        return {}
    return {name: _plain(found[name].values) for name in found if name in _WANTED}


def of_blocks(blocks: Sequence[bytes]) -> dict[str, Any]:
    """The same of several Exif blocks: a value comes from the first block that has it."""
    values: dict[str, Any] = {}
    for block in blocks:
        values = by_exifread(io.BytesIO(block)) | values
    return values


def by_pillow(exif: Image.Exif | None) -> dict[str, Any]:
    """The same, of what Pillow or libheif found."""
    if exif is None:
        return {}
    values: dict[str, Any] = {}
    try:
        for names, entries in (
            (_NAMES, exif),
            (_NAMES, exif.get_ifd(_EXIF)),
            (_GPS_NAMES, exif.get_ifd(_GPS)),
        ):
            values |= {names[tag]: _plain(x) for tag, x in dict(entries).items() if tag in names}
    except TimeoutError:
        raise
    except Exception:  # as above
        pass
    return values


def exif_of(block: bytes) -> Image.Exif:
    """A bare Exif block as Pillow reads it; empty where it cannot."""
    exif = Image.Exif()
    try:
        exif.load(b"Exif\0\0" + block)
    except Exception:  # a broken block is no reason to lose the rest
        return Image.Exif()
    return exif


def iptc_date(image: Any) -> str:
    """Date and time of creation in the IPTC of a JPEG or TIFF, ``20050929T165100+0000``, as far as
    they are there."""
    try:
        found: Any = IptcImagePlugin.getiptcinfo(image) or {}
        day, clock = (found.get(field, b"") for field in (_IPTC_DATE, _IPTC_TIME))
        both = [part[0] if isinstance(part, list) else part for part in (day, clock)]
        return "T".join(part[:16].decode("ascii") for part in both if part)
    except TimeoutError:
        raise
    except Exception:  # as above
        return ""


def text(values: Mapping[str, Any], name: str) -> str | None:
    """A value as one line of text; None where there is none."""
    value = values.get(name)
    if isinstance(value, bytes):
        value = _decoded(value.split(b"\0")[0])
    if not isinstance(value, str):
        return None
    printable = "".join(x if x.isprintable() else " " for x in value[: 4 * LONGEST])
    return " ".join(printable.split())[:LONGEST] or None


def _plain(value: Any) -> Any:
    """Fractions stay exact; those with a denominator of zero are no numbers: None."""
    if isinstance(value, (list, tuple)):
        parts = [_plain(part) for part in value]
        return parts[0] if len(parts) == 1 else parts
    if isinstance(value, str):
        return _repaired(value)
    if isinstance(value, bytes):
        return value
    if isinstance(value, Fraction):  # exifread's: one over zero has a denominator of zero
        return float(value) if value.denominator else None
    try:
        denominator = value.denominator
    except (AttributeError, ValueError):
        return value
    return float(value) if denominator else None


def _repaired(value: str) -> str:
    """Pillow reads Exif's text as Latin-1, though programs write UTF-8: where it is that, it is."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")
