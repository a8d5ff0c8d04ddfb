"""Filters of the query language as SQL conditions over ``photos``."""

from __future__ import annotations

import calendar
import math
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.library import texts
from qks_cli.library.database import Database
from qks_cli.library.stacks import KINDS
from qks_cli.search.grammar import Filter, QueryError
from qks_cli.wording import did_you_mean

EARTH_KM = 6371.0


@dataclass(frozen=True, slots=True)
class Condition:
    """An SQL condition with its values. ``parts`` are what it is ``joined`` of (AND, OR, NOT);
    ``on_path`` tells the same from a folded path, where the path alone decides."""

    sql: str
    values: tuple[object, ...] = ()
    parts: tuple[Condition, ...] = ()
    joined: str = ""
    on_path: Callable[[str], bool] | None = field(default=None, compare=False)


def joined(parts: Sequence[Condition], word: str) -> Condition:
    """Several conditions as one; ``word`` is AND or OR."""
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    values = tuple(value for part in parts for value in part.values)
    return Condition(f"({sql})", values, tuple(parts), word)


def opposite(of: Condition) -> Condition:
    """What is unknown of a photo does not pass a condition, so it passes its opposite."""
    return Condition(f"NOT coalesce(({of.sql}), 0)", of.values, (of,), "NOT")


TAGGED = "EXISTS (SELECT 1 FROM tags JOIN shown_labels ON shown_labels.id = tags.label_id"
_HAS = {
    "tags": f"{TAGGED} WHERE photo_id = photos.id)",
    "date": "taken_at IS NOT NULL",
    "camera": "camera IS NOT NULL",
    "lens": "lens IS NOT NULL",
    "gps": "latitude IS NOT NULL",
    "place": "coalesce(place_id, 0) IN (SELECT id FROM places WHERE places.name != '')",
    "rating": "rating IS NOT NULL",
    "video": "duration IS NOT NULL OR photos.id IN (SELECT photo_id FROM moments)",
    "text": "photos.id IN (SELECT id FROM text_list)",
    "stack": "id IN (SELECT photo_id FROM stack_members)",
}
_SHAPES = {"portrait": "height > width", "landscape": "width > height", "square": "width = height"}
_NUMBERS = ("iso", "aperture", "focal", "exposure", "width", "height", "rating", "duration")
PLACES = ("place", "country")  # filters that need the places of photos to be named
SCORED = ("tag", "like", "score")  # filters that are scores, not conditions


def needs_places(filter: Filter) -> bool:
    """Whether photos' places have to be named before this filter can tell."""
    return filter.name in PLACES or (filter.name in ("has", "missing") and filter.value == "place")


def condition(filter: Filter, query: str) -> Condition:
    """The condition of one filter. Raises ``QueryError`` that points at it."""

    def refuse(problem: str) -> QueryError:
        return QueryError(problem, query, filter.at)

    name, value = filter.name, filter.value
    if name in _NUMBERS:
        return _number(name, value, refuse)
    maker = _MAKERS.get(name)
    if maker is None:
        known = sorted({*_MAKERS, *_NUMBERS, *SCORED})
        meant = did_you_mean(name, known, else_say=f"there are {', '.join(known)}")
        raise refuse(f"no filter '{name}' ({meant}); put words with ':' in quotes")
    return maker(value, refuse)


_Refuse = Callable[[str], Exception]


def _none_of(value: str, known: Iterable[str]) -> str:
    meant = did_you_mean(value, known)
    return f"'{value}' is none of {', '.join(known)}" + (f"; {meant}" if meant else "")


def _has(value: str, refuse: _Refuse) -> Condition:
    if value not in _HAS:
        raise refuse(_none_of(value, _HAS))
    return Condition(_HAS[value])


def _missing(value: str, refuse: _Refuse) -> Condition:
    return Condition(f"NOT ({_has(value, refuse).sql})")


def _stack(value: str, refuse: _Refuse) -> Condition:
    """Photos of stacks that hold a member of a kind, of any stack, or of none."""
    if value not in (known := ("any", "no", *KINDS)):
        raise refuse(_none_of(value, known))
    if value in ("any", "no"):
        return Condition(_HAS["stack"] if value == "any" else f"NOT ({_HAS['stack']})")
    return Condition(
        "id IN (SELECT photo_id FROM stack_members WHERE stack_id IN "
        "(SELECT stack_id FROM stack_members WHERE role = ?))",
        (value,),
    )


def _part_of(column: str) -> Callable[[str, _Refuse], Condition]:
    def make(value: str, refuse: _Refuse) -> Condition:
        return Condition(f"instr({folded(column)}, ?) > 0", (fold(value),))

    return make


