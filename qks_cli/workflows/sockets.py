"""Lines in, lines out: over a socket of this machine that its user alone may open, or two streams.

Requests are answered one at a time, in the order in which they come.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from qks_cli.errors import UsageError

Answer = Callable[[bytes], bytes]
CLIENTS = 64  # at a time


def over_streams(answer: Answer, reading: BinaryIO, writing: BinaryIO, most: int) -> None:
    """Answer every line of a stream until it ends; a line of more than ``most`` bytes is answered
    by its beginning, which is an error."""
    while line := reading.readline(most + 2):
        if len(line) > most + 1:
            while not line.endswith(b"\n") and (rest := reading.readline(most)):
                line = line[: most + 1] + rest[-1:]
        if line.strip():
            writing.write(answer(line))
            writing.flush()


def over_socket(answer: Answer, path: Path, most: int, ready: Callable[[], None]) -> None:
    """Answer every line that comes over the socket ``path`` until Ctrl-C or SIGTERM.

    ``ready`` is called once it can be asked. Raises ``UsageError`` where it cannot be made."""
    if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        raise UsageError("this system has no sockets of this kind", hint="use --stdio")
    listening = _listen(path)
    try:
        asyncio.run(_serve(answer, listening, most, ready))
    finally:
        with suppress(OSError):
            path.unlink()


async def _serve(
    answer: Answer, listening: socket.socket, most: int, ready: Callable[[], None]
) -> None:
    stopped = asyncio.Event()
    clients: set[asyncio.Task[None]] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        try:
            if len(clients) <= CLIENTS:
                await _talk(answer, reader, writer, most)
        except (ConnectionError, asyncio.CancelledError):
            pass  # whoever asked is gone, or we are going
        finally:
            clients.discard(task)
            writer.close()

    server = await asyncio.start_unix_server(client, sock=listening, limit=most + 1)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    ready()
    await stopped.wait()
    server.close()
    for task in list(clients):
        task.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def _talk(
    answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int
) -> None:
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # longer than ``most``: where it ends is not looked for
            writer.write(answer(b" " * (most + 1)))
            await writer.drain()
            return
        if not line:
            return
        if line.strip():
            writer.write(answer(line))
            await writer.drain()


def _listen(path: Path) -> socket.socket:
    """A socket that nobody but this user can open, in place of one that was left behind."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_uid not in (0, os.getuid()):
            raise UsageError(f"{path.parent} belongs to another user", hint="give --socket")
        _clear(path)
        listening = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # mode 600 from the first moment on
        try:
            listening.bind(str(path))
        except BaseException:
            listening.close()
            raise
        finally:
            os.umask(before)
    except OSError as error:
        raise UsageError(
            f"cannot listen at {path}: {error.strerror or error}", hint="give --socket another path"
        ) from error
    return listening


def _clear(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise UsageError(f"{path} is not a socket", hint="give --socket another path")
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:  # of a process that was killed
            path.unlink()
            return
    raise UsageError(f"another `qks serve` answers at {path}", hint="give --socket another path")
