"""Builds the tables of words in other languages (qks_cli/vocabulary/names/*.tsv.gz).

    npm pack cldr-annotations-full cldr-annotations-derived-full
    pip install opencc-python-reimplemented
    python benchmarks/make_languages.py FOLDER

FOLDER holds the two packed files. A name comes from ``names.txt`` beside the tables, which this
project wrote, or from the names of emoji in Unicode CLDR; ``names.txt`` comes first. OpenCC adds
the traditional characters of Chinese names. Same input, same bytes.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from opencc import OpenCC

from qks_cli.folding import fold
from qks_cli.vocabulary.language_codes import LanguageCode
from qks_cli.vocabulary.languages import FOLDER, compared

NAMES = FOLDER / "names.txt"
COLUMNS = [code.value for code in LanguageCode if code is not LanguageCode.en]
# Other names come from these too; the first is what a thing is called.
LOCALES = {
    "de": ("de",),
    "fr": ("fr", "fr-CA"),
    "es": ("es", "es-419", "es-MX"),
    "it": ("it",),
    "pt": ("pt", "pt-PT"),
    "nl": ("nl",),
    "pl": ("pl",),
    "ru": ("ru",),
    "zh": ("zh", "zh-Hant"),
    "ja": ("ja",),
}
MOST_WORDS = 3  # of an English name: "face with tears of joy" is nothing to search for
NO_THINGS = frozenset("arrow button clockwise face hands mark sign square suit symbol".split())
PICTOGRAPHS = 0x2600  # signs of print and mathematics come before it
Names = dict[str, dict[str, list[str]]]
"""Names by English word and language."""


def own_names(text: str) -> Names:
    """The names of ``names.txt``: a line is an English word and a column a language, parted by
    ``|``; a cell holds names parted by commas."""
    found: Names = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        english, *cells = line.split("|")
        if len(cells) != len(COLUMNS) or english in found:
            raise SystemExit(f"names.txt:{number}: {len(cells)} languages, or twice: {english}")
        parts = [[name for name in cell.split(",") if name] for cell in cells]
        found[english] = dict(zip(COLUMNS, parts, strict=True))
        found[english]["zh"] += _traditional(found[english]["zh"])
    return found


def _traditional(names: list[str]) -> list[str]:
    """Names in traditional characters, as written in Taiwan and elsewhere."""
    return [converter.convert(name) for converter in _converters() for name in names]


@cache
def _converters() -> list[OpenCC]:
    return [OpenCC("s2twp"), OpenCC("s2t")]


def emoji_names(folder: Path) -> Names:
    """The names of emoji of Unicode CLDR."""
    english = {
        emoji: name
        for emoji, name in _read(folder, "en").items()
        if ord(emoji[0]) >= PICTOGRAPHS and _is_of_a_thing(name)
    }
    found: Names = {}
    for code, locales in LOCALES.items():
        for locale in locales:
            for emoji, name in _read(folder, locale).items():
                if emoji in english and not re.search("[:/(,„“]", name):
                    own = found.setdefault(fold(english[emoji]), {}).setdefault(code, [])
                    if name not in own:
                        own.append(name)
    return found


def _is_of_a_thing(name: str) -> bool:
    words = name.split()
    plain = re.fullmatch("[A-Za-z' -]{2,}", name) is not None
    return plain and len(words) <= MOST_WORDS and not NO_THINGS & set(words)


def rows(code: str, own: Names, emoji: Names) -> Iterator[str]:
    """The lines of a table."""
    seen: set[tuple[str, str]] = set()
    for names in (own, emoji):
        for english, by_language in names.items():
            for name in by_language.get(code, ()):
                if (english, fold(name)) not in seen:
                    seen.add((english, fold(name)))
                    yield f"{english}\t{name}\t{compared(code, name)}\n"


def main(folder: Path) -> None:
    """Write all tables, and say how large they are."""
    own, emoji = own_names(NAMES.read_text(encoding="utf-8")), emoji_names(folder)
    for code in COLUMNS:
        lines = list(rows(code, own, emoji))
        file = FOLDER / f"{code}.tsv.gz"
        file.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
        print(f"{code}: {len(lines):,} names, {file.stat().st_size:,} bytes")


def _read(folder: Path, locale: str) -> dict[str, str]:
    """The name of every emoji in a language."""
    found: dict[str, str] = {}
    for package, kind in (("full", "annotations"), ("derived-full", "annotationsDerived")):
        (file,) = folder.glob(f"cldr-annotations-{package}-*.tgz")
        with tarfile.open(file) as packed:
            try:
                member = packed.extractfile(f"package/{kind}/{locale}/annotations.json")
            except KeyError:  # not every variant of a language has derived names
                continue
            assert member is not None
            entries = json.load(member)[kind]["annotations"]
        found |= {emoji: x["tts"][0] for emoji, x in entries.items() if x.get("tts")}
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
