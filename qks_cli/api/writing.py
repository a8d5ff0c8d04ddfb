"""Keywords in photos and sidecars: in, out, checked, and the user's own."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from qks_cli.api.opened import Opened, Paths

if TYPE_CHECKING:
    from qks_cli.workflows.importing import Imported
    from qks_cli.workflows.photo_writer import Options, Outcome


class WritingPart(Opened):
    """The part of a library that writes to files. Generators end their run when they are closed;
    nothing happens before the first outcome is asked for."""

    def write(
        self,
        paths: Paths = (),
        options: Options | None = None,
        *,
        everything: bool = False,
        min_score: float = 0.0,
        only_confirmed: bool = False,
    ) -> Generator[Outcome, None, None]:
        """Write stored tags as keywords into sidecars, or as ``options`` say. Yields the outcome
        for each file, after it was written. ``everything`` is the whole library,
        ``only_confirmed`` takes no tags but those that were confirmed.

        Raises ``UsageError`` without paths unless ``everything``."""
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.write import write

        outcomes = write(
            self._store,
            self._selected(paths, everything=everything),
            options or Options(),
            min_score=min_score,
            only_confirmed=only_confirmed,
        )
        with closing(outcomes):
            yield from outcomes

    def untag(
        self, paths: Paths = (), options: Options | None = None, *, everything: bool = False
    ) -> Generator[Outcome, None, None]:
        """Take all keywords that ``write`` wrote out of photos and sidecars, and nothing else.
        Yields the outcome for each file."""
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.write import untag

        photos = self._selected(paths, everything=everything)
        with closing(untag(self._store, photos, options or Options())) as outcomes:
            yield from outcomes

    def undo(
        self, run: int | None = None, options: Options | None = None
    ) -> Generator[Outcome, None, None]:
        """Take back what one run wrote, by default the latest: files get the bytes that they had.
        Yields the outcome for each file. Raises ``UsageError`` where a later run wrote to one of
        its files again."""
        from qks_cli.workflows.photo_writer import Options
        from qks_cli.workflows.write import undo

        with closing(undo(self._store, options or Options(), run_id=run)) as outcomes:
            yield from outcomes

    def verify(self, paths: Paths = (), *, everything: bool = False) -> Iterator[Outcome]:
        """Check that the keywords that qks wrote are still there: outcomes with the status ok,
        changed, lost, gone or shared (`qks verify --help`)."""
        from qks_cli.workflows.checking import verify_all

        yield from verify_all(self._store, self._selected(paths, everything=everything))

    def import_keywords(self, paths: Paths = (), *, everything: bool = False) -> Iterator[Imported]:
        """Read the user's own keywords and ratings from photos and sidecars into the library, where
        searches find them. Yields what was found, photo by photo."""
        from qks_cli.workflows.importing import import_all

        yield from import_all(self._store, self._selected(paths, everything=everything))
