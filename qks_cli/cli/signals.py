"""Ctrl-C, for commands that end in good order."""

from __future__ import annotations

import signal


class StopSignal:
    """Ctrl-C asks to stop; a second one stops at once. Called, it says whether it was asked."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGINT, self._ask)

    def __exit__(self, *error: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
