"""Answers to programs that ask often: searches, tags and what the library keeps, as JSON.

One request is one line of JSON, and so is its answer (docs/serve.md). The model stays open and what
searches read of the library stays in memory, until anybody writes to it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from qks_cli.errors import PhotoError, QksError, UsageError
from qks_cli.library.store import Library
from qks_cli.model.model import Model
from qks_cli.search.folding import Stacked
from qks_cli.search.ranking import Found, Hit
from qks_cli.search.sorting import Sort
from qks_cli.types import Tag
from qks_cli.vocabulary.language_codes import LanguageCode
from qks_cli.workflows.kept_open import KeptOpen
from qks_cli.workflows.report import Report
from qks_cli.workflows.search import MIN_SCORE, SearchOptions, search, similar
from qks_cli.workflows.session import library_language
from qks_cli.workflows.words import learned_of

MOST_BYTES = 1_000_000  # of a request
MOST_TEXT = 10_000  # characters of a query or a path
MOST_HITS = 10_000
MOST_PHOTOS = 100  # that one request tags
MOST_LABELS = 1000  # that it brings along

_NameOf: TypeAlias = Callable[[str], str]


class Service:
    """Answers requests about one library, one at a time and from one thread."""

    def __init__(self, kept: KeptOpen, model: Model) -> None:
        self.kept = kept
        self.model = model
        self.library: Library
        self._answers: dict[str, Callable[[_Request], object]] = {
            "search": self._search,
            "similar": self._similar,
            "tag": self._tag,
            "photo": self._photo,
            "labels": self._labels,
            "status": self._status,
        }
        model.engine.stay()

    def answer(self, line: bytes) -> bytes:
        """The answer to one line, as one line; an error is an answer too."""
        number: object = None
        try:
            fields = _read(line)
            number = fields.get("id")
            if not (number is None or isinstance(number, str | int)):
                number = None
                raise UsageError("id must be text or a whole number")
            request = _Request(fields)
            do = request.one_of("do", tuple(self._answers))
            with self.kept.using() as self.library:
                result = {"id": number, "ok": True, "result": self._answers[do](request)}
        except QksError as error:
            result = _failed(number, error.message, error.hint)
        except Exception as error:  # one request's fault must not end the others' service
            result = _failed(number, f"a fault of qks: {type(error).__name__}: {error}"[:500])
        # Names that are not UTF-8 have lone surrogates, which only escapes can say.
        return json.dumps(result).encode() + b"\n"

    def _search(self, request: _Request) -> object:
        by = request.one_of("by", ("both", "tags", "meaning"), "both")
        options = SearchOptions(
            self.model,
            request.count("limit", 20, MOST_HITS),
            request.share("min_score", MIN_SCORE),
            by != "meaning",
            by != "tags",
            request.flag("exact"),
            request.flag("weak"),
            Sort(request.one_of("sort", tuple(Sort), Sort.score)),
            every_member=request.flag("all"),
            language=request.language(),
        )
        name_of = self._namer(options.language)
        query = request.words("query")
        request.nothing_else()
        notes: list[str] = []
        found = search(self.library, query, options, Report(note=notes.append))
        said = [note.removeprefix("qks: ").strip() for note in notes]
        return _found(found, name_of) | {"notes": said}

    def _similar(self, request: _Request) -> object:
        limit = request.count("limit", 20, MOST_HITS)
        least, every = request.share("min_score", 0.0), request.flag("all")
        options = SearchOptions(self.model, limit, least, every_member=every)
        name_of = self._namer(request.language())
        path = request.path("path")
        request.nothing_else()
        return _found(similar(self.library, path, options), name_of)

    def _tag(self, request: _Request) -> object:
        paths = [Path(path) for path in request.texts("paths", MOST_PHOTOS)]
        labels = request.texts("labels", MOST_LABELS, optional=True)
        if not all(map(_is_utf8, labels)):
            _refuse("labels", "UTF-8 text")
        least = request.share("min_score", None)
        top = request.count("top", 20, MOST_LABELS)
        name_of = self._namer(request.language())
        request.nothing_else()
        vocabulary = self.model.vocabulary(labels or None)
        learned = learned_of(self.model, self.library.runs.kept())
        tagger = self.model.tagger(vocabulary, min_score=least, top=top, learned=learned)
        answers: list[dict[str, object]] = []
        for path in paths:
            try:
                tokens_1ME = self.model.tokens_of_photo(path)[None]
            except PhotoError as error:
                answers.append({"path": str(path), "error": error.reason})
                continue
            answers.append(
                {"path": str(path), "tags": _tags(next(iter(tagger(tokens_1ME))), name_of)}
            )
        return {"photos": answers}

    def _photo(self, request: _Request) -> object:
        from qks_cli.photos.walk import absolute

        path = absolute(request.path("path"))
        name_of = self._namer(request.language())
        request.nothing_else()
        known = self.library.photos.known([path]).get(path)
        if known is None:
            raise UsageError(f"{path} is not in the library", hint="run `qks tag` on it first")
        taken_at, camera = self.library.photos.dates_of([known.id])[known.id]
        return {
            "path": str(known.path),
            "tags": _tags(self.library.tags.of([known.id])[known.id], name_of),
            "taken_at": taken_at,
            "camera": camera,
            "error": known.error,
        }

    def _labels(self, request: _Request) -> object:
        from qks_cli.workflows.tags import counts

        name_of = self._namer(request.language())
        request.nothing_else()
        rows = self.library.derived("counts", lambda: counts(self.library))
        return {"labels": [asdict(row) | _named(row.label, name_of) for row in rows]}

    def _namer(self, code: str) -> _NameOf | None:
        """What labels are called in a language; None for English."""
        language = library_language(self.library, code)
        return None if language is None else language.shown

    def _status(self, request: _Request) -> object:
        from qks_cli import __version__

        request.nothing_else()
        return {
            "qks": __version__,
            "library": str(self.library.path),
            "photos": self.library.photos.count(),
            "model": self.model.name,
        }


class _Request:
    """Checked fields of a request; every error names the field."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        self.asked = {"id"}

    def text(self, name: str) -> str:
        value = self._value(name)
        if not isinstance(value, str) or not value or len(value) > MOST_TEXT or "\0" in value:
            _refuse(name, f"text of 1 to {MOST_TEXT:,} characters")
        return value

    def words(self, name: str) -> str:
        """Text that means something: no part of a file's name that is not UTF-8."""
        text = self.text(name)
        if not _is_utf8(text):
            _refuse(name, "UTF-8 text")
        return text

    def path(self, name: str) -> Path:
        return Path(self.text(name))

    def texts(self, name: str, most: int, *, optional: bool = False) -> list[str]:
        value = self._value(name, [] if optional else None)
        wanted = f"a list of {'at most' if optional else '1 to'} {most:,} texts"
        if not isinstance(value, list) or len(value) > most or not (value or optional):
            _refuse(name, wanted)
        for one in value:
            if not isinstance(one, str) or not one or len(one) > MOST_TEXT or "\0" in one:
                _refuse(name, wanted)
        return value

    def count(self, name: str, default: int, most: int) -> int:
        value = self._value(name, default)
        if type(value) is not int or not 1 <= value <= most:
            _refuse(name, f"a whole number from 1 to {most:,}")
        return value

    def share(self, name: str, default: float | None) -> Any:
        value = self._value(name, default)
        if value is None and default is None:
            return None
        if type(value) not in (int, float) or not 0 <= value <= 1:
            _refuse(name, "a number from 0 to 1")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._value(name, False)
        if not isinstance(value, bool):
            _refuse(name, "true or false")
        return value

    def one_of(self, name: str, names: Sequence[str], default: str | None = None) -> str:
        value = self._value(name, default)
        if value not in tuple(names):
            _refuse(name, f"one of {', '.join(names)}")
        return str(value)

    def language(self) -> str:
        return self.one_of("language", tuple(LanguageCode), LanguageCode.en)

    def nothing_else(self) -> None:
        """A field that nobody asked for is a mistake, such as a misspelt one."""
        others = sorted(set(self.fields) - self.asked)
        if others:
            raise UsageError(f"no field '{others[0][:100]}' here", hint="docs/serve.md has them")

    def _value(self, name: str, default: object = None) -> Any:
        self.asked.add(name)
        return self.fields.get(name, default)


