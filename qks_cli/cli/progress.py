"""What a run says on stderr while it goes: a bar over photos, a table over epochs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Self

from qks_cli.cli.output import say
from qks_cli.closing import Closing
from qks_cli.escape import shown


class Progress(Closing):
    """The bar: count, photos/s and time left; nothing where stderr is no terminal."""

    def __init__(self, *, shown: bool) -> None:
        self._bar: Any = None
        self._task: Any = None
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
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=None, speed="")
        return self

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    @property
    def visible(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def expect(self, total: int) -> None:
        """How many photos there are; may be called from any thread."""
        if self._bar is not None:
            self._bar.update(self._task, total=total)

    def at(self, done: int, of: int) -> None:
        """So many photos are done, of so many."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=of)

    def advance(self, photos: int = 1) -> None:
        """So many photos more are done."""
        if self._bar is not None:
            task = self._bar.tasks[0]
            # The first second says more about start-up than about photos.
            rate = (task.finished_speed or task.speed) if (task.elapsed or 0) > 1 else None
            speed = f"{rate:.0f} photos/s" if rate else ""
            self._bar.update(self._task, advance=photos, speed=speed)

    def say(self, text: str) -> None:
        """A message above the bar."""
        if self._bar is None:
            say(text)
        else:
            plain = shown(text).encode(errors="replace").decode()
            self._bar.console.print(plain, markup=False, highlight=False, soft_wrap=True)

    def problem(self, path: Path, reason: str) -> None:
        """A path, and what is wrong with it, above the bar."""
        self.say(f"qks: {shown(path)}: {reason}")


class RunTable(Closing):
    """Rows as they come: a live table on a terminal, lines elsewhere."""

    SHOWN = 15

    def __init__(self, *, active: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.active = active
        self.live: Any = None
        if active and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self.live = Live(console=Console(stderr=True), auto_refresh=False)

    def __enter__(self) -> Self:
        if self.live is not None:
            self.live.start()
        return self

    def close(self) -> None:
        """Leave the table as it stands."""
        if self.live is not None:
            self.live.stop()

    def row(self, row: dict[str, Any]) -> None:
        """An epoch's figures, or another word on how it goes."""
        if not self.active:
            return
        if self.live is None or "epoch" not in row:
            text = ", ".join(f"{name} {_figure(value)}" for name, value in row.items())
            if self.live is None:
                say(text)
            else:
                self.live.console.print(text, markup=False, highlight=False, soft_wrap=True)
            return
        from rich.table import Table

        self.rows.append(row)
        table = Table(*row)
        for one in self.rows[-self.SHOWN :]:
            table.add_row(*(_figure(value) for value in one.values()))
        self.live.update(table, refresh=True)


def _figure(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
