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
from qks_cli.search.grammar import Text
from qks_cli.search.lookup import label_lookup
from qks_cli.search.plan import make_plan
from qks_cli.vocabulary.labels_file import read_labels
from qks_cli.vocabulary.language_codes import ENGLISH_NAMES, LanguageCode
from qks_cli.vocabulary.languages import open_language
from qks_cli.workflows.search import MIN_SCORE, SearchOptions, search
from qks_cli.workflows.session import library_language, open_library

LABELS = 300
FIRST = 10


def chosen(library: Library, model: Model) -> list[str]:
    """The labels to look for."""
    own = read_labels(model.bundle.labels_file)[0].names
    carried = [one.label for one in labels.counts(library) if one.label in own]
    return list(dict.fromkeys([*carried, *own]))[:LABELS]


class Searches:
    """The first photos for queries. One that is translated into a phrase that was looked for before
    is that search again, and is not run twice."""

    def __init__(self, library: Library, model: Model) -> None:
        self.library, self.model = library, model
        self.lookup = label_lookup(library)
        self.done: dict[str, list[Path]] = {}

    def found(self, query: str, code: str) -> list[Path]:
        """Words in quotes are taken for no folder."""
        query = f'"{query}"'
        node = make_plan(
            query, self.lookup, language=library_language(self.library, code), min_score=MIN_SCORE
        ).node
        key = node.text if isinstance(node, Text) else f"{code} {query}"
        if key not in self.done:
            options = SearchOptions(self.model, FIRST, language=code)
            self.done[key] = [hit.path for hit in search(self.library, query, options)]
        return self.done[key]


def main(path: Path | None) -> None:
    """Print a row a language, and the names that find other photos."""
    model = Model.open("mini", device="cpu", threads=1)
    with open_library(path) as library:
        asked = chosen(library, model)
        found = Searches(library, model).found
        english = {label: found(label, "en") for label in asked}
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
                if found(name, code) != english[label]:
                    other.append(f"{label} ({name})")
            share = 1 - len(other) / len(some)
            print(
                f"{ENGLISH_NAMES[code]}: {share:.1%} the same; without a name: {len(without)}; "
                f"other photos: {', '.join(other) or '-'}",
                flush=True,
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
