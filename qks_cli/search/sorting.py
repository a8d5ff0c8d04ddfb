"""Orders of what a search found."""

from __future__ import annotations

from enum import StrEnum


class Sort(StrEnum):
    """Orders of what was found: score best first, date newest first, name by path, rating highest
    first. Photos without a date or rating are last."""

    score = "score"
    date = "date"
    name = "name"
    rating = "rating"
