"""The photos below the paths that a user names, and what was found there that is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qks_cli.cli import inputs

if TYPE_CHECKING:
    from qks_cli.types import Photo
    from qks_cli.workflows.report import Problem, Report


class Walking:
    """The photos that the user named."""

    def __init__(self, paths: list[Path], exclude: list[str], hidden: bool, nul: bool) -> None:
        self.paths = paths
        self.exclude = exclude
        self.hidden = hidden
        self.nul = nul
        from qks_cli.workflows.skipped import Skipped

        self.skipped = Skipped()

    def photos(
        self,
        on_problem: Problem,
        on_name: Callable[[Path, Path], None] = lambda path, name: None,
        on_total: Callable[[int], None] | None = None,
    ) -> Iterator[Photo]:
        """In the order of a run; what is no photo by its name is counted in ``skipped``.

        ``on_total`` hears, on another thread, how many photos there are, as soon as that is known:
        the walk then runs ahead of the run. Paths on stdin are not counted."""
        from qks_cli.photos.ahead import walk_ahead
        from qks_cli.photos.walk import walk

        paths = inputs.given(self.paths, nul=self.nul)
        found = partial(walk, paths, exclude=self.exclude, hidden=self.hidden)
        told: dict[str, Any] = {"on_problem": on_problem, "on_name": on_name}
        told["on_skip"] = self.skipped.add
        if on_total is None or inputs.from_stdin(self.paths):
            return found(**told)
        return walk_ahead(found, **told, on_total=on_total)

    def noticing(self, counts: Counter[str], report: Report) -> Problem:
        """Tells and counts what cannot be walked."""

        def problem(path: Path, reason: str) -> None:
            counts["problems"] += 1
            report.problem(path, reason)

        return problem
