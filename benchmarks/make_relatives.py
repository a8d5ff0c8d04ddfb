"""Builds the table of words that WordNet puts beside others (qks_cli/vocabulary/relatives.txt.gz).

    apt-get install wordnet-base
    python benchmarks/make_relatives.py [/usr/share/wordnet]

A noun that the bundled model was not taught, with the taught words that share one of its two
commonest meanings or stand right above it. Same input, same bytes.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

from qks_cli.folding import fold
from qks_cli.model.bundle import read_bundle
from qks_cli.vocabulary.neighbours import TAUGHT_FILE, read_names
from qks_cli.vocabulary.relatives import FILE

SENSES = 2  # rarer meanings are seldom what a photo shows
ABOVE = ("@", "@i")  # WordNet's marks of what a word is a kind, or an instance, of

Synset = tuple[list[str], list[str]]  # its words, and the synsets above it


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/wordnet")
    synsets = dict(map(synset, lines(folder / "data.noun")))
    taught = {fold(name) for name in read_names(read_bundle("mini").file(TAUGHT_FILE))}
    table = []
    for line in lines(folder / "index.noun"):
        # wndb(5WN): the lemma comes first, the offsets of its synsets, commonest first, last.
        parts = line.split()
        word, offsets = parts[0].replace("_", " "), parts[-int(parts[2]) :]
        found = [name for offset in offsets[:SENSES] for name in beside(offset, synsets)]
        others = [x for x in dict.fromkeys(found) if x in taught and x != word and "," not in x]
        if others and word not in taught:
            table.append(f"{word}\t{','.join(others)}\n")
    FILE.write_bytes(gzip.compress("".join(sorted(table)).encode(), 9, mtime=0))
    print(f"{len(table):,} words, {FILE.stat().st_size:,} bytes")


def lines(path: Path) -> list[str]:
    """The lines of a file of WordNet but its licence, which is indented."""
    return [line for line in path.read_text().splitlines() if not line.startswith("  ")]


def synset(line: str) -> tuple[str, Synset]:
    """A synset's offset, its words, and the offsets of those above it (wndb(5WN))."""
    parts = line.split("|")[0].split()
    count = int(parts[3], 16)
    words = [parts[4 + 2 * n].replace("_", " ").lower() for n in range(count)]
    pointers = parts[5 + 2 * count :]
    above = [
        pointers[n + 1] for n in range(0, 4 * int(parts[4 + 2 * count]), 4) if pointers[n] in ABOVE
    ]
    return parts[0], (words, above)


def beside(offset: str, synsets: dict[str, Synset]) -> list[str]:
    """The words of a synset, then those of the synsets right above it."""
    words, above = synsets[offset]
    return words + [word for one in above for word in synsets[one][0]]


if __name__ == "__main__":
    main()
