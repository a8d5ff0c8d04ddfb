"""How often a label's name in another language finds what the label itself finds.

    qks tag PHOTOS
    python benchmarks/languages.py [LIBRARY]

The labels are those of the default vocabulary that most photos of the library carry, 300 at most,
then others in the order of the file. "Same" is the share of names whose first ten photos are those
of the English label, in the same order; names of which both find nothing are left out and counted
on their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from qks_cli.library import labels
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.vocabulary.labels_file import read_labels
from qks_cli.vocabulary.language_codes import ENGLISH_NAMES, LanguageCode
from qks_cli.vocabulary.languages import open_language
from qks_cli.workflows.search import SearchOptions, search
from qks_cli.workflows.session import open_library

LABELS = 300
FIRST = 10


def chosen(library: Library, model: Model) -> list[str]:
    """The labels to look for."""
    own = read_labels(model.bundle.labels_file)[0].names
    carried = [one.label for one in labels.counts(library) if one.label in own]
    return list(dict.fromkeys([*carried, *own]))[:LABELS]


def found(library: Library, model: Model, query: str, code: str) -> list[Path]:
    """The first photos for a query; words in quotes are taken for no folder."""
    options = SearchOptions(model, FIRST, language=code)
    return [hit.path for hit in search(library, f'"{query}"', options)]


def main(path: Path | None) -> None:
    """Print a row a language, and the names that find other photos."""
    model = Model.open("mini", device="cpu", threads=1)
    with open_library(path) as library:
        asked = chosen(library, model)
        english = {label: found(library, model, label, "en") for label in asked}
        some = [label for label in asked if english[label]]
        print(f"{library.photos.count():,} photos, {len(asked)} labels, {len(some)} find photos")
        for code in LanguageCode:
            language = open_language(code)
            if language is None:
                continue
            without = [label for label in asked if not language.names(label)]
            other = []
            for label in some:
                name = language.shown(label)
                if found(library, model, name, code) != english[label]:
                    other.append(f"{label} ({name})")
            share = 1 - len(other) / len(some)
            print(
                f"{ENGLISH_NAMES[code]}: {share:.1%} the same; without a name: {len(without)}; "
                f"other photos: {', '.join(other) or '-'}",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
