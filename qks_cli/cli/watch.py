"""``qks watch``: keep the library up to date while photos come and go."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from qks_cli.cli.options import (
    Db,
    Exclude,
    Hidden,
    Labels,
    MinScore,
    Model,
    RowFormat,
    Top,
)
from qks_cli.cli.output import Writer, say, shown
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent

LONGEST_WAIT = 10.0  # seconds that a steady stream of changes can put off the work
MOST_PATHS = 10_000  # changed paths that are remembered; more and the folders are walked anew


def watch(
    paths: Annotated[list[Path], typer.Argument(help="Folders.")],
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = 20,
    format: RowFormat = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    exclude: Exclude = None,
    hidden: Hidden = False,
    settle: Annotated[
        float, typer.Option(min=0.1, help="Seconds without changes before they are looked at.")
    ] = 2.0,
    poll: Annotated[
        float, typer.Option(min=0.0, help="Look every so many seconds: for network drives.")
    ] = 0.0,
) -> None:
    """Tag what is there, then what comes, moves or goes, until Ctrl-C or SIGTERM.

    Changes wait until none came for --settle seconds (10 at most), so that a photo is read when it
    has been written in full. Rows as of `qks tag`.
    """
    writer = Writer(format, nul=False)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from watchdog.observers import Observer
    from watchdog.observers.polling import PollingObserver

    from qks_cli import settings
    from qks_cli.cli.labels import read_vocabulary
    from qks_cli.cli.tag import note_absences, result_row
    from qks_cli.model.model import Model as OpenModel
    from qks_cli.photos.walk import absolute, walk
    from qks_cli.workflows.pipeline import LoadOptions, tag_photos
    from qks_cli.workflows.session import begin, open_library

    roots = [absolute(path) for path in paths]
    for root in roots:
        if not root.is_dir():
            raise UsageError(f"{shown(root)} is no folder")
    opened = OpenModel.open(model, device=device)
    bundle = opened.bundle
    vocabulary = read_vocabulary(labels, bundle, quiet=False)
    tagger = opened.tagger(vocabulary, min_score=min_score, top=top)
    changes = Changes()
    observer = PollingObserver(timeout=poll) if poll else Observer()
    for root in roots:
        try:
            observer.schedule(cast(Any, changes), str(root), recursive=True)
        except OSError as error:
            raise UsageError(f"cannot watch {shown(root)}: {error.strerror}") from error
    before = {
        number: signal.signal(number, lambda *_: changes.stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        try:
            observer.start()
        except OSError as error:
            raise UsageError(
                f"cannot watch: {error.strerror}",
                hint="raise fs.inotify.max_user_watches, or use --poll 30",
            ) from error
        with open_library(db) as library:
            while not changes.stop.is_set():
                changed = changes.take()
                wanted = roots if changed is None else sorted(changed)
                destination, run = begin(library, bundle, vocabulary, "watch")
                counts: Counter[str] = Counter()
                there = [path for path in wanted if os.path.lexists(path)]
                photos = walk(
                    there,
                    exclude=exclude or (),
                    hidden=hidden,
                    only_photos=changed is not None,
                    on_problem=lambda path, reason: say(f"qks: {shown(path)}: {reason}"),
                )
                results = tag_photos(
                    photos,
                    model=opened,
                    tagger=tagger,
                    destination=destination,
                    options=LoadOptions(workers=settings.processors()),
                    stop=changes.stop.is_set,
                )
                for result in results:
                    counts[result.status] += 1
                    if result.status == "failed":
                        say(f"qks: {shown(result.photo.path)}: {result.reason}")
                    if result.status != "unchanged":
                        writer.write([result_row(result)])
                for path in wanted:
                    note_absences(library, path)
                status = "interrupted" if changes.stop.is_set() else "done"
                library.runs.finish(
                    run,
                    tagged=counts["tagged"] + counts["retagged"],
                    failed=counts["failed"],
                    status=status,
                )
                if changed is None:
                    say(f"watching {counts.total():,} photos; Ctrl-C ends")
                changes.wait(settle)
    finally:
        observer.stop()
        if observer.is_alive():
            observer.join()
        for number, handler in before.items():
            signal.signal(number, handler)


class Changes:
    """Changed paths, from the watching threads to the working one.

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
