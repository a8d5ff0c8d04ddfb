"""Ctrl-C, for commands that end in good order."""

from __future__ import annotations

import signal
from typing import Self

from qks_cli.closing import Closing


class StopSignal(Closing):
    """Ctrl-C asks to stop; a second one stops at once. Called, it says whether it was asked."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> Self:
        self.before = signal.signal(signal.SIGINT, self._ask)
        return self

    def close(self) -> None:
        """Let Ctrl-C do what it did before."""
        signal.signal(signal.SIGINT, self.before)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
