"""Whether weights can be fetched at all, asked before torch and open_clip are imported.

Without a network huggingface_hub tries again for a minute before it gives up.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit
from urllib.request import getproxies

from qks_cli.errors import ModelError

SECONDS = 3.0  # to wait for an answer, of whichever host
SOURCES = ("https://huggingface.co", "https://github.com")  # where open_clip's weights are kept
PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


def check_reachable(weights: str) -> None:
    """Return if ``weights`` may be had: from a file or folder, a cache or the network.

    Where the network is down but a cache holds something, huggingface_hub is told not to ask.
    Raises ``ModelError`` where nothing is kept and nothing can be reached.
    """
    local = Path(weights.partition("/")[2]).is_file() or Path(weights).expanduser().is_dir()
    if local or reachable():
        return
    if not any(folder.is_dir() and any(folder.iterdir()) for folder in _caches()):
        raise ModelError(
            f"cannot fetch {weights}: neither {' nor '.join(_hosts())} can be reached",
            hint="check the network connection; nothing was changed",
        )
    os.environ["HF_HUB_OFFLINE"] = "1"


def reachable() -> bool:
    """Whether one of the places that weights come from, or the proxy to it, answers.

    All are asked at once, each by a thread that nobody waits for longer than ``SECONDS``: looking
    up a name has no time limit of its own, and takes half a minute where no name server answers.
    """
    proxies = getproxies()
    through = proxies.get("https") or proxies.get("all")
    places = [through] if through else [_endpoint(), *SOURCES[1:]]
    answers: SimpleQueue[bool] = SimpleQueue()
    for place in places:
        Thread(target=lambda place=place: answers.put(_answers(place)), daemon=True).start()
    until = time.monotonic() + SECONDS
    for _ in places:
        try:
            if answers.get(timeout=max(0.0, until - time.monotonic())):
                return True
        except Empty:
            return False
    return False


def _answers(place: str) -> bool:
    try:
        url = urlsplit(place if "//" in place else f"http://{place}")
        port = url.port or PORTS.get(url.scheme, 443)
        socket.create_connection((url.hostname or "", port), SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT") or SOURCES[0]


def _hosts() -> list[str]:
    return [urlsplit(place).netloc for place in (_endpoint(), *SOURCES[1:])]


def _caches() -> list[Path]:
    """Where huggingface_hub and open_clip keep what they fetched."""
    home = Path.home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not hub:
        hub = str(Path(os.environ.get("HF_HOME") or cache / "huggingface") / "hub")
    return [Path(hub), home / ".cache" / "clip"]
