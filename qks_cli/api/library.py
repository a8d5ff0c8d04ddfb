"""The library of the API: its parts in one class, and what keeps it in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qks_cli.api.finding import FindingPart
from qks_cli.api.judging import JudgingPart
from qks_cli.api.opened import Paths, whole
from qks_cli.api.tagging import TaggingPart
from qks_cli.api.writing import WritingPart
from qks_cli.workflows.report import SILENT, Report, Stop, never

if TYPE_CHECKING:
    from qks_cli.workflows.photo_report import ReportMade, ReportOptions
    from qks_cli.workflows.prune import Gone
    from qks_cli.workflows.repair import Repaired


class Library(TaggingPart, FindingPart, JudgingPart, WritingPart):
    """An open library of photos; ``open_library`` opens one. Use it in a ``with`` statement.

    Several programs may use one library at the same time; one ``Library`` belongs to one thread.
    Its methods are named like the commands (docs/python.md).
    """

    def find_gone(self, paths: Paths = ()) -> Gone:
        """Photos of the library at or below ``paths``, by default everywhere, whose files are gone;
        ``suspicious`` where they are so many that a drive may not be mounted."""
        from qks_cli.workflows.prune import find_gone

        return find_gone(self._store, whole(paths))

    def forget(self, gone: Gone) -> None:
        """Remove these photos from the library, with their tags. Files are never touched."""
        from qks_cli.workflows.prune import forget

        forget(self._store, gone)

    def make_report(
        self,
        out: Path | str,
        query: str = "",
        options: ReportOptions | None = None,
        *,
        model: str = "mini",
        report: Report = SILENT,
    ) -> ReportMade | None:
        """Write a page of the photos that answer a query by tags and filters, by default of all,
        into the folder ``out`` (docs/report.md). None, and nothing written, where no photo does.
        Raises ``UsageError`` where the folder holds anything but an earlier report."""
        from qks_cli.workflows.photo_report import ReportOptions, found, make_report

        options = options or ReportOptions()
        language = options.language
        ids = found(self._store, query, model=model, language=language, report=report)
        return make_report(self._store, ids, Path(out), options, report=report) if ids else None

    def back_up(self, file: Path | str, *, replace: bool = False) -> int:
        """Write a whole, checked copy of the library, also while another run writes; how many
        photos are in it. Raises ``UsageError`` where ``file`` exists, unless ``replace``."""
        from qks_cli.workflows.backup import back_up

        return back_up(self._store, Path(file), replace=replace)

    def repair(self, *, stop: Stop = never) -> Repaired:
        """Make an older library as small and fast as a new one; no photo is read, and no tag
        changes. Raises ``LibraryError`` where it is damaged or cannot be written to."""
        from qks_cli.workflows.repair import repair

        return repair(self._store, stop=stop)

    def export_parquet(
        self, out: Path | str, *, partition_size: int | None = None, report: Report = SILENT
    ) -> int:
        """Write photos, details, tags and query tokens as a new Parquet data set at ``out``, a
        folder or URL; returns how many photos. Needs the extra ``parquet``.

        Raises ``LibraryError`` where nothing is tagged, ``UsageError`` where ``out`` cannot be
        written or holds a data set."""
        from qks_cli.workflows.parquet import export_library

        return export_library(self._store, str(out), partition_size=partition_size, report=report)

    def merge_archive(
        self,
        archive: Path | str,
        *,
        partitions: Sequence[int] | None = None,
        folders: Mapping[str, Path] | None = None,
        report: Report = SILENT,
        stop: Stop = never,
    ) -> dict[str, int]:
        """Put a data set (``tag_archive``, ``export_parquet``), or some of its partitions, into the
        library, as if its photos had been tagged here. ``folders`` tell in which folder the photos
        lie that are below a URL.

        Returns how many were ``tagged``, ``failed``, left as they were because the library knows a
        ``newer`` file, or are ``elsewhere``. Raises ``UsageError`` where there is no data set, or
        no such partition. Needs the extra ``parquet``."""
        from qks_cli.workflows.parquet import merge

        found = merge(
            self._store,
            str(archive),
            partitions=partitions,
            folders=folders,
            report=report,
            stop=stop,
        )
        return {kind: count for kind, count in found.items() if count}
