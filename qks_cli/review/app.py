"""The server as a Starlette application: pages, static files, the routes of other modules."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from qks_cli.review import labels, photos
from qks_cli.review.asking import Asked, unforeseen
from qks_cli.review.security import ENTRANCE, Guard, Key
from qks_cli.review.state import Review
from qks_cli.search.grammar import HELP
from qks_cli.search.sorting import Sort

MODULES = ("api", "verdicts", "grid", "complete", "judge", "photo")  # that pages import
HERE = Path(__file__).parent
# Of a system that thinks otherwise: browsers run nothing that is no JavaScript.
mimetypes.add_type("text/javascript", ".js")


def make_app(review: Review, key: Key) -> ASGIApp:
    """The application of one server, behind its guard."""
    render = _templates()

    async def entrance(request: Request) -> Response:
        if not key.opens(request.path_params["token"]):
            return PlainTextResponse("this address is not, or no longer, the server's\n", 403)
        # A page that leads on, not a redirect: a browser sends a strict cookie only where this
        # site's own page leads.
        query = urlencode({"q": review.query}) if review.query else ""
        response = render("open.html", target=f"/?{query}" if query else "/")
        response.set_cookie(key.name, key.cookie, httponly=True, samesite="strict")
        return response

    def index(request: Request) -> Response:
        first = photos.first(review, Asked(request.query_params))
        return render("photos.html", page="photos", orders=list(Sort), language=HELP, first=first)

    def all_labels(request: Request) -> Response:
        return render("labels.html", page="labels")

    def one_label(request: Request) -> Response:
        return render("label.html", page="label")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        review.close()

    app = Starlette(
        routes=[
            Route(ENTRANCE + "{token:str}", entrance),
            Route("/", index),
            Route("/labels", all_labels),
            Route("/label", one_label),
            *photos.routes(review),
            *labels.routes(review),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        exception_handlers={Exception: unforeseen},
        lifespan=lifespan,
    )
    app.state.review = review
    return Guard(app, key)


def _templates() -> Callable[..., HTMLResponse]:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def render(name: str, **values: object) -> HTMLResponse:
        return HTMLResponse(environment.get_template(name).render(modules=MODULES, **values))

    return render
