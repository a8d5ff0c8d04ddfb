"""``qks diff``: which photos gain or lose which tags between two vocabularies or libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, MinScore, Model, Null, RowFormat, Top
from qks_cli.cli.output import Row, Writer, say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.model.tagger import Tagger

SQLITE = b"SQLite format 3\0"
GROUP = 2048
Tags = dict[Path, frozenset[str]]


def diff(
    old: Annotated[
        str,
        typer.Argument(help="A version (`qks labels versions`), labels file, library or 'now'."),
    ],
    new: Annotated[str, typer.Argument(help="Another one.")] = "now",
    db: Db = None,
    model: Model = "mini",
    min_score: MinScore = None,
    top: Top = 20,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """Show which photos gained or lost tags, without reading a photo or changing anything.

    A version number or a labels file: what its words would say of the library's photos now. A
    library file (a backup, or one tagged with another model): the tags stored there. 'now': the
    tags stored in this library. Exit code 1 where nothing differs.
    """
    writer = Writer(format, nul=nul)
    from qks_cli.workflows.session import open_library

    with open_library(db, create=False) as library:
        before, after = (
            _tags(library, side, model, min_score=min_score, top=top) for side in (old, new)
        )
    changed = 0
    for path in sorted(before.keys() & after.keys(), key=str):
        gained, lost = sorted(after[path] - before[path]), sorted(before[path] - after[path])
        if gained or lost:
            changed += 1
            note = " ".join([*(f"+{label}" for label in gained), *(f"-{label}" for label in lost)])
            writer.write([Row(path, (), {"gained": gained, "lost": lost}, f"{note}  ")])
    writer.close()
    alone = len(before.keys() ^ after.keys())
    say(
        f"{changed:,} of {len(before.keys() & after.keys()):,} photos differ"
        + (f"; {alone:,} photos are on one side only" if alone else "")
    )
    if not changed:
        raise typer.Exit(1)


def _tags(library: Library, side: str, model: str, *, min_score: float | None, top: int) -> Tags:
    if side == "now":
        return _stored(library)
    path = Path(side).expanduser()
    if path.is_file() and path.open("rb").read(16) == SQLITE:
        from qks_cli.library.store import Library as Other

        with Other.open(path, create=False) as other:
            return _stored(other)
    from qks_cli.vocabulary.labels_file import parse_labels, read_labels
    from qks_cli.workflows.session import stored_tagger, tagged_model

    if path.is_file():
        vocabulary = read_labels(path)[0]
    elif side.isdigit() and (text := library.vocabularies.text(int(side))) is not None:
        vocabulary = parse_labels(text, f"version {side}")[0]
    else:
        raise UsageError(
            f"'{side}' is no version, labels file or library",
            hint="`qks labels versions` lists versions",
        )
    bundle, model_id = tagged_model(library, model)
    tagger = stored_tagger(bundle, vocabulary, min_score=min_score, top=top)
    return dict(_judged(library, tagger, model_id))


def _stored(library: Library) -> Tags:
    ids = library.photos.tagged_ids()
    tags: Tags = {}
    for at in range(0, len(ids), GROUP):
        part = ids[at : at + GROUP]
        paths, own = library.photos.paths_of(part), library.tags.of(part)
        tags.update((paths[x], frozenset(tag.label for tag in own[x])) for x in part)
    return tags


def _judged(
    library: Library, tagger: Tagger, model_id: int
) -> Iterator[tuple[Path, frozenset[str]]]:
    import numpy as np

    for ids, tokens_NME in library.tokens.iterate(model_id, chunk=GROUP):
        paths = library.photos.paths_of(ids)
        for photo_id, own in zip(ids, tagger(tokens_NME.astype(np.float32)), strict=True):
            yield paths[photo_id], frozenset(tag.label for tag in own)
