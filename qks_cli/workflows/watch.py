"""Keep a library up to date while photos come, move and go."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qks_cli.errors import UsageError
from qks_cli.library.store import Library
from qks_cli.photos.walk import absolute, walk
from qks_cli.wording import count_of
from qks_cli.workflows.pipeline import LoadOptions
from qks_cli.workflows.report import SILENT, Report
from qks_cli.workflows.results import Result
from qks_cli.workflows.skipped import Skipped
from qks_cli.workflows.tag import Tagging, TagRun

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

LONGEST_WAIT = 10.0  # seconds that a steady stream of changes can put off the work
MOST_PATHS = 10_000  # changed paths that are remembered; more and the folders are walked anew


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """``settle``: seconds without changes before they are looked at. ``poll``: seconds between
    looks, 0 to be told by the system."""

    settle: float = 2.0
    poll: float = 0.0
    exclude: Sequence[str] = ()
    hidden: bool = False
    load: LoadOptions = field(default_factory=LoadOptions)


class Changes:
    """Changed paths, from the watching threads to the working one; ``stop`` ends the work.

    At first, and where more changed than it remembers, all folders are to be looked at.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._paths: set[Path] = set()
        self._all = True
        self._last = 0.0
        self._lock = threading.Lock()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Called by watchdog for every event."""
        if event.event_type in ("opened", "closed_no_write"):
            return
        for name in (event.src_path, event.dest_path):
            # A folder's own event adds nothing to those of its files, unless it came or went whole.
            if name and not (event.is_directory and event.event_type == "modified"):
                self.add(Path(os.fsdecode(name)))

    def add(self, path: Path) -> None:
        """Remember a path."""
        with self._lock:
            self._last = time.monotonic()
            self._paths.add(path)
            if len(self._paths) > MOST_PATHS:
                self._paths.clear()
                self._all = True

    def take(self) -> set[Path] | None:
        """The paths that changed since last time; None for all folders."""
        with self._lock:
            found = None if self._all else self._paths
            self._paths, self._all = set(), False
            return found

    def wait(self, settle: float) -> None:
        """Until there are changes and none came for ``settle`` seconds, or ``stop``."""
        began = None
        while not self.stop.wait(min(0.1, settle)):
            with self._lock:
                waiting, quiet = bool(self._paths) or self._all, time.monotonic() - self._last
            if not waiting:
                continue
            began = began or time.monotonic()
            if quiet >= settle or time.monotonic() - began >= LONGEST_WAIT:
                return


def watch(
    roots: Sequence[Path],
    library: Library,
    tagging: Tagging,
    changes: Changes,
    *,
    options: WatchOptions,
    report: Report = SILENT,
) -> Generator[Result, None, None]:
    """Results of what is in the folders ``roots``, then of what comes, moves or goes, until
    ``changes.stop`` is set. Every round is a run of its own in the library.

    Raises ``UsageError`` for what is no folder or cannot be watched."""
    folders = [absolute(root) for root in roots]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is not a folder")
    with _observed(folders, changes, options.poll):
        while not changes.stop.is_set():
            changed = changes.take()
            wanted = folders if changed is None else sorted(changed)
            run = TagRun(
                tagging,
                library,
                "watch",
                options.load,
                stop=changes.stop.is_set,
                report=report,
            )
            skipped = Skipped()
            photos = walk(
                [path for path in wanted if os.path.lexists(path)],
                exclude=options.exclude,
                hidden=options.hidden,
                only_photos=changed is not None,
                on_problem=report.problem,
                on_skip=skipped.add if changed is None else skipped.add_meant,
                on_name=run.name,
            )
            yield from run.results(photos, below=wanted)
            if changed is None:
                looked_at = ("tagged", "shared", "retagged", "moved", "unchanged", "failed")
                known = count_of(sum(run.counts[one] for one in looked_at), "photo")
                report.note(f"watching {known}; Ctrl-C ends")
            if skipped:
                report.note(skipped.line())
            changes.wait(options.settle)


@contextmanager
def _observed(folders: Sequence[Path], changes: Changes, poll: float) -> Iterator[None]:
    """Threads that tell ``changes`` what happens in the folders."""
    from watchdog.observers import Observer
    from watchdog.observers.polling import PollingObserver

    observer = PollingObserver(timeout=poll) if poll else Observer()
    try:
        for folder in folders:
            observer.schedule(cast(Any, changes), str(folder), recursive=True)
        observer.start()
    except OSError as error:
        raise UsageError(
            f"cannot watch: {error.strerror}",
            hint="raise fs.inotify.max_user_watches, or use --poll 30",
        ) from error
    try:
        yield
    finally:
        observer.stop()
        observer.join()
