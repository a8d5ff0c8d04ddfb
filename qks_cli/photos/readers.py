"""Photos read by processes of their own, one a thread that asks.

A file that hangs, crashes or floods its decoder costs that process, never the run: it is named,
and the next file gets a new process.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.closing import Closing
from qks_cli.errors import PhotoError
from qks_cli.photos.limits import Budget, Limits
from qks_cli.photos.reading import Reading
from qks_cli.types import Details, Frames, UInt8Array

_START = "import sys; sys.path[:] = sys.argv[2:]; from qks_cli.photos.worker import main; main()"
_PATIENCE = 5.0  # seconds for a killed process to be gone


class ReadersClosedError(Exception):
    """The readers were closed while a photo was being read."""


class Readers(Closing):
    """Reads photos for any number of threads; a context manager, which ends the processes."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._budget = Budget(self.limits.decoded_mb)
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._closed = False

    def start(self, count: int) -> None:
        """Start ``count`` processes without waiting for them: until they can read, a third of a
        second passes, in which a caller has other things to do."""
        processes = [self._take() for _ in range(count)]
        with self._lock:
            self._idle += processes

    def read(
        self, path: Path, resize: str, out_SS3: UInt8Array, *, moments: bool = False
    ) -> Reading:
        """As ``reading.read``; ``out_SS3`` is contiguous.

        Raises ``PhotoError``, or ``ReadersClosedError`` once ``close`` was called."""
        side = out_SS3.shape[0]
        request = {"want": "read", "resize": resize, "side": side, "moments": moments}
        answer = self._ask(path, request, out_SS3.data.cast("B"))
        digest = answer["fingerprint"]
        return Reading(
            tuple(answer["size"]),
            bytes.fromhex(digest) if digest else None,
            Details(**answer["details"]),
            answer["warning"],
            _frames(answer, out_SS3),
        )

    def details(self, path: Path) -> Details:
        """As ``details.read_details``."""
        try:
            return Details(**self._ask(path, {"want": "details"})["details"])
        except PhotoError:
            return Details()

    def packet(self, path: Path) -> bytes:
        """As ``details.read_packet``; empty also where the process ended over the file."""
        try:
            return bytes.fromhex(self._ask(path, {"want": "packet"})["packet"])
        except PhotoError:
            return b""

    def pixel_digest(self, path: Path) -> bytes:
        """As ``same.digest_pixels``. Raises ``PhotoError``; ``ReadersClosedError``."""
        return bytes.fromhex(self._ask(path, {"want": "digest"})["digest"])

    def close(self) -> None:
        """End all processes, also those at work: whoever waits gets ``ReadersClosedError``."""
        with self._lock:
            self._closed = True
            processes, self._all = self._all, set()
            self._idle.clear()
        for process in processes:
            process.end()

    def _ask(self, path: Path, request: dict[str, Any], into: memoryview | None = None) -> Any:
        limits = {"decoded_mb": self.limits.decoded_mb, "seconds": self.limits.seconds}
        request |= {"path": _from_anywhere(path), "limits": limits}
        process = self._take()
        try:
            answer = process.ask(request, self._budget, into)
        except (OSError, EOFError, ValueError):
            with self._lock:
                self._all.discard(process)
                closed = self._closed
            status = process.end()
            if closed:
                raise ReadersClosedError from None
            raise PhotoError(path, *_cause(status, self.limits.seconds)) from None
        with self._lock:
            self._idle.append(process)
        if "error" in answer:
            kind, reason, hint = answer["error"]
            raise PhotoError(path, kind, reason, hint=hint)
        return answer

    def _take(self) -> _Process:
        with self._lock:
            if self._closed:
                raise ReadersClosedError
            if self._idle:
                return self._idle.pop()
        process = _Process(self.limits.decoded_mb)
        with self._lock:
            if not self._closed:
                self._all.add(process)
                return process
        process.end()
        raise ReadersClosedError


@cache
def shared() -> Readers:
    """Readers for single photos, which end with the program."""
    readers = Readers()
    atexit.register(readers.close)
    return readers


def read_one(path: Path, resize: str, side: int) -> UInt8Array:
    """The upright pixels of one photo, uint8 [S, S, 3]. Raises ``PhotoError``."""
    out_SS3 = np.empty((side, side, 3), np.uint8)
    shared().read(path, resize, out_SS3)
    return out_SS3


class _Process:
    def __init__(self, decoded_mb: float) -> None:
        # BLAS threads of a process that does no algebra would only take memory.
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(decoded_mb), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C and Ctrl-Z are for the run to handle
        )

    def ask(self, request: dict[str, Any], budget: Budget, into: memoryview | None) -> Any:
        """The answer, its pixels in ``into``. Raises ``EOFError`` or ``OSError`` where the process
        ended over it."""
        self._send(json.dumps(request).encode() + b"\n")
        answer = self._receive()
        if "need" in answer:
            with budget.taken(answer["need"]):
                self._send(b"\n")
                answer = self._receive()
        if into is not None and "error" not in answer:
            assert self.process.stdout is not None
            if self.process.stdout.readinto(into) != len(into):  # type: ignore[attr-defined]
                raise EOFError
            more = len(answer.get("seconds", ())) * len(into)
            answer["frames"] = self.process.stdout.read(more)
            if len(answer["frames"]) != more:
                raise EOFError
        return answer

    def end(self) -> int:
        """Kill the process if it is there still, and return how it ended: a signal negative."""
        self.process.kill()
        try:
            status = self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:  # a disk or network that does not answer holds it
            return -signal.SIGKILL
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return status

    def _send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def _receive(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return json.loads(line)


def _frames(answer: Any, like_SS3: UInt8Array) -> Frames | None:
    """The frames of a video that came after its pixels."""
    seconds = answer.get("seconds")
    if not seconds:
        return None
    pixels = np.frombuffer(answer["frames"], np.uint8)
    return Frames(tuple(seconds), pixels.reshape(len(seconds), *like_SS3.shape))


def _from_anywhere(path: Path) -> str:
    """A path that a process understands which was started in another folder."""
    try:
        return str(path.absolute())
    except FileNotFoundError:  # the folder that we are in is gone
        return str(path)


def _cause(status: int, seconds: float) -> tuple[str, str]:
    """Kind and reason of a photo over which its process ended."""
    if status == -signal.SIGALRM:
        return "too-slow", f"it takes longer than {seconds:g} s to read"
    if status == -signal.SIGKILL:
        return "too-large", "the system ended its decoder, most likely for want of memory"
    name = signal.Signals(-status).name if status < 0 else f"exit code {status}"
    return "corrupt", f"the file is damaged (its decoder crashed: {name})"
