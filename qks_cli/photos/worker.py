"""The process that opens photos, so that no file can hang, crash or soil the run itself.

``readers.py`` starts it and talks to it in lines of JSON over two pipes: a request; where pixels
are to be decoded, how many bytes that takes and a line that says go; then the answer, and after
that of ``read`` the pixels as they are. The kernel's alarm ends it when a file takes too long,
whatever its decoder is doing. What libraries print goes into a file of its own.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from qks_cli.errors import PhotoError
from qks_cli.photos.details import read_details, read_packet
from qks_cli.photos.digests import digest_pixels
from qks_cli.photos.limits import MEGABYTE, Limits
from qks_cli.photos.opened import one_line
from qks_cli.photos.reading import read

_ROOM = 3 << 30  # bytes of address space beside the pixels: libraries, threads, the file itself
_COPIES = 4  # of the pixels, which decoders and conversions hold for a moment
_DETAILS_SECONDS = 2.0  # of CPU time; most take a thousandth
_LONGEST = 200  # characters of a warning that are passed on
# Advice to programmers, no word about the file.
_NO_NEWS = ("Palette images with Transparency", "deprecated", "16 bit floats")


class _Worker:
    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self.requests = requests
        self.answers = answers

    def serve(self) -> None:
        """Answer requests until the other side closes its pipe."""
        for line in self.requests:
            request = json.loads(line)
            limits = Limits(**request["limits"])
            signal.setitimer(signal.ITIMER_REAL, limits.seconds)
            try:
                answer, pixels = self.answer(request, limits)
            except PhotoError as error:
                answer = {"error": [error.kind, error.reason, error.hint]}
                pixels = b""
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.say(answer, pixels)

    def answer(self, request: dict[str, Any], limits: Limits) -> tuple[dict[str, Any], Any]:
        """What a request asks for, and the bytes that follow it."""
        path = Path(request["path"])
        if request["want"] == "details":
            return {"details": asdict(read_details(path, limits=limits))}, b""
        if request["want"] == "packet":
            return {"packet": read_packet(path).hex()}, b""
        if request["want"] == "digest":
            return {"digest": digest_pixels(path, limits, self.admit).hex()}, b""
        side = request["side"]
        out_SS3 = np.empty((side, side, 3), np.uint8)
        with _overheard() as heard:
            found = read(
                path,
                request["resize"],
                out_SS3,
                limits,
                self.admit,
                _bound,
                moments=request["moments"],
            )
        answer: dict[str, Any] = {
            "size": found.size,
            "fingerprint": found.fingerprint.hex() if found.fingerprint else None,
            "details": asdict(found.details),
            "warning": found.warning or _warning(heard),
        }
        if found.frames is None:
            return answer, out_SS3.data.cast("B")
        answer["seconds"] = found.frames.seconds
        return answer, out_SS3.tobytes() + found.frames.pixels_KHW3.tobytes()

    @contextmanager
    def admit(self, needed: int) -> Iterator[None]:
        """Ask for memory and wait for it; the clock of the file stands still meanwhile."""
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        self.say({"need": needed})
        if not self.requests.readline():
            sys.exit(0)  # nobody is there any more
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))
        yield

    def say(self, message: dict[str, Any], pixels: Any = b"") -> None:
        """Send a message and what follows it."""
        self.answers.write(json.dumps(message).encode() + b"\n")
        self.answers.write(pixels)
        self.answers.flush()


@contextmanager
def _bound() -> Iterator[None]:
    """Interrupt with ``TimeoutError`` what runs in Python for longer than details may take."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, _DETAILS_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What libraries warn of, by Python or on stderr, instead of showing it."""
    heard: list[str] = []
    os.ftruncate(2, 0)
    os.lseek(2, 0, os.SEEK_SET)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield heard
    heard += [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    os.lseek(2, 0, os.SEEK_SET)
    heard += os.read(2, 4096).decode(errors="replace").splitlines()


def _warning(heard: list[str]) -> str | None:
    """One line of what was heard: the first that says something of the file."""
    for text in heard:
        line = one_line(text)
        if line and not any(words in line for words in _NO_NEWS):
            return f"read, but parts of it are damaged ({line[:_LONGEST]})"
    return None


def _limit_memory(decoded_mb: float) -> None:
    """A last line behind the counting: what a decoder allocates beyond this fails."""
    wanted = int(decoded_mb * MEGABYTE * _COPIES) + _ROOM
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def main() -> None:
    """Serve on stdin and stdout, which are closed to libraries."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _limit_memory(float(sys.argv[1]))
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    with tempfile.TemporaryFile() as words:
        os.dup2(words.fileno(), 2)
    _Worker(requests, answers).serve()
