"""The progress bar on stderr: nothing where stderr is no terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from qks_cli.commands.output import say


class Progress:
    """Count, photos/s and time left. ``count`` is run on a thread to learn how many there are."""

    def __init__(self, *, shown: bool, count: Callable[[], int] | None) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._count = count
        if shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )
            from rich.progress import Progress as Bar

            self._bar = Bar(
                BarColumn(),
                TaskProgressColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]:.0f} photos/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, speed=0.0)
            if self._count is not None:
                threading.Thread(target=self._learn_total, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self) -> None:
        """One photo more is done."""
        if self._bar is not None:
            speed = self._bar.tasks[0].finished_speed or self._bar.tasks[0].speed or 0.0
            self._bar.update(self._task, advance=1, speed=speed)

    def say(self, text: str) -> None:
        """A line above the bar."""
        if self._bar is None:
            say(text)
        else:
            shown = text.encode(errors="replace").decode()
            self._bar.console.print(shown, markup=False, highlight=False, soft_wrap=True)

    def _learn_total(self) -> None:
        if self._count is not None:
            self._bar.update(self._task, total=self._count())
