"""What cameras noted in raw files that no reader of Exif knows (Minolta's, Sigma's), by the user's
own exiftool."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

_SECONDS = 5.0  # one file takes a third of a second
# exiftool's names to exifread's; the first of several that is there counts.
_NAMES = (
    ("Make", "Image Make"),
    ("Model", "Image Model"),
    ("ModifyDate", "Image DateTime"),
    ("Rating", "Image Rating"),
    ("DateTimeOriginal", "EXIF DateTimeOriginal"),
    ("CreateDate", "EXIF DateTimeDigitized"),
    ("OffsetTimeOriginal", "EXIF OffsetTimeOriginal"),
    ("LensModel", "EXIF LensModel"),
    ("ISO", "EXIF ISOSpeedRatings"),
    ("FNumber", "EXIF FNumber"),
    ("ExposureTime", "EXIF ExposureTime"),
    ("FocalLength", "EXIF FocalLength"),
)
_TEXTS = {"Image Make", "Image Model", "EXIF LensModel"}
_PLACES = (("GPSLatitude", "N", "S"), ("GPSLongitude", "E", "W"))


def by_exiftool(path: Path) -> dict[str, Any]:
    """Texts and numbers by exifread's names; empty where exiftool is not installed, takes too long
    or finds nothing."""
    program = shutil.which("exiftool")
    if program is None:
        return {}
    wanted = [f"-{name}" for name, *_ in (*_NAMES, *_PLACES)]
    try:
        # By its bytes, not by its name: exiftool takes "-x" for an option, and before 12.38 ran
        # what stands before a "|" at the end of a name.
        with path.open("rb") as stream:
            done = subprocess.run(
                [program, "-json", "-n", "-fast", *wanted, "-"],
                stdin=stream,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        (said,) = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError):
        return {}
    if not isinstance(said, dict):
        return {}
    values: dict[str, Any] = {}
    for own, name in _NAMES:
        value = said.get(own)
        if isinstance(value, (str, int, float)):  # a camera named by a number comes as one
            values[name] = str(value) if name in _TEXTS else value
    for own, above, below in _PLACES:
        degrees = said.get(own)
        if isinstance(degrees, (int, float)):  # signed
            values[f"GPS {own}"] = [float(abs(degrees))]
            values[f"GPS {own}Ref"] = below if degrees < 0 else above
    return values
