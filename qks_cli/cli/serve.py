"""``qks serve``: answers to programs that ask often."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qks_cli import settings
from qks_cli.cli.options import Db, Model
from qks_cli.cli.output import say
from qks_cli.cli.threads import use_one_thread
from qks_cli.errors import OutputError, ReaderGoneError

Socket = Annotated[
    Path | None,
    typer.Option(
        help="Path of the socket. Default: $QKS_SOCKET or the system's folder for your sockets."
    ),
]
Stdio = Annotated[
    bool, typer.Option("--stdio", help="Take requests from stdin and answer on stdout instead.")
]


def serve(
    db: Db = None, model: Model = "mini", socket: Socket = None, stdio: Stdio = False
) -> None:
    """Answer searches and tag photos for other programs, until Ctrl-C or SIGTERM.

    One line of JSON is a request, and so is its answer: {"do": "search", "query": "dog beach"}. The
    socket is for your user alone. docs/serve.md describes every request.
    """
    use_one_thread()
    from qks_cli.workflows.kept_open import KeptOpen
    from qks_cli.workflows.serving import MOST_BYTES, Service
    from qks_cli.workflows.session import opened
    from qks_cli.workflows.sockets import over_socket, over_streams

    with KeptOpen(db) as kept:
        with kept.using():  # says at once what is wrong with it
            pass
        service = Service(kept, opened(model))
        if stdio:
            try:
                over_streams(service.answer, sys.stdin.buffer, sys.stdout.buffer, MOST_BYTES)
            except BrokenPipeError as error:
                raise ReaderGoneError from error
            except OSError as error:
                raise OutputError(f"cannot write to standard output: {error.strerror}") from error
            return
        path = socket or settings.socket_path()
        over_socket(service.answer, path, MOST_BYTES, lambda: say(f"qks: answering at {path}"))
    say("qks: stopped")
