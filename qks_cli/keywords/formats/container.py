"""What kind of file a photo is, by its first bytes, never by its name."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from qks_cli.keywords.errors import Refusal
from qks_cli.keywords.formats import tiff
from qks_cli.photos.suffixes import RAW


class Kind(StrEnum):
    """Containers that keywords may go into; ``tiff`` is DNG too."""

    jpeg = "jpeg"
    png = "png"
    webp = "webp"
    tiff = "tiff"


EMBEDDED = frozenset({Kind.jpeg, Kind.png, Kind.webp})  # by our own splicers
BY_EXIFTOOL = frozenset({Kind.tiff})
SENSOR_DATA = (32803, 34892)  # PhotometricInterpretation: colour filter array, linear raw


def kind_of(path: Path) -> Kind | None:
    """The kind of a file; None for any other. Raises ``Refusal`` where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return kind_of_bytes(stream.read(16))
    except OSError as error:
        raise Refusal(error.strerror or str(error), sidecar=False) from error


def kind_of_bytes(data: bytes) -> Kind | None:
    """The kind of a file that begins like this."""
    if data[:2] == b"\xff\xd8":
        return Kind.jpeg
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return Kind.png
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Kind.webp
    if tiff.order_of(data) is not None and data[8:10] != b"CR":  # Canon's CR2
        return Kind.tiff
    return None


def check_tiff(path: Path, data: bytes) -> str:
    """The suffix that a TIFF or DNG goes by, ``.tif`` or ``.dng``.

    Raises ``Refusal`` for raw files of a maker's own: they are TIFFs too, but nobody knows what
    else would have to move in them."""
    if tiff.value(data, tiff.DNG_VERSION) is not None:
        return ".dng"
    order = tiff.order_of(data) or "<"
    for entries in tiff.directories(data):
        for entry in entries:
            if entry.tag == tiff.PHOTOMETRIC and set(SENSOR_DATA) & set(
                tiff.numbers(data, entry, order)
            ):
                raise Refusal("keywords are not put into raw files")
    if path.suffix.lower() in RAW - {".dng"}:
        raise Refusal("keywords are not put into raw files")
    return ".tif"
