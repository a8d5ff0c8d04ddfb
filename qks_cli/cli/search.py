"""``qks search`` and ``qks similar``: photos by tags, by meaning, by what they look like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Language, Model, Null, RowFormat
from qks_cli.cli.output import Format, Row, Writer, emit, say
from qks_cli.cli.tables import clock, nearby, table
from qks_cli.cli.threads import use_one_thread
from qks_cli.cli.viewer import open_viewer
from qks_cli.errors import UsageError
from qks_cli.search.sorting import Sort
from qks_cli.vocabulary.language_codes import LanguageCode

if TYPE_CHECKING:
    from qks_cli.search.ranking import Found, Hit
    from qks_cli.vocabulary.labels_file import Vocabulary

MIN_SCORE = 0.005  # words without meaning stay below it, weak answers above


def _help_query(wanted: bool) -> None:
    if wanted:
        from qks_cli.search.grammar import HELP

        typer.echo(HELP, nl=False)
        raise typer.Exit


Query = Annotated[list[str], typer.Argument(help="Words, phrases, filters: --help-query.")]
Limit = Annotated[int, typer.Option(min=1, help="Maximum number of photos.")]
LeastScore = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Hide photos with a lower score.")
]
TagsOnly = Annotated[bool, typer.Option("--tags-only", help="Match tags, ignore meaning.")]
SemanticOnly = Annotated[bool, typer.Option("--semantic-only", help="Match meaning, ignore tags.")]
Exact = Annotated[
    bool, typer.Option("--exact", help="Compare every photo in full; slower in large libraries.")
]
Weak = Annotated[bool, typer.Option("--weak", help="Show weak matches by meaning too.")]
Names = Annotated[
    bool,
    typer.Option("--names", help="List the other names of photos too, which are links to them."),
]
Order = Annotated[Sort, typer.Option(help="Best score, newest date, name or highest rating first.")]
Members = Annotated[
    bool, typer.Option("--all", help="Every member of a stack, not one of them (docs/stacks.md).")
]
View = Annotated[bool, typer.Option("--open", help="Open the photos in the desktop's viewer.")]
HelpQuery = Annotated[
    bool,
    typer.Option(
        "--help-query", callback=_help_query, is_eager=True, help="Describe the query language."
    ),
]
OnePhoto = Annotated[Path, typer.Argument(help="A photo, in the library or not.")]
LeastSimilarity = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Lowest similarity to show.")
]


def search(
    query: Query,
    db: Db = None,
    model: Model = "mini",
    limit: Limit = 20,
    min_score: LeastScore = MIN_SCORE,
    format: RowFormat = None,
    nul: Null = False,
    tags_only: TagsOnly = False,
    semantic_only: SemanticOnly = False,
    exact: Exact = False,
    weak: Weak = False,
    sort: Order = Sort.score,
    names: Names = False,
    language: Language = LanguageCode.en,
    members: Members = False,
    view: View = False,
    help_query: HelpQuery = False,
) -> None:
    """Find photos by tags, by meaning and by what cameras noted.

    Words that are labels or synonyms match tags; the whole phrase matches by meaning, where photos
    fit it better than they fit meaningless words. Years, months and names of folders match dates
    and folders; where `qks text` has read, text in photos is found too. Filters, OR, NOT and more:
    --help-query. With --language words may be in that language, too. A stack (raw and JPEG, live
    photo, burst, edited copies) is listed once; --all lists each member that fits.

    Exit code 0 where photos were found, 1 where none was, 2 on an error.
    """
    if tags_only and semantic_only:
        raise UsageError("--tags-only and --semantic-only exclude each other")
    writer = Writer(format, nul=nul)
    use_one_thread()
    from qks_cli.api import open_library
    from qks_cli.workflows.report import Report

    with open_library(db) as library:
        writer.name_of = library.namer(language)
        hits = library.search(
            " ".join(query),
            limit=limit,
            min_score=min_score,
            model=model,
            tags_only=tags_only,
            semantic_only=semantic_only,
            exact=exact,
            weak=weak,
            sort=sort,
            language=language,
            every_member=members,
            report=Report(note=say),
        )
        words = library.vocabulary()
    _show(writer, hits, words, names=names)
    if view:
        open_viewer([hit.path for hit in hits])


def similar(
    photo: OnePhoto,
    db: Db = None,
    model: Model = "mini",
    limit: Limit = 20,
    min_score: LeastSimilarity = 0.0,
    format: RowFormat = None,
    nul: Null = False,
    exact: Exact = False,
    members: Members = False,
    language: Language = LanguageCode.en,
) -> None:
    """Find photos that look like one, best first. The photo itself is left out, and its stack.

    Exit code 0 where photos were found, 1 where none was.
    """
    writer = Writer(format, nul=nul)
    use_one_thread()
    from qks_cli.api import open_library

    with open_library(db) as library:
        writer.name_of = library.namer(language)
        hits = library.similar(
            photo,
            limit=limit,
            min_score=min_score,
            model=model,
            exact=exact,
            every_member=members,
        )
        words = library.vocabulary()
    _show(writer, hits, words)


def _show(writer: Writer, hits: Found, words: Vocabulary, *, names: bool = False) -> None:
    """Print what was found. Exits with 1 where nothing was."""
    if writer.format is Format.table:
        name_of = writer.name_of or str
        rows = (_cells(hit, words, name_of, names=names) for hit in hits)
        emit(table(("score", "date", "photo", "tags"), rows, shorten="photo"))
        if hits.total > len(hits):
            say(f"{len(hits):,} of {hits.total:,} shown; --limit shows more")
    else:
        writer.write(_row(hit, names=names) for hit in hits)
        writer.close()
    if not hits:
        raise typer.Exit(1)


def _cells(
    hit: Hit, words: Vocabulary, name_of: Callable[[str], str], *, names: bool
) -> tuple[str, ...]:
    parents = words.parents_among(tag.label for tag in hit.tags)
    tags = [name_of(x.label) for x in hit.tags if not x.implied and x.label not in parents]
    matched = [f"[{one}: {hit.text}]" if one == "text" else f"[{one}]" for one in hit.matched]
    if hit.stack is not None:
        matched.append(f"[{', '.join(hit.stack.kinds)}: {len(hit.stack.members)} files]")
    if hit.moment is not None:
        matched.insert(0, f"[at {clock(hit.moment)}]")
    if names:
        matched += [f"[also {name}]" for name in hit.names]
    date = (hit.taken_at or "")[:10]
    return (f"{hit.score:.2f}", date, nearby(hit.path), " ".join([*matched, ", ".join(tags)]))


def _row(hit: Hit, *, names: bool) -> Row:
    extra: dict[str, object] = {
        "score": round(hit.score, 4),
        "tag_score": round(hit.tag_score, 4),
        "meaning_score": round(hit.meaning_score, 4),
        "taken_at": hit.taken_at,
        "camera": hit.camera,
    }
    if hit.matched:
        extra["matched"] = list(hit.matched)
    if hit.text:
        extra["text"] = hit.text
    if hit.stack is not None:
        extra["stack"] = {
            "id": hit.stack.id,
            "kinds": list(hit.stack.kinds),
            "members": [str(path) for path in hit.stack.members],
        }
    if hit.moment is not None:
        extra["moment"] = hit.moment
    if names:
        extra["names"] = [str(name) for name in hit.names]
    return Row(hit.path, hit.tags, extra)
