"""Which photos gain or lose which tags between two vocabularies or libraries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from qks_cli.errors import UsageError
from qks_cli.library.store import Library
from qks_cli.model.selection import TOP
from qks_cli.vocabulary.labels_file import Vocabulary, parse_labels, read_labels
from qks_cli.workflows.session import tagged_model
from qks_cli.workflows.words import learned_of

SQLITE = b"SQLite format 3\0"
GROUP = 2048
NOW = "now"
Tags = dict[Path, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """How tags are chosen with the words of one side: model, cut-off (None: its own), limit."""

    model: str = "mini"
    min_score: float | None = None
    top: int = TOP


@dataclass(frozen=True, slots=True)
class Difference:
    """The labels that a photo gains and loses, by name."""

    path: Path
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``changed`` photos by path, of ``common`` ones; ``alone`` are on one side only."""

    changed: tuple[Difference, ...]
    common: int
    alone: int


def diff(library: Library, old: str, new: str, choice: Choice) -> Comparison:
    """What changes from one side to the other. A side is a version of the library's vocabulary or
    a labels file (what its words would say now), a library's file, or ``now`` (stored tags).

    No photo is read. Raises ``UsageError`` for a side that is none of these."""
    before, after = (_tags(library, side, choice) for side in (old, new))
    changed = []
    common = before.keys() & after.keys()
    for path in sorted(common, key=str):
        gained = tuple(sorted(after[path] - before[path]))
        lost = tuple(sorted(before[path] - after[path]))
        if gained or lost:
            changed.append(Difference(path, gained, lost))
    return Comparison(tuple(changed), len(common), len(before.keys() ^ after.keys()))


def _tags(library: Library, side: str, choice: Choice) -> Tags:
    if side == NOW:
        return _stored(library)
    path = Path(side).expanduser()
    if path.is_file():
        with path.open("rb") as stream:
            is_library = stream.read(len(SQLITE)) == SQLITE
        if is_library:
            with Library.open(path, create=False) as other:
                return _stored(other)
        vocabulary = read_labels(path)[0]
    elif side.isdigit() and (text := library.vocabularies.text(int(side))) is not None:
        vocabulary = parse_labels(text, f"version {side}")[0]
    else:
        raise UsageError(
            f"'{side}' is not a version, labels file or library",
            hint="`qks labels versions` lists versions",
        )
    return dict(_judged(library, vocabulary, choice))


def _stored(library: Library) -> Tags:
    ids = library.photos.tagged_ids()
    tags: Tags = {}
    for at in range(0, len(ids), GROUP):
        part = ids[at : at + GROUP]
        paths, own = library.photos.paths_of(part), library.tags.of(part)
        tags.update((paths[x], frozenset(tag.label for tag in own[x])) for x in part)
    return tags


def _judged(
    library: Library, vocabulary: Vocabulary, choice: Choice
) -> Iterator[tuple[Path, frozenset[str]]]:
    model, model_id = tagged_model(library, choice.model)
    learned = learned_of(model, library.runs.kept())
    tagger = model.tagger(vocabulary, min_score=choice.min_score, top=choice.top, learned=learned)
    for ids, tokens_NME in library.tokens.iterate(model_id, chunk=GROUP):
        paths = library.photos.paths_of(ids)
        for photo_id, own in zip(ids, tagger(tokens_NME), strict=True):
            yield paths[photo_id], frozenset(tag.label for tag in own)
