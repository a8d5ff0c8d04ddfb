"""When a photo was taken: from what its camera noted, else from what programs noted, else from its
file's name. Each date carries its source, and the time zone where one is told."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST_YEAR = 1826  # of the oldest photo that is known
LAST_YEAR = 2100  # later ones are placeholders, as 9999
_FIRST_DIGITAL = 1990  # names of files carry no earlier years
_NUMBERS = re.compile(r"\d{1,9}")
_OFFSET = re.compile(r"(Z|UTC|GMT|[+-]\d?\d:?\d\d)$")
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d+")
_COMPACT = re.compile(r"^(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d)(\d\d)(\d\d))?")
_HALF = re.compile(r"([AaPp])\.?[Mm]\.?$")
# Halves of the day as phones set to Chinese, Japanese and Korean write them, before the time.
_EASTERN_HALF = re.compile("(上午|午前|오전)|下午|午後|오후")
_DATE = r"(?P<y>(?:19|20)\d\d)(?P<s>[-_.:]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)"
_HOUR = r"(?P<H>[01]\d|2[0-3]|\d(?=[-_.:hH]))"
_TIME = rf"{_HOUR}(?P<t>[-_.:hH]?)(?P<M>[0-5]\d)(?:(?P=t)|[mM])(?P<S>[0-5]\d)"
_NAMED = re.compile(
    rf"(?<!\d){_DATE}"
    rf"(?:(?:[-_ T.]|, | (?:at|um|om|à|alle|kl\.|às) )?{_TIME}"
    r"(?:\d{3})?(?!\d)(?:\W?(?P<half>[AaPp])[Mm])?|(?!\d))"
)
_TELEGRAM = re.compile(r"^photo_\d+@(?P<d>\d\d)-(?P<m>\d\d)-(?P<y>\d{4})_(.*)$")  # its exports
# Milliseconds since 1970, as many messengers name photos: FB_IMG_1642756530000, mmexport….
_EPOCH = re.compile(r"^(?:[A-Za-z][A-Za-z_. -]*)?(1\d{12})(?!\d)")


@dataclass(frozen=True, slots=True)
class Taken:
    """``at`` is ISO 8601 by the camera's clock, ``offset`` that clock's zone (``+02:00``) where it
    is known. ``source``: exif, xmp, iptc, gps, png or name."""

    at: str
    source: str
    offset: str | None = None


def first(candidates: Iterable[tuple[str, str | None, str | None]]) -> Taken | None:
    """The first sensible one of (source, text, offset): offsets in the text itself come first. A
    day without its time gets it from a later one."""
    day: Taken | None = None
    for source, text, offset in candidates:
        found = parse(text or "", source)
        if not found:
            continue
        if not found.offset:
            found = Taken(found.at, source, zone(offset))
        timed = not found.at.endswith("T00:00:00")
        if timed and (day is None or found.at[:10] == day.at[:10]):
            return found
        day = day or found
    return day


def parse(text: str, source: str) -> Taken | None:
    """A date and perhaps a time as Exif, XMP and PNG write them; None where it makes no sense.

    What is one too many is carried over, as clocks and programs mean it: 24:28:33 is half past
    midnight of the next day, second 60 the next minute.
    """
    text = text.strip("\0\ufeff \t\r\n").partition("[")[0]  # ISO 8601's [Europe/Vienna]
    if text[:1].isalpha():
        return _by_mail(text, source)
    text = _COMPACT.sub(_spaced, _FRACTION.sub("", text))
    east = _EASTERN_HALF.search(text)
    if east:
        text = f"{text[: east.start()]} {text[east.end() :]} {'AM' if east[1] else 'PM'}"
    half = _HALF.search(text)
    end = _OFFSET.search(text) if "T" in text or ":" in text[10:] else None
    numbers = [int(x) for x in _NUMBERS.findall(text[: end.start()] if end else text)]
    if not numbers or len(numbers) > 7 or len(_NUMBERS.findall(text)[0]) != 4 or "W" in text:
        return None
    year, month, day, hour, minute, second = (numbers + [1, 1][len(numbers) - 1 :] + [0] * 3)[:6]
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half[1] in "Pp" else 0)
    if not FIRST_YEAR <= year <= LAST_YEAR or hour > 24 or minute > 60 or second > 61:
        return None
    try:
        moment = datetime(year, month, day) + timedelta(hours=hour, minutes=minute, seconds=second)
    except (ValueError, OverflowError):
        return None
    return Taken(moment.isoformat(), source, zone(end[1]) if end else None)


def _spaced(found: re.Match[str]) -> str:
    """``20220121T101530`` as ``2022:01:21 10:15:30``."""
    year, month, day, *clock = found.groups()
    return f"{year}:{month}:{day}" + (" " + ":".join(clock) if clock[0] else "")


def zone(text: str | None) -> str | None:
    """``+02:00`` of ``+0200``, ``+02:00`` or ``Z``; None for what is no offset."""
    found = _OFFSET.fullmatch((text or "").strip().strip("\0"))
    if not found:
        return None
    if found[1].isalpha():
        return "+00:00"
    digits = found[1][1:].replace(":", "")
    hours, minutes = int(digits[:-2]), int(digits[-2:])
    return f"{found[1][0]}{hours:02}:{minutes:02}" if hours <= 14 and minutes < 60 else None


def of_name(stem: str) -> Taken | None:
    """The date in a file's name, as phones, messengers and programs for screenshots put it there:
    ``IMG-20220121-WA0004``, ``PXL_20220121_101530123``, ``Screenshot 2022-01-21 at 10.15.30``."""
    epoch = _EPOCH.match(stem)
    if epoch:
        moment = datetime.fromtimestamp(int(epoch[1]) / 1000, UTC)
        return _sensible(moment.replace(tzinfo=None, microsecond=0), "+00:00")
    stem = _TELEGRAM.sub(r"photo_\g<y>-\g<m>-\g<d>_\4", stem)
    for found in _NAMED.finditer(stem):
        year, month, day, hour, minute, second = (int(found[name] or 0) for name in "ymdHMS")
        if found["half"] and 1 <= hour <= 12:
            hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
        try:
            moment = datetime(year, month, day, hour, minute, second)
        except ValueError:
            continue
        # Pixel phones name photos by the clock of Greenwich.
        taken = _sensible(moment, "+00:00" if stem.startswith("PXL_") and found["H"] else None)
        if taken:
            return taken
    return None


def _sensible(moment: datetime, offset: str | None) -> Taken | None:
    if not _FIRST_DIGITAL <= moment.year <= datetime.now(UTC).year + 1:
        return None
    return Taken(moment.isoformat(), "name", offset)


def _by_mail(text: str, source: str) -> Taken | None:
    """``Fri, 21 Jan 2022 10:15:30 +0100``, as the PNG standard asks for."""
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment.year < FIRST_YEAR:
        return None
    offset = moment.strftime("%z") or None
    return Taken(moment.replace(tzinfo=None).isoformat(), source, zone(offset))
