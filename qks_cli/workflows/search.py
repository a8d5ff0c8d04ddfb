"""Find photos of a library: by a query, or by a photo that they look like.

Axes: M query tokens, E label space.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.errors import PhotoError, UsageError
from qks_cli.folding import fold
from qks_cli.library import labels, texts
from qks_cli.library.store import Library
from qks_cli.search.evaluation import Meaning
from qks_cli.search.filters import needs_places
from qks_cli.search.folding import stacked
from qks_cli.search.grammar import Node, Sum, Text
from qks_cli.search.landmarks import Landmarks
from qks_cli.search.lookup import label_lookup
from qks_cli.search.plan import Plan, make_plan
from qks_cli.search.ranking import Evidence, Found, most_similar
from qks_cli.search.ranking import search as rank
from qks_cli.search.ranking import search_ids as rank_ids
from qks_cli.search.sorting import Sort
from qks_cli.types import Float32Array
from qks_cli.vocabulary.english import is_understood
from qks_cli.vocabulary.language_codes import ENGLISH_NAMES
from qks_cli.workflows.places import name_places
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.session import library_language, opened, tagged_model

if TYPE_CHECKING:
    from qks_cli.model.model import Model

MIN_SCORE = 0.005  # what is less is nothing at all
NEAREST = 3  # labels that are named where nothing was found


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How to search. ``model`` is a name or folder, or an opened model. ``limit`` bounds the hits;
    those with a score below ``min_score`` (0 to 1) are left out. ``by_tags`` and ``by_meaning`` say
    what may answer. ``exact`` judges every photo in full, however many there are. ``weak`` shows
    what meaning says of photos that fit no better than they would fit nonsense, and of words that
    no model knows. ``sort`` orders all that was found before ``limit`` cuts. ``language`` (of
    ``LanguageCode``) is what words may be written in beside English. A stack is listed once, unless
    ``every_member`` is asked for."""

    model: str | Model = "mini"
    limit: int = 20
    min_score: float = MIN_SCORE
    by_tags: bool = True
    by_meaning: bool = True
    exact: bool = False
    weak: bool = False
    sort: Sort = Sort.score
    language: str = "en"
    every_member: bool = False


def search(
    library: Library,
    query: str,
    options: SearchOptions = SearchOptions(),
    report: Report = SILENT,
) -> Found:
    """Photos that answer a query of the query language, best first.

    ``report`` hears which plain words were taken for dates and folders, what words of another
    language are in English, and why there is no confident match where there is none.

    Raises ``QueryError`` for a query that cannot be used, before a model is opened, and
    ``ModelError`` where only a model that tagged nothing here could answer."""
    asked = _ask(library, query, options, report)
    hits = rank(
        library,
        asked.plan,
        asked.evidence(report),
        limit=options.limit,
        exact=options.exact,
        sort=options.sort,
        every_member=options.every_member,
    )
    if not options.weak:
        asked.explain(report, found=bool(hits))
    return hits


def search_ids(
    library: Library,
    query: str,
    options: SearchOptions = SearchOptions(),
    report: Report = SILENT,
) -> list[int]:
    """Ids of all photos that answer a query, in the order of ``options.sort``; in a large library
    ``options.limit`` says how many are looked for by meaning. Reports and raises as ``search``."""
    asked = _ask(library, query, options, report)
    evidence = asked.evidence(report)
    ids = rank_ids(
        library,
        asked.plan,
        evidence,
        limit=options.limit,
        sort=options.sort,
        every_member=options.every_member,
    )
    asked.explain(report, found=bool(ids))
    return ids


def _ask(library: Library, query: str, options: SearchOptions, report: Report) -> _Asked:
    """A checked query."""
    everything = options.weak and options.min_score == MIN_SCORE
    plan = make_plan(
        query,
        label_lookup(library),
        landmarks=Landmarks.of(library),
        language=library_language(library, options.language),
        min_score=0.0 if everything else options.min_score,
        nearest=lambda word: labels.nearest(library, word, ""),
    )
    if any(map(needs_places, plan.conditions)):
        name_places(library, report)
    if plan.translated:
        report.note(f"qks: in English: {', '.join(dict.fromkeys(plan.translated.values()))}")
    if plan.landmarks:
        shown = ", ".join(landmark.shown for landmark, _ in plan.landmarks.values())
        report.note(f"qks: taken as {shown}; words in quotes are taken as they are")
    return _Asked(library, plan, options)


def similar(
    library: Library,
    photo: Path,
    options: SearchOptions = SearchOptions(min_score=0.0),
) -> Found:
    """Photos that look like one, in the library or not, best first; it is left out itself, under
    every name that it has, with its stack unless ``every_member`` is asked for, and so are photos
    whose files are gone or cannot be read: none of those is a copy to rely on.

    Raises ``UsageError`` where it cannot be read."""
    from qks_cli.photos.walk import absolute

    model, model_id = tagged_model(library, options.model)
    own = absolute(photo.expanduser())
    known = library.photos.known([own]).get(own)
    left_out = {own, Path(os.path.realpath(own))} | ({known.path} if known else set())
    if known is not None and not options.every_member:
        left_out |= {x for one in stacked(library, [known.id]).values() for x in one.members}
    hits = most_similar(
        library,
        model_id,
        _tokens_of(library, model, model_id, photo),
        limit=2 * options.limit + 10,
        min_score=options.min_score,
        exact=options.exact,
        every_member=options.every_member,
    )
    others = [hit for hit in hits if hit.path not in left_out and os.access(hit.path, os.R_OK)]
    return Found(others[: options.limit], hits.total - len(hits) + len(others))


