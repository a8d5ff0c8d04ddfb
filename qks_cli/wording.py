"""How numbers of things are written."""

from __future__ import annotations


def count_of(number: int, one: str, many: str = "") -> str:
    """A number of things: ``1 photo``, ``2,000 photos``; ``many`` where that is not ``one`` and an
    s, as for ``photo is`` and ``photos are``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
