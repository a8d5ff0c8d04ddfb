"""What a video's container says of it: when, where and by which camera it was taken, how long it
is."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qks_cli.photos import dates, exif
from qks_cli.types import Details

# By the camera's clock first; creation_time is that of Greenwich.
_TIMES = ("com.apple.quicktime.creationdate", "date", "creation_time", "date_digitized")
_UNSET = ("1904-01-01", "1970-01-01")  # where the clocks of containers begin
_MAKES = ("com.apple.quicktime.make", "make", "com.android.manufacturer")
_MODELS = ("com.apple.quicktime.model", "model", "com.android.model")
_PLACES = ("com.apple.quicktime.location.iso6709", "location", "location-eng")
_ISO_6709 = re.compile(
    r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)(?:[+-][\d.]+)?(?:CRS\w*)?/?"
)


def video_details(metadata: Mapping[str, str], duration: float | None, stem: str) -> Details:
    """Details of a video by its ``metadata``, names in lower case; the date in its file's name
    (``stem``) where the file tells none. What makes no sense is left out."""
    times = (metadata.get(name) for name in _TIMES)
    told = (text for text in times if text and not text.startswith(_UNSET))
    taken = dates.first(("video", text, None) for text in told)
    taken = taken or dates.of_name(stem)
    latitude, longitude = _place(metadata)
    make, model = _first(metadata, _MAKES), _first(metadata, _MODELS)
    if make and model and make.split()[0].casefold() not in model.casefold():
        model = f"{make} {model}"
    return Details(
        taken_at=taken.at if taken else None,
        taken_from=taken.source if taken else None,
        taken_offset=taken.offset if taken else None,
        camera=model or make,
        latitude=latitude,
        longitude=longitude,
        duration=None if duration is None else round(duration, 3),
    )


def _first(metadata: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    texts = (exif.text(metadata, name) for name in names)
    return next((text for text in texts if text), None)


def _place(metadata: Mapping[str, str]) -> tuple[float | None, float | None]:
    for name in _PLACES:
        found = _ISO_6709.fullmatch(metadata.get(name, "").strip())
        if found:
            latitude, longitude = float(found[1]), float(found[2])
            within = abs(latitude) <= 90 and abs(longitude) <= 180
            if within and (latitude, longitude) != (0, 0):
                return latitude, longitude
    return None, None
