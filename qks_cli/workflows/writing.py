"""Which keywords photos get: their stored tags with parents and synonyms, photo by photo."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.folding import fold
from qks_cli.keywords.xmp import Keyword, Source
from qks_cli.library import ledger, stacks, verdicts
from qks_cli.library.ledger import Write
from qks_cli.vocabulary.languages import Language, open_language
from qks_cli.workflows import places
from qks_cli.workflows.photo_writer import Options, Outcome, writing
from qks_cli.workflows.session import library_vocabulary

if TYPE_CHECKING:
    from qks_cli.library.photos import KnownPhoto
    from qks_cli.library.store import Library
    from qks_cli.vocabulary.labels_file import Vocabulary

GROUP = 200  # photos whose folders are brought to the disk together


def keywords_for(
    library: Library, photo_ids: Sequence[int], parent_of: dict[str, str], min_score: float
) -> dict[int, list[Keyword]]:
    """The keywords of photos: their tags as shown, with the vocabulary's parents."""
    found = {}
    for photo_id, tags in library.tags.of(photo_ids).items():
        found[photo_id] = [
            Keyword(tag.label, tag.score, _ancestors(tag.label, parent_of))
            for tag in tags
            if tag.score >= min_score
        ]
    return found


def _ancestors(label: str, parent_of: dict[str, str]) -> tuple[str, ...]:
    chain: list[str] = []
    while (parent := parent_of.get(chain[0] if chain else label)) is not None:
        chain.insert(0, parent)
    return tuple(chain)


def write_all(
    library: Library,
    photos: Sequence[tuple[int, Path]],
    options: Options,
    *,
    run_id: int,
    min_score: float = 0.0,
    only: bool = False,
    confirmed: bool = False,
) -> Generator[Outcome, None, None]:
    """Write the stored tags of photos, folder entries brought to the disk every few hundred.

    ``only`` keeps to the labels of a photo's last write, as they are shown now; ``confirmed`` to
    those that the user confirmed."""
    vocabulary = library_vocabulary(library)
    opened = cache(lambda code: open_language(code, vocabulary))
    if options.places and not options.dry_run:
        places.name_places(library)
    with writing(library, run_id, source_of(library), options) as hand:
        for at in range(0, len(photos), GROUP):
            part = photos[at : at + GROUP]
            ids = [photo_id for photo_id, _ in part]
            keywords = keywords_for(library, ids, vocabulary.parent_of, min_score)
            if confirmed:
                sure = verdicts.confirmed(library, ids)
                keywords = {
                    photo_id: [keyword for keyword in own if keyword.label in sure[photo_id]]
                    for photo_id, own in keywords.items()
                }
            last = _last_writes(library, ids) if only else {}
            languages = {x: last[x].language if x in last else options.language for x in ids}
            keywords = {
                photo_id: _worded(
                    own, vocabulary, opened(languages[photo_id]), synonyms=options.synonyms or only
                )
                for photo_id, own in keywords.items()
            }
            if options.places or only:
                _add_places(library, keywords, keep=not (options.places and options.dry_run))
            for photo_id, write in last.items():
                keywords[photo_id] = _kept(library, keywords[photo_id], write)
            known = library.photos.known([path for _, path in part])
            # Raw files and videos that go with a photo: sidecars are their right place.
            beside = stacks.companions(library, ids)
            outcomes = [
                hand.write(
                    photo_id,
                    path,
                    keywords[photo_id],
                    languages[photo_id],
                    beside=photo_id in beside,
                )
                if _as_tagged(path, known.get(path))
                else Outcome(path, "refused", path, reason="it is not as it was tagged: `qks tag`")
                for photo_id, path in part
            ]
            failed = hand.finish()
            for outcome in outcomes:
                reason = failed.get(outcome.file)
                if reason is None:
                    yield outcome
                else:
                    yield Outcome(outcome.path, "refused", outcome.file, reason=reason)


def _as_tagged(path: Path, known: KnownPhoto | None) -> bool:
    """Whether the tags are of the pixels that the file has now."""
    try:
        status = path.stat()
    except OSError:
        return False
    return known is not None and (known.size, known.mtime_ns) == (
        status.st_size,
        status.st_mtime_ns,
    )


def _worded(
    keywords: Sequence[Keyword],
    vocabulary: Vocabulary,
    language: Language | None,
    *,
    synonyms: bool,
) -> list[Keyword]:
    """Each keyword by its name in a language, then its synonyms there if asked for, which stand
    where it stands. Once each, in any case."""
    if language is None and not synonyms:
        return list(keywords)
    found: dict[str, Keyword] = {}
    for keyword in keywords:
        if language is None:
            label = vocabulary.lookup(keyword.label)
            name, others = keyword.label, () if label is None else label.synonyms
            above = keyword.ancestors
        else:
            name, *rest = language.names(keyword.label) or (keyword.label,)
            others = tuple(rest)
            above = tuple(map(language.shown, keyword.ancestors))
        of = keyword.label if name != keyword.label else ""
        found.setdefault(name.casefold(), Keyword(name, keyword.score, above, of))
        for word in others if synonyms else ():
            found.setdefault(word.casefold(), Keyword(word, keyword.score, above))
    return list(found.values())


def _add_places(library: Library, keywords: dict[int, list[Keyword]], *, keep: bool = True) -> None:
    """Add the names of places; a tag of the same word stays what it is."""
    for photo_id, found in places.keywords_of(library, list(keywords), keep=keep).items():
        known = {fold(keyword.label) for keyword in keywords[photo_id]}
        keywords[photo_id] += [x for x in found if fold(x.label) not in known]


def _last_writes(library: Library, photo_ids: Sequence[int]) -> dict[int, Write]:
    """The last write of each photo that was written."""
    chains = ledger.writes_of(library, photo_ids).values()
    return {chain[-1].photo_id: chain[-1] for chain in chains}


def _kept(library: Library, keywords: Sequence[Keyword], last: Write) -> list[Keyword]:
    """Those keywords that stand for a label of a photo's last write."""
    # A synonym is no label: it is shown as it is.
    shown = {library.tags.shown_name(label) or label for label in last.labels}
    return [keyword for keyword in keywords if (keyword.of or keyword.label) in shown]


def source_of(library: Library) -> Source:
    """The model of the latest run, as keywords name it."""
    from qks_cli.library.database import now

    return Source(*library.runs.latest_model(), now())
