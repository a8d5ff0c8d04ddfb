"""What ``qks tag`` says at its end: how many photos, how long, and what was found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from qks_cli.cli.output import count_of

if TYPE_CHECKING:
    from qks_cli.workflows.results import Result


class Tally:
    """What a run did and found, in a few words."""

    COMMONEST = 8

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.labels: Counter[str] = Counter()
        self.photos = self.bare = 0

    def add(self, result: Result) -> None:
        """Count one photo."""
        if result.status != "failed":
            self.photos += 1
            self.bare += not result.tags
            self.labels.update(tag.label for tag in result.tags)

    def summary(self, counts: Counter[str], *, stopped: bool) -> str:
        """What became of photos and files, by a run's ``counts``, and in which time."""
        words = {
            "tagged": "tagged",
            "shared": "sharing the tags of their photo",
            "retagged": "tagged again without reading them",
            "moved": "moved, tags kept",
            "unchanged": "unchanged",
            "missing": "missing",
            "failed": "failed",
        }
        parts = [f"{counts[name]:,} {text}" for name, text in words.items() if counts[name]]
        if counts["problems"]:
            parts.append(f"{count_of(counts['problems'], 'path')} could not be read")
        files = {"written": "written", "unchanged": "already so", "refused": "refused"}
        parts += [
            f"{count_of(counts[f'files {name}'], 'file')} {text}"
            for name, text in files.items()
            if counts[f"files {name}"]
        ]
        seconds = time.monotonic() - self.began
        speed = counts["tagged"] / seconds if seconds > 0 else 0.0
        rate = f" ({speed:.1f} photos/s)" if counts["tagged"] else ""
        start = "stopped: " if stopped else ""
        return f"{start}{', '.join(parts) or 'no photos found'} in {seconds:.1f} s{rate}"

    def lines(self, name_of: Callable[[str], str] = str, *, stored: bool) -> list[str]:
        """For whoever sees no row of the run: the commonest labels, how many photos have none, and
        what to do next. ``name_of`` a label is what it is called."""
        if not self.photos:
            return []
        common = self.labels.most_common(self.COMMONEST)
        parts = [f"{name_of(label)} {number:,}" for label, number in common]
        found = [f"commonest: {', '.join(parts)}"] if parts else []
        if self.bare:
            found.append(f"without a tag: {count_of(self.bare, 'photo')}")
        if stored and common:
            found.append(f"next: qks search {quoted(common[0][0])}, or qks tag --format table")
        return found


def quoted(label: str) -> str:
    """A label as a shell takes it."""
    import shlex

    return shlex.quote(label)