def _folder(value: str, refuse: _Refuse) -> Condition:
    """A whole path, or folder names anywhere in one."""
    name = value.rstrip("/") or "/"
    if name.startswith(("/", "~", ".")):
        whole = os.path.abspath(Path(name).expanduser())  # noqa: PTH100 - links as written
        start = fold(whole).rstrip("/") + "/"
        sql = f"substr({folded('path')}, 1, ?) = ?"
        return _under_any_name(sql, len(start), start, on_path=lambda path: path.startswith(start))
    return folder_condition(name)


def folded(column: str) -> str:
    """SQL for a column, folded for comparing.

    A text with as many bytes as characters is ASCII, which SQLite folds alone: a call of Python for
    each of 100,000 paths takes longer than all the rest of a search."""
    ascii_only = f"typeof({column}) = 'text' AND length({column}) = length(CAST({column} AS BLOB))"
    return f"CASE WHEN {ascii_only} THEN lower({column}) ELSE qks_fold({column}) END"


def folder_condition(name: str) -> Condition:
    """Photos below a folder of this name, however deep."""
    inside = f"/{fold(name)}/"
    sql = f"instr({folded('path')}, ?) > 0"
    return _under_any_name(sql, inside, on_path=lambda path: inside in path)


def _under_any_name(
    sql: str, *values: object, on_path: Callable[[str], bool] | None = None
) -> Condition:
    """A condition over ``path``, for a photo's own path and for the links that lead to it."""
    both = f"({sql}) OR id IN (SELECT photo_id FROM names WHERE {sql})"
    return Condition(both, (*values, *values), on_path=on_path)


def _name(value: str, refuse: _Refuse) -> Condition:
    """A glob for the file's name, without regard to case."""
    pattern = fold(value) if any(char in value for char in "*?[") else f"*{fold(value)}*"
    return _under_any_name(f"qks_name({folded('path')}) GLOB ?", pattern)


def _type(value: str, refuse: _Refuse) -> Condition:
    ending = f".{fold(value.removeprefix('.'))}"
    return Condition(f"substr({folded('path')}, ?) = ?", (-len(ending), ending))


def _shape(value: str, refuse: _Refuse) -> Condition:
    if value not in _SHAPES:
        raise refuse(_none_of(value, _SHAPES))
    return Condition(_SHAPES[value])


def _gps(value: str, refuse: _Refuse) -> Condition:
    found = re.fullmatch(r"(-?[\d.]+),(-?[\d.]+)~([\d.]+)(km|m)", value)
    try:
        if found is None:
            raise ValueError
        latitude, longitude, distance = (float(found[part]) for part in (1, 2, 3))
    except ValueError:
        raise refuse("a place is latitude,longitude~distance: gps:48.2,16.4~20km") from None
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise refuse("a latitude goes to 90, a longitude to 180 degrees")
    km = distance / 1000 if found[4] == "m" else distance
    reach = math.degrees(km / EARTH_KM)
    # The haversine of the distance against that of the limit; the band of latitudes comes first.
    sql = "latitude BETWEEN ? AND ? AND qks_haversine(latitude, longitude, ?, ?) <= ?"
    return Condition(sql, (latitude - reach, latitude + reach, latitude, longitude, km))


def _place(value: str, refuse: _Refuse) -> Condition:
    """A town, county, region or country whose name holds these words."""
    words = _words(value)
    if not words:
        raise refuse(f"'{value}' names no place")
    joined = "name || char(10) || county || char(10) || region || char(10) || country"
    return Condition(
        f"place_id IN (SELECT id FROM places WHERE qks_has_words({joined}, ?))", (words,)
    )


def _country(value: str, refuse: _Refuse) -> Condition:
    """A country by its code of two letters, or by the words of its name."""
    words = _words(value)
    if not words:
        raise refuse(f"'{value}' names no country: country:at, country:austria")
    code = _CODES.get(words.strip(), words.strip())
    if len(code) == 2:
        return Condition("place_id IN (SELECT id FROM places WHERE lower(code) = ?)", (code,))
    return Condition(
        "place_id IN (SELECT id FROM places WHERE qks_has_words(country, ?))", (words,)
    )


def _text(value: str, refuse: _Refuse) -> Condition:
    """Words that were read in the photo, one right after the other."""
    wanted = texts.phrase(value)
    if not wanted:
        raise refuse(f"'{value}' is not text: text:exit, text:\"gate 12\", text:invoic*")
    return Condition(f"photos.id IN ({texts.FOUND})", (wanted,))


_CODES = {"uk": "gb", "usa": "us"}  # codes that people write, and those that there are


