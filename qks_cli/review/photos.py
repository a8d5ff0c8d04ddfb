"""What the pages ask about photos, and what they say of them."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from dataclasses import asdict

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from qks_cli.errors import PhotoError, QksError, UsageError
from qks_cli.library.store import Library
from qks_cli.photos.readers import ReadersClosedError
from qks_cli.review.asking import MOST_ID, Answer, Asked, as_json, get, post
from qks_cli.review.state import LARGE, SMALL, Review
from qks_cli.search.sorting import Sort
from qks_cli.workflows import review as work
from qks_cli.workflows.completion import suggest as complete
from qks_cli.workflows.naming import meant
from qks_cli.workflows.report import Report

WINDOW = 500  # photos of one answer at most
PAGE = 120  # photos of a window as the pages ask for them (static/grid.js)
FRESH = "private, max-age=60, stale-while-revalidate=86400"


def routes(review: Review) -> list[BaseRoute]:
    """All of them."""
    return [
        get("/api/listing", listing, review),
        get("/api/alike", alike, review),
        get("/api/window", window, review),
        get("/api/ids", ids, review),
        get("/api/photo", photo, review),
        get("/api/why", why, review),
        get("/api/suggest", suggest, review),
        post("/api/say", say, review),
        post("/api/undo", undo, review),
        _pictures("/small/{photo:int}", SMALL, review),
        _pictures("/large/{photo:int}", LARGE, review),
        _heat("/heat/{photo:int}", review),
    ]


def listing(review: Review, asked: Asked) -> Answer:
    """The photos that answer a query: how many, the number under which windows show them, and the
    first window."""
    query = asked.text("q")
    try:
        sort = Sort(asked.text("sort", Sort.score))
    except ValueError:
        raise UsageError("there is no such order") from None
    notes: list[str] = []
    with review.searching() as library:
        model = review.model if query.strip() else review.model_name
        found = work.find(
            library,
            query,
            sort,
            model=model,
            language=review.language,
            report=Report(note=notes.append),
        )
    # The page has no option --weak.
    plain = [note.removeprefix("qks: ").partition("--weak")[0].strip(" ;") for note in notes]
    return _listed(review, found, list(filter(None, plain)), asked)


def alike(review: Review, asked: Asked) -> Answer:
    """A listing of the photos that look most like one."""
    with review.searching() as library:
        found = work.alike(library, asked.number("photo"), model=review.model)
    return _listed(review, found, [], asked)


def _listed(review: Review, found: list[int], notes: list[str], asked: Asked) -> Answer:
    number = review.listings.add(array("q", found))
    photos = _cards(review, found[:PAGE], asked)
    return {"listing": number, "total": len(found), "notes": notes, "photos": photos}


def window(review: Review, asked: Asked) -> Answer:
    """Some photos of a listing, as cards; those that are gone from the library are None."""
    start, count = asked.number("start"), asked.number("count", 1, WINDOW)
    wanted = review.listings.get(asked.number("listing"))[start : start + count].tolist()
    return {"photos": _cards(review, wanted, asked)}


def _cards(review: Review, wanted: list[int], asked: Asked) -> list[object]:
    with review.library() as library:
        name_of = namer(review, library)
        found = {one.id: one for one in work.cards(library, wanted, _label(review, library, asked))}
    return [
        asdict(found[x]) | {"tags": [name_of(tag) for tag in found[x].tags]} if x in found else None
        for x in wanted
    ]


def namer(review: Review, library: Library) -> Callable[[str], str]:
    """What labels are called in the user's language."""
    names = review.names(library)
    return str if names is None else names.shown


def _label(review: Review, library: Library, asked: Asked) -> str:
    """The label that a request is about: ``label`` as it is, or the one that is meant by what
    somebody ``typed``."""
    typed = asked.text("typed").strip()
    if not typed:
        return asked.text("label").strip()
    return meant(library, typed, review.names(library))


def ids(review: Review, asked: Asked) -> Answer:
    """Every photo of a listing."""
    return {"ids": review.listings.get(asked.number("listing")).tolist()}


def photo(review: Review, asked: Asked) -> Answer:
    """One photo with its tags."""
    with review.library() as library:
        found = work.photo(library, asked.number("photo"))
        name_of = namer(review, library)
    tags = [asdict(tag) | {"name": name_of(tag.label)} for tag in found.tags]
    return asdict(found) | {"tags": tags}


def why(review: Review, asked: Asked) -> Answer:
    """Why a photo carries a label, as a sentence."""
    with review.thinking, review.library() as library:
        reason = work.why(library, asked.number("photo"), asked.text("label"), model=review.model)
        return {"sentence": reason.told(namer(review, library))}


def suggest(review: Review, asked: Asked) -> Answer:
    """Labels that typed text may mean."""
    with review.library() as library:
        found = complete(library, asked.text("typed"), review.names(library))
    return {"labels": [asdict(one) for one in found]}


def say(review: Review, asked: Asked) -> Answer:
    """Confirm, reject or reset a label on photos."""
    try:
        said = work.Said(asked.text("said"))
    except ValueError:
        raise UsageError("a label is confirmed, rejected or reset") from None
    with review.library() as library:
        change = work.say(library, asked.ids(), _label(review, library, asked), said)
        name = namer(review, library)(change.label)
    number = review.changes.add(change)
    return {"change": number, "photos": change.photos, "label": name}


def undo(review: Review, asked: Asked) -> Answer:
    """Take one change back."""
    number = asked.number("change")
    change = review.changes.get(number)
    with review.library() as library:
        count = work.undo(library, change)
        name = namer(review, library)(change.label)
    review.changes.drop(number)
    return {"photos": count, "label": name, "ids": list(change.before)}


def first(review: Review, asked: Asked) -> str:
    """The listing that a page shows first, with its first window, in JSON: so that the page has it
    with itself. '' where it has to ask, or the query cannot be answered."""
    if "like" in asked.values:
        return ""
    try:
        return json.dumps(listing(review, Asked({**asked.values, "typed": asked.text("label")})))
    except QksError:
        return ""


def _pictures(path: str, side: int, review: Review) -> Route:
    def picture(number: int) -> tuple[str, bytes]:
        file = review.picture(number, side).file
        return f'"{file.stem}"', file.read_bytes()

    async def endpoint(request: Request) -> Response:
        number = request.path_params["photo"]
        if number > MOST_ID:
            return as_json({"error": "no such photo"}, 404)
        try:
            tag, webp = await to_thread.run_sync(picture, number, limiter=review.readers_limit)
        except PhotoError as error:
            return as_json({"error": work.as_words(error)}, 404)
        except (QksError, ReadersClosedError, OSError):
            return as_json({"error": "no such photo"}, 404)
        headers = {"Cache-Control": FRESH, "ETag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(webp, media_type="image/webp", headers=headers)

    return Route(path, endpoint, methods=["GET"])


def _heat(path: str, review: Review) -> Route:
    def picture(number: int, label: str) -> bytes:
        with review.thinking, review.library() as library:
            return work.heat_picture(library, number, label, LARGE, model=review.model)

    async def endpoint(request: Request) -> Response:
        number = request.path_params["photo"]
        try:
            if number > MOST_ID:
                raise UsageError("no such photo")
            label = Asked(request.query_params).text("label")
            webp = await to_thread.run_sync(picture, number, label, limiter=review.readers_limit)
        except (QksError, ReadersClosedError):
            return as_json({"error": "no such picture"}, 404)
        return Response(webp, media_type="image/webp")

    return Route(path, endpoint, methods=["GET"])
