"""Work that takes longer than a request may: one piece at a time, beside the server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from qks_cli.errors import QksError, UsageError
from qks_cli.escape import shown


@dataclass(slots=True)
class Job:
    """What is being done, and how far. ``message`` says what came of it, ``error`` what went
    wrong. Asked to ``stop``, it ends after what it has in hand."""

    done: int = 0
    total: int = 0
    running: bool = True
    message: str = ""
    error: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    def advance(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.done, self.total = done, total


class Jobs:
    """The one job of a server, the last one that was started."""

    def __init__(self, complain: Callable[[str], None]) -> None:
        self._complain = complain
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.last = Job(running=False)

    def start(self, work: Callable[[Job], str]) -> None:
        """Begin; ``work`` returns what it has to say. Raises ``UsageError`` while another job
        runs."""
        with self._lock:
            if self.last.running:
                raise UsageError(
                    "photos are still being tagged with the previous cut-off; wait for that to end"
                )
            self.last = job = Job()
            self._thread = threading.Thread(target=self._run, args=(job, work))
            self._thread.start()

    def close(self) -> None:
        """Ask the job to stop, and wait for it."""
        self.last.stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, job: Job, work: Callable[[Job], str]) -> None:
        try:
            job.message = work(job)
        except QksError as error:
            job.error = f"{error.message}; {error.hint}" if error.hint else error.message
        except Exception as error:
            job.error = "something went wrong; the terminal says what"
            self._complain(f"qks: {shown(f'{type(error).__name__}: {error}')[:300]}")
        finally:
            job.running = False
