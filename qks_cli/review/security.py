"""Who may talk to the server: the user's own browser, and no page of anybody else.

The server listens on the loopback address, which every program and every open web page of this
machine can reach. So a request has to come under the server's own name (a page elsewhere may point
a name of its own at 127.0.0.1: DNS rebinding), from its own pages, and with a cookie that only
whoever knows the token in the first address gets.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENTRANCE = "/open/"
METHODS = ("GET", "HEAD", "POST")
LARGEST = 4 * 2**20  # bytes of a request's body
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Key:
    """What opens a server on a port: the token of its first address, and the cookie that the
    browser gets for it. Cookies are shared by all ports of a host: the name tells them apart."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def name(self) -> str:
        """The cookie's name."""
        return f"qks-review-{self.port}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that the server answers to."""
        end = "" if self.port == 80 else f":{self.port}"  # browsers leave HTTP's own port out
        return f"127.0.0.1{end}", f"localhost{end}"

    @property
    def address(self) -> str:
        """What the user opens."""
        return f"http://{self.hosts[0]}{ENTRANCE}{self.token}"

    def opens(self, token: str) -> bool:
        """Whether this is the token; takes as long for a wrong one as for the right one."""
        return secrets.compare_digest(token.encode(), self.token.encode())

    def is_held(self, cookies: Iterable[str]) -> bool:
        """Whether a browser that sends these Cookie headers was let in."""
        held = [pair.strip().partition("=") for one in cookies for pair in one.split(";")]
        return any(
            secrets.compare_digest(value.encode(), self.cookie.encode())
            for name, _, value in held
            if name == self.name
        )


class Guard:
    """Lets through what may pass, and puts the security headers on every answer."""

    def __init__(self, app: ASGIApp, key: Key) -> None:
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            code, reason = refused
            await PlainTextResponse(f"{reason}\n", code)(scope, receive, guarded)
            return
        await self.app(scope, _Bounded(receive), guarded)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The status and the reason of a request that may not pass."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self.key.hosts:
            return 421, "this server answers to its own address alone"
        if scope["method"] not in METHODS:
            return 405, "not here"
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return 403, "a page of another site may not ask"
        if scope["method"] == "POST" and not origins:
            return 403, "changes come from the server's own pages"
        if scope["path"].startswith(ENTRANCE) and scope["method"] != "POST":
            return None
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "a page of another site may not ask"
        if not self.key.is_held(headers.getlist("cookie")):
            return 403, "open the address that `qks review` printed"
        if _length(headers) > LARGEST:
            return 413, "too large"
        return None


class _Bounded:
    """A request's body, which ends as if the browser had left where it is too large."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.left = LARGEST

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        return message if self.left >= 0 else {"type": "http.disconnect"}


def _length(headers: Headers) -> int:
    told = headers.get("content-length", "0")
    return int(told) if told.isdecimal() and len(told) < 16 else LARGEST + 1
