"""``qks review``: look at photos in the browser, and say which tags are right."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Labels, Language, Model
from qks_cli.cli.output import say
from qks_cli.cli.threads import use_one_thread
from qks_cli.vocabulary.language_codes import LanguageCode


def review(
    query: Annotated[
        list[str] | None, typer.Argument(help="What to show first, as in qks search. Default: all.")
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on. 0: any that is free.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address.")
    ] = False,
    labels: Labels = None,
    language: Language = LanguageCode.en,
    db: Db = None,
    model: Model = "mini",
) -> None:
    """Look at photos and their tags in the browser, and confirm, reject and add tags.

    Serves a page to this machine only, under an address that nobody can guess; nothing is fetched
    from the network. Your verdicts are those of `qks tags`, which can take them back. The page
    may be open beside a running `qks tag`. With --language labels have their names in that
    language, which you may also type and search for. Keys: press ? on the page. Ctrl-C ends it.
    """
    use_one_thread()
    from qks_cli.review.security import Key
    from qks_cli.review.server import listen, serve
    from qks_cli.review.state import Review
    from qks_cli.workflows.session import open_library

    with open_library(db):  # says at once what is wrong with it
        pass
    with listen(port) as opened:
        key = Key(opened.getsockname()[1])
        typer.echo(key.address)
        sys.stdout.flush()
        say("qks: open this address in a browser of this machine; Ctrl-C ends it")
        if not no_browser:
            _open(key.address)
        review = Review(db, model, labels, " ".join(query or ()), say, language)
        serve(review, key, opened)


def _open(address: str) -> None:
    """Show a page in the desktop's browser, where there is a desktop."""
    import threading
    import webbrowser

    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
