"""Listens on the loopback address until it is interrupted."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

from qks_cli.errors import UsageError
from qks_cli.review.app import make_app
from qks_cli.review.security import Key
from qks_cli.review.state import Review

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
PATIENCE = 2  # seconds for answers under way when the server ends


def listen(port: int) -> socket.socket:
    """A socket that takes connections of this machine alone, on any free port where ``port`` is 0.

    Raises ``UsageError`` where the port is taken."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
        opened.listen(128)
    except OSError as error:
        opened.close()
        raise UsageError(
            f"cannot listen on port {port}: {error.strerror or error}",
            hint="without --port any free one is taken",
        ) from error
    return opened


def make_server(review: Review, key: Key) -> uvicorn.Server:
    """What answers on a socket of ``listen``; its ``should_exit`` ends it."""
    import uvicorn

    # It would print tracebacks: what a user has to know, ``Review.complain`` tells.
    logging.getLogger("uvicorn.error").disabled = True
    config = uvicorn.Config(
        make_app(review, key),
        access_log=False,
        log_config=None,
        lifespan="on",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    return uvicorn.Server(config)


def serve(review: Review, key: Key, opened: socket.socket) -> None:
    """Answer until Ctrl-C (raises ``KeyboardInterrupt``) or SIGTERM."""
    review.warm()
    make_server(review, key).run(sockets=[opened])
