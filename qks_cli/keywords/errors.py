"""Why a photo or sidecar is left as it is."""

from __future__ import annotations


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The file stays untouched. ``reason`` is for people; ``sidecar`` says whether a sidecar can
    take the keywords instead."""

    def __init__(self, reason: str, *, sidecar: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sidecar = sidecar
