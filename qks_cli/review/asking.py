"""From a request to a call, and from what it returns or raises to an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from qks_cli.errors import QksError, UsageError
from qks_cli.escape import shown
from qks_cli.review.state import GoneError, Review
from qks_cli.search.grammar import QueryError

MOST_ID = 2**63 - 1  # of SQLite
MOST_IDS = 200_000  # photos that one request may be about
LONGEST = 2000  # characters of a text

Answer: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: texts of its address, or values of its JSON body."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str, otherwise: str = "") -> str:
        """A text. Raises ``UsageError`` where it is too long or none."""
        value = self.values.get(name, otherwise)
        if not isinstance(value, str) or len(value) > LONGEST:
            raise UsageError(f"{name} is not text, or too long")
        return value

    def number(self, name: str, low: int = 0, high: int = MOST_ID) -> int:
        """A whole number. Raises ``UsageError`` where it is none from ``low`` to ``high``."""
        number = self.values.get(name)
        if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 20:
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
            raise UsageError(f"{name} is not a number from {low} to {high}")
        return number

    def share(self, name: str) -> float:
        """A number from 0 to 1. Raises ``UsageError``."""
        try:
            value = float(self.values.get(name, "none"))
        except (TypeError, ValueError):
            value = -1.0
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is not a number from 0 to 1")
        return value

    def ids(self) -> list[int]:
        """Ids of photos. Raises ``UsageError``."""
        ids = self.values.get("ids")
        if not isinstance(ids, list) or len(ids) > MOST_IDS:
            raise UsageError("ids is not a list, or too long")
        if not all(type(one) is int and 0 <= one <= MOST_ID for one in ids):
            raise UsageError("ids holds something else")
        return list(dict.fromkeys(ids))


Call: TypeAlias = Callable[[Review, Asked], Answer]


def get(path: str, call: Call, review: Review) -> Route:
    """A route that asks."""

    async def endpoint(request: Request) -> Response:
        asked = Asked({**request.query_params, **request.path_params})
        return await answered(call, review, asked)

    return Route(path, endpoint, methods=["GET"])


def post(path: str, call: Call, review: Review) -> Route:
    """A route that changes something."""

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except (ValueError, RecursionError):
            body = None
        except ClientDisconnect:
            return as_json({"error": "the request was cut off, or is too large"}, 413)
        if not isinstance(body, dict):
            return as_json({"error": "this is not a JSON object"}, 400)
        return await answered(call, review, Asked(body))

    return Route(path, endpoint, methods=["POST"])


async def answered(call: Call, review: Review, asked: Asked) -> Response:
    """What a call returns, or in words what is wrong: 410 for what is no longer kept, else 400."""
    try:
        return as_json(await run_in_threadpool(call, review, asked))
    except QueryError as error:
        problem = error.message.partition("\n")[0]
        return as_json({"error": problem, "hint": error.hint, "at": error.at}, 400)
    except QksError as error:
        code = 410 if isinstance(error, GoneError) else 400
        return as_json({"error": error.message, "hint": error.hint}, code)


def as_json(answer: Answer, code: int = 200) -> Response:
    """An answer in JSON; all of it is ASCII, so that bytes that are no text do no harm."""
    return Response(json.dumps(answer), code, media_type="application/json")


async def unforeseen(request: Request, error: Exception) -> Response:
    """Whatever else is raised is one line for the user, on the page and on the terminal."""
    complain = request.app.state.review.complain
    complain(f"qks: {request.url.path}: {shown(f'{type(error).__name__}: {error}')[:300]}")
    return as_json({"error": "something went wrong; the terminal says what"}, 500)
