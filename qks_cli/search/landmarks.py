"""Years, months and folder names in plain words: "sunset 2023", "Paris".

An image model knows neither, so they are looked up: in what cameras noted, and in the paths of
the library's photos.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.library.database import Database
from qks_cli.search.filters import Condition, date_condition, folder_condition, joined
from qks_cli.search.folders import folders
from qks_cli.search.words import LONGEST_LABEL, STOP_WORDS

MONTHS = (
    "january february march april may june july august september october november december"
).split()
ALSO_WORDS = frozenset({"may", "march"})  # months only beside a year
_YEAR = re.compile(r"(?:18[3-9]|19\d|20\d)\d(?:-(?:0[1-9]|1[0-2])(?:-[0-3]\d)?)?")
# Where systems keep the folders of users and drives: they say nothing about photos.
_OF_SYSTEMS = frozenset("home users media mnt run volumes root data photos pictures".split())


@dataclass(frozen=True, slots=True)
class Landmark:
    """Words of a phrase that say when a photo was taken, or where it lies.

    ``where`` is what they mean, ``shown`` says so ("date 2023-06", "folder Paris"), ``rest`` are
    the other words. A date that is ``strict`` leaves out all other photos; a folder's name may mean
    something else as well."""

    where: Condition
    shown: str
    rest: str
    strict: bool


class Landmarks:
    """What a library's photos are called by; read when a phrase is first looked at."""

    def __init__(
        self, folders: Callable[[], Iterable[str]] = tuple, dated: Callable[[], bool] = bool
    ) -> None:
        """``folders`` names those of the photos; ``dated`` says whether any photo has a date."""
        self._read_folders = folders
        self._read_dated = dated

    @classmethod
    def of(cls, library: Database) -> Landmarks:
        """Those of a library."""
        dated = "SELECT 1 FROM photos WHERE taken_at IS NOT NULL LIMIT 1"
        return cls(
            lambda: library.derived("folders", lambda: list(_folder_names(library))),
            lambda: library.row(dated) is not None,
        )

    @cached_property
    def folders(self) -> dict[str, str]:
        """Names of folders by what they are compared as."""
        return {fold(name): name for name in self._read_folders()}

    @cached_property
    def dated(self) -> bool:
        """Whether any photo has a date."""
        return self._read_dated()

    def find(self, phrase: str) -> Landmark | None:
        """The first landmark in a phrase, a date before a folder; None where there is none."""
        words = re.findall(r"[^\s,;]+", phrase)
        return (self._date(words) if self.dated else None) or self._folder(words)

    def _date(self, words: Sequence[str]) -> Landmark | None:
        years = [place for place, word in enumerate(words) if _YEAR.fullmatch(word)]
        months = [place for place, word in enumerate(words) if fold(word) in MONTHS]
        if len(years) == 1:
            (place,) = years
            beside = [month for month in months if abs(month - place) == 1]
            value, used = words[place], {place}
            if beside and len(value) == 4:
                value += f"-{MONTHS.index(fold(words[beside[0]])) + 1:02}"
                used.add(beside[0])
            return self._dated(words, used, value, date_condition(value))
        alone = [place for place in months if fold(words[place]) not in ALSO_WORDS]
        if years or len(alone) != 1:
            return None
        month = fold(words[alone[0]])
        where = Condition("substr(taken_at, 6, 2) = ?", (f"{MONTHS.index(month) + 1:02}",))
        return self._dated(words, set(alone), month, where)

    def _dated(
        self, words: Sequence[str], used: set[int], value: str, where: Condition | None
    ) -> Landmark | None:
        if where is None:
            return None
        name = self.folders.get(fold(value))
        if name is not None:  # scans and other photos without a date
            where = joined([where, folder_condition(name)], "OR")
        return Landmark(where, f"date {value}", _without(words, used), True)

    def _folder(self, words: Sequence[str]) -> Landmark | None:
        for length in range(min(len(words), LONGEST_LABEL), 0, -1):
            for start in range(len(words) - length + 1):
                name = self.folders.get(fold(" ".join(words[start : start + length])))
                if name is None or fold(name) in STOP_WORDS:
                    continue
                used = set(range(start, start + length))
                rest = _without(words, used)
                return Landmark(folder_condition(name), f"folder {name}", rest, False)
        return None


def _folder_names(library: Database) -> Iterator[str]:
    """Names of the folders that tell photos apart: not those that all lie in."""
    parts = [tuple(path.strip("/").split("/")) for path in folders(library)]
    above = set(Path.home().parts) | set(_shared(parts)[:-1])
    for name in {name for own in parts for name in own} - above:
        if fold(name) not in _OF_SYSTEMS:
            yield name


def _shared(parts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The folders, from the root on, that all photos lie in."""
    if not parts:
        return ()
    low, high = min(parts), max(parts)
    same = [one == other for one, other in zip(low, high, strict=False)]
    return low[: same.index(False) if False in same else len(same)]


def _without(words: Sequence[str], used: set[int]) -> str:
    """The other words; none where they say nothing ("in")."""
    rest = [word for place, word in enumerate(words) if place not in used]
    return " ".join(rest) if any(fold(word) not in STOP_WORDS for word in rest) else ""