def _read(line: bytes) -> dict[str, Any]:
    if len(line) > MOST_BYTES:
        raise UsageError(f"a request of more than {MOST_BYTES:,} bytes")
    try:
        found = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"not a line of JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise UsageError("a request is a JSON object")
    return found


def _failed(number: object, message: str, hint: str | None = None) -> dict[str, object]:
    told = {"message": message, "hint": hint or None}
    return {"id": number, "ok": False, "error": told}


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _refuse(name: str, wanted: str) -> NoReturn:
    raise UsageError(f"{name} must be {wanted}")


def _found(found: Found, name_of: _NameOf | None) -> dict[str, object]:
    return {"photos": [_hit(hit, name_of) for hit in found], "total": found.total}


def _hit(hit: Hit, name_of: _NameOf | None) -> dict[str, object]:
    found: dict[str, object] = {
        "path": str(hit.path),
        "score": _rounded(hit.score),
        "tag_score": _rounded(hit.tag_score),
        "meaning_score": _rounded(hit.meaning_score),
        "taken_at": hit.taken_at,
        "camera": hit.camera,
        "matched": list(hit.matched),
        "tags": _tags(hit.tags, name_of),
    }
    also = {
        "text": hit.text or None,
        "moment": hit.moment,
        "stack": hit.stack and _stack(hit.stack),
    }
    return found | {name: value for name, value in also.items() if value is not None}


def _stack(stack: Stacked) -> dict[str, object]:
    return {"id": stack.id, "kinds": list(stack.kinds), "members": list(map(str, stack.members))}


def _named(label: str, name_of: _NameOf | None) -> dict[str, object]:
    return {} if name_of is None else {"name": name_of(label)}


def _tags(tags: Sequence[Tag], name_of: _NameOf | None) -> list[dict[str, object]]:
    return [
        {"label": x.label}
        | _named(x.label, name_of)
        | {"score": _rounded(x.score), "implied": x.implied}
        | ({"seconds": list(x.seconds)} if x.seconds else {})
        for x in tags
    ]


def _rounded(score: float) -> float:
    return round(float(score), 4) if math.isfinite(score) else 0.0
