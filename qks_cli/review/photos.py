"""What the pages ask about photos, and what they say of them."""

from __future__ import annotations

from array import array
from dataclasses import asdict

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from qks_cli.errors import PhotoError, QksError, UsageError
from qks_cli.photos.readers import ReadersClosedError
from qks_cli.review.asking import MOST_ID, Answer, Asked, as_json, get, post
from qks_cli.review.state import LARGE, SMALL, Review
from qks_cli.search.sorting import Sort
from qks_cli.workflows import review as work
from qks_cli.workflows.report import Report

WINDOW = 500  # photos of one answer
FRESH = "private, max-age=60, stale-while-revalidate=86400"


def routes(review: Review) -> list[BaseRoute]:
    """All of them."""
    return [
        get("/api/listing", listing, review),
        get("/api/alike", alike, review),
        get("/api/window", window, review),
        get("/api/ids", ids, review),
        get("/api/photo", photo, review),
        get("/api/suggest", suggest, review),
        post("/api/say", say, review),
        post("/api/undo", undo, review),
        _pictures("/small/{photo:int}", SMALL, review),
        _pictures("/large/{photo:int}", LARGE, review),
    ]


def listing(review: Review, asked: Asked) -> Answer:
    """The photos that answer a query: how many, and the number under which windows show them."""
    query = asked.text("q")
    try:
        sort = Sort(asked.text("sort", Sort.score))
    except ValueError:
        raise UsageError("there is no such order") from None
    notes: list[str] = []
    with review.thinking, review.library() as library:
        model = review.model if query.strip() else review.model_name
        found = work.find(library, query, sort, model=model, report=Report(note=notes.append))
    said = [
        note.removeprefix("qks: ").replace("; --weak shows the best there is", "") for note in notes
    ]
    return _listed(review, found, said)


def alike(review: Review, asked: Asked) -> Answer:
    """A listing of the photos that look most like one."""
    with review.thinking, review.library() as library:
        found = work.alike(library, asked.number("photo"), model=review.model)
    return _listed(review, found, [])


def _listed(review: Review, found: list[int], notes: list[str]) -> Answer:
    number = review.listings.add(array("q", found))
    return {"listing": number, "total": len(found), "notes": notes}


def window(review: Review, asked: Asked) -> Answer:
    """Some photos of a listing, as cards; those that are gone from the library are None."""
    start, count = asked.number("start"), asked.number("count", 1, WINDOW)
    wanted = review.listings.get(asked.number("listing"))[start : start + count].tolist()
    with review.library() as library:
        found = {one.id: one for one in work.cards(library, wanted, asked.text("label"))}
    return {"photos": [asdict(found[x]) if x in found else None for x in wanted]}


def ids(review: Review, asked: Asked) -> Answer:
    """Every photo of a listing."""
    return {"ids": review.listings.get(asked.number("listing")).tolist()}


def photo(review: Review, asked: Asked) -> Answer:
    """One photo with its tags."""
    with review.library() as library:
        return asdict(work.photo(library, asked.number("photo")))


def suggest(review: Review, asked: Asked) -> Answer:
    """Labels that typed text may mean."""
    with review.library() as library:
        return {"labels": [asdict(one) for one in work.suggest(library, asked.text("typed"))]}


def say(review: Review, asked: Asked) -> Answer:
    """Confirm, reject or reset a label on photos."""
    try:
        said = work.Said(asked.text("said"))
    except ValueError:
        raise UsageError("a label is confirmed, rejected or reset") from None
    with review.library() as library:
        change = work.say(library, asked.ids(), asked.text("label").strip(), said)
    number = review.changes.add(change)
    return {"change": number, "photos": change.photos, "label": change.label}


def undo(review: Review, asked: Asked) -> Answer:
    """Take one change back."""
    number = asked.number("change")
    change = review.changes.get(number)
    with review.library() as library:
        count = work.undo(library, change)
    review.changes.drop(number)
    return {"photos": count, "label": change.label, "ids": list(change.before)}


def _pictures(path: str, side: int, review: Review) -> Route:
    async def endpoint(request: Request) -> Response:
        number = request.path_params["photo"]
        if number > MOST_ID:
            return as_json({"error": "no such photo"}, 404)
        try:
            made = await to_thread.run_sync(
                review.picture, number, side, limiter=review.readers_limit
            )
        except PhotoError as error:
            return as_json({"error": work.as_words(error)}, 404)
        except (QksError, ReadersClosedError):
            return as_json({"error": "no such photo"}, 404)
        return FileResponse(made.file, media_type="image/webp", headers={"Cache-Control": FRESH})

    return Route(path, endpoint, methods=["GET"])
