"""How numbers of things are written, and which word was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable


def count_of(number: int, one: str, many: str = "") -> str:
    """A number of things: ``1 photo``, ``2,000 photos``; ``many`` where that is not ``one`` and an
    s, as for ``photo is`` and ``photos are``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def did_you_mean(word: str, known: Iterable[str], *, else_say: str = "", also: str = "") -> str:
    """``did you mean dog?`` where a known word is nearly ``word``, and ``also``; else ``else_say``.
    Case does not count."""
    import difflib

    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), folded, 1)
    if not near:
        return else_say
    return f"did you mean {folded[near[0]]}?" + (f" {also}" if also else "")
