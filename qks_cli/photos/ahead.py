"""The walk on a thread of its own, so that a run learns early how many photos there are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

from qks_cli.types import Photo

Told = Callable[[Path, Any], None]
Call = Callable[[], None]


def walk_ahead(
    walk: Callable[..., Iterator[Photo]],
    *,
    on_problem: Told,
    on_skip: Told,
    on_name: Told,
    on_total: Callable[[int], None],
) -> Generator[Photo, None, None]:
    """The photos of ``walk``: of ``walk.walk`` with all of its arguments but ``on_problem``,
    ``on_skip`` and ``on_name``. It does not wait for whoever asks for photos; what it found waits
    in memory, so that the tree is read once.

    ``on_total`` is called on the walk's thread, with the number of photos, once the walk has ended;
    the other functions are called on the caller's thread, in the order of the walk.
    """
    found: SimpleQueue[Photo | Call | None] = SimpleQueue()
    stopped = Event()

    def queued(function: Told) -> Told:
        return lambda path, value: found.put(partial(function, path, value))

    def work() -> None:
        total = 0
        try:
            told = {"on_problem": on_problem, "on_skip": on_skip, "on_name": on_name}
            for photo in walk(**{name: queued(function) for name, function in told.items()}):
                if stopped.is_set():
                    return
                found.put(photo)
                total += 1
            on_total(total)
        except BaseException as error:  # handed to the caller, who raises it
            found.put(partial(_raise, error))
        finally:
            found.put(None)

    Thread(target=work, name="walk", daemon=True).start()
    try:
        while (one := found.get()) is not None:
            if isinstance(one, Photo):
                yield one
            else:
                one()
    finally:
        stopped.set()


def _raise(error: BaseException) -> None:
    raise error