def _words(text: str) -> str:
    """The words of a name without accents, each between blanks; lines stay apart."""
    lines = []
    for line in fold(text).split("\n"):
        plain = unicodedata.normalize("NFD", line.replace("ß", "ss"))
        bare = "".join(char for char in plain if not unicodedata.combining(char))
        lines.append(" ".join(re.findall(r"\w+", bare)))
    return "".join(f" {line} \n" for line in lines if line).rstrip("\n")


def _has_words(names: str, words: str) -> bool:
    return words in _words(names)


def add_functions(library: Database) -> None:
    """Make callable in SQL what the conditions call."""
    library.add_function("qks_has_words", _has_words, 2)
    library.add_function("qks_haversine", haversine_km, 4)
    library.add_function("qks_name", lambda path: path.rpartition("/")[2], 1)


def haversine_km(latitude: float, longitude: float, other: float, beside: float) -> float:
    """Distance of two places in km, given in degrees."""
    one, two = math.radians(latitude), math.radians(other)
    half = math.sin((two - one) / 2) ** 2
    half += math.cos(one) * math.cos(two) * math.sin(math.radians(beside - longitude) / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))


def _number(name: str, value: str, refuse: _Refuse) -> Condition:
    def parse(text: str) -> float:
        try:
            text = text.removeprefix("f/")
            if "/" in text:
                above, below = text.split("/")
                return float(above) / float(below)
            return float(text)
        except (ValueError, ZeroDivisionError):
            raise refuse(f"'{text}' is not a number") from None

    low, high, strict_low, strict_high = bounds(value, refuse)
    parts, values = [f"{name} IS NOT NULL"], []
    # A millionth of slack: 1/250 and f/2.8 are stored as the nearest floating-point numbers.
    if low:
        number = parse(low)
        parts.append(f"{name} > ?" if strict_low else f"{name} >= ?")
        values.append(number + abs(number) * (1e-6 if strict_low else -1e-6))
    if high:
        number = parse(high)
        parts.append(f"{name} < ?" if strict_high else f"{name} <= ?")
        values.append(number + abs(number) * (-1e-6 if strict_high else 1e-6))
    return Condition(" AND ".join(parts), tuple(values))


def _date(value: str, refuse: _Refuse) -> Condition:
    low, high, strict_low, strict_high = bounds(value, refuse)
    parts, values = ["taken_at IS NOT NULL"], []
    if low:
        first, after = _period(low, refuse)
        parts.append("taken_at >= ?")
        values.append(after if strict_low else first)
    if high:
        first, after = _period(high, refuse)
        parts.append("taken_at < ?")
        values.append(first if strict_high else after)
    return Condition(" AND ".join(parts), tuple(values))


def date_condition(value: str) -> Condition | None:
    """Photos taken in a year, month or day; None where that is none (2023-02-31)."""
    try:
        return _date(value, ValueError)
    except ValueError:
        return None


def _period(text: str, refuse: _Refuse) -> tuple[str, str]:
    """A year, month or day: its first moment, and the first one after it."""
    try:
        numbers = [int(part) for part in text.split("-")]
        if len(numbers) == 1:
            year = numbers[0]
            return datetime(year, 1, 1).isoformat(), datetime(year + 1, 1, 1).isoformat()
        if len(numbers) == 2:
            year, month = numbers
            first = datetime(year, month, 1)
            days = calendar.monthrange(year, month)[1]
            return first.isoformat(), (first + timedelta(days=days)).isoformat()
        day = datetime(*numbers)  # type: ignore[arg-type]
        return day.isoformat(), (day + timedelta(days=1)).isoformat()
    except (ValueError, TypeError, OverflowError):
        raise refuse(f"'{text}' is not a date: 2023, 2023-06 or 2023-06-15") from None


def bounds(value: str, refuse: _Refuse) -> tuple[str, str, bool, bool]:
    """Low and high ('' where open), and whether each is left out: of ``>x``, ``x..y``, ``x`` …"""
    for sign, strict in ((">=", False), ("<=", False), (">", True), ("<", True), ("=", False)):
        if value.startswith(sign):
            text = value[len(sign) :]
            if not text:
                raise refuse(f"nothing after '{sign}'")
            if sign == "=":
                return text, text, False, False
            return (text, "", strict, False) if sign[0] == ">" else ("", text, False, strict)
    low, dots, high = value.partition("..")
    if not dots:
        return value, value, False, False
    if not low and not high:
        raise refuse("a range needs at least one end")
    return low, high, False, False


_MAKERS: dict[str, Callable[[str, _Refuse], Condition]] = {
    "date": _date,
    "camera": _part_of("camera"),
    "lens": _part_of("lens"),
    "gps": _gps,
    "place": _place,
    "country": _country,
    "folder": _folder,
    "name": _name,
    "type": _type,
    "shape": _shape,
    "text": _text,
    "stack": _stack,
    "has": _has,
    "missing": _missing,
}