@dataclass
class _Asked:
    """A plan, and what a model says of its phrases and photos; nothing is opened that it can do
    without."""

    library: Library
    plan: Plan
    options: SearchOptions
    model: Model | None = None
    unknown: list[str] = field(default_factory=list)

    def evidence(self, report: Report) -> Evidence:
        """What the model says. Words that it cannot know are kept from it."""
        found = self._by_model(report)
        by_text = self.options.by_tags and self.options.by_meaning
        return replace(found, by_text=by_text and texts.any_text(self.library))

    def _by_model(self, report: Report) -> Evidence:
        plan, options, library = self.plan, self.options, self.library
        phrases = plan.phrases if options.by_meaning else ()
        if not (phrases or plan.likes):
            return Evidence(by_tags=options.by_tags)
        if plan.likes or not options.by_tags:
            model, model_id = tagged_model(library, options.model)
        else:
            model = opened(options.model)
            stored = library.models.stored(model.hash)
            if stored is None:
                if library.photos.count():
                    report.note(
                        f"qks: tagged with another model than {model.name}: matching tags only"
                    )
                return Evidence(by_tags=options.by_tags)
            model_id = stored
        self.model = model if phrases else None
        tokens = {x: _tokens_of(library, model, model_id, Path(x.value)) for x in plan.likes}
        understood = [node for node in phrases if options.weak or self._is_understood(model, node)]
        meanings = _meanings(model, understood) if understood else {}
        floor = 0.0
        if understood and not options.weak:
            floor = model.floor.of(library.derived("count", library.photos.count))
        return Evidence(model_id, meanings, tokens, options.by_tags, floor=floor)

    def explain(self, report: Report, *, found: bool) -> None:
        """Say which words are unknown; where nothing was found, what comes nearest."""
        names = ", ".join(f"'{word}'" for word in dict.fromkeys(self.unknown))
        if self.model is not None and names:
            report.note(f"qks: {names}: no word{self._of_languages()} that {self.model.name} knows")
        if found or self.model is None:
            return
        labels = nearest_labels(self.library, self.model, _texts(self.plan.phrases))
        near = f"nearest labels: {', '.join(labels)}; " if labels else ""
        report.note("qks: no confident match")
        report.note(f"     {near}--weak shows the best there is")

    def _of_languages(self) -> str:
        code = self.options.language
        return "" if code == "en" else f" of {ENGLISH_NAMES[code]} or English"

    def _is_understood(self, model: Model, node: Text | Sum) -> bool:
        """Whether a model knows most words of a phrase. What labels cover needs no asking."""
        if isinstance(node, Text) and self.plan.labels[node].covered == 1:
            return True
        text = " ".join(_texts([node]))
        unknown = model.unknown_words(text)
        self.unknown += unknown
        return is_understood(text, unknown)


def nearest_labels(library: Library, model: Model, phrases: Sequence[str]) -> list[str]:
    """Labels that photos carry and that come nearest to phrases, by spelling and by meaning."""
    carried = [
        one.label
        for one in library.derived("counts", lambda: labels.counts(library))
        if one.present
    ]
    found: dict[str, None] = {}
    for phrase in phrases:
        folded = {fold(label): label for label in carried}
        alike = get_close_matches(fold(phrase), folded, n=NEAREST, cutoff=0.75)
        found |= dict.fromkeys(folded[one] for one in alike)
        found |= dict.fromkeys(model.nearest_of(phrase, carried)[:NEAREST])
    return list(found)[:NEAREST]


def _texts(nodes: Sequence[Text | Sum]) -> list[str]:
    terms = [(node,) if isinstance(node, Text) else node.terms for node in nodes]
    return list(dict.fromkeys(term.text for own in terms for term in own))


def _meanings(model: Model, nodes: Sequence[Text | Sum]) -> dict[Node, Meaning]:
    from qks_cli.model.model import Phrase

    terms = [(node,) if isinstance(node, Text) else node.terms for node in nodes]
    meant = model.meanings([[Phrase(x.text, x.weight) for x in own] for own in terms])
    return {
        node: Meaning(one.vector_E, one.probabilities, one.worth)
        for node, one in zip(nodes, meant, strict=True)
    }


def _tokens_of(library: Library, model: Model, model_id: int, photo: Path) -> Float32Array:
    """Query tokens [M, E] of a photo, from the library where they are of the file as it is now.

    Raises ``UsageError`` where it is gone or cannot be read: nobody can see what it shows."""
    from qks_cli.photos.walk import absolute

    path = absolute(photo.expanduser())
    known = library.photos.known([path]).get(path)
    try:
        status = path.stat()
        if path.is_file():  # a pipe would be waited for
            with path.open("rb"):
                pass
    except OSError as error:
        also = ", though the library knows it" if known else ""
        raise UsageError(f"{path}: {error.strerror}{also}") from error
    same = known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns)
    if known is not None and same:
        _, stored_NME = library.tokens.of([known.id], model_id)
        if stored_NME is not None:
            tokens_ME: Float32Array = stored_NME[0]
            return tokens_ME
    try:
        return model.tokens_of_photo(path)
    except PhotoError as error:
        raise UsageError(f"{path}: {error.reason}", hint=error.hint) from error
