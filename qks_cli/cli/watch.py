"""``qks watch``: keep the library up to date while photos come and go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from qks_cli import settings
from qks_cli.cli.options import (
    Db,
    Device,
    DeviceName,
    Exclude,
    Hidden,
    Labels,
    Language,
    MinScore,
    Model,
    RowFormat,
    Top,
)
from qks_cli.cli.output import Writer, say, tell_problem
from qks_cli.cli.tag import names_in, result_row
from qks_cli.cli.threads import use_one_thread
from qks_cli.vocabulary.language_codes import LanguageCode

Folders = Annotated[list[Path], typer.Argument(help="Folders.")]
Settle = Annotated[
    float, typer.Option(min=0.1, help="Seconds without changes before they are looked at.")
]
Poll = Annotated[
    float, typer.Option(min=0.0, help="Look every so many seconds: for network drives.")
]


def watch(
    paths: Folders,
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = None,
    format: RowFormat = None,
    device: Device = DeviceName.auto,
    exclude: Exclude = None,
    hidden: Hidden = False,
    language: Language = LanguageCode.en,
    settle: Settle = 2.0,
    poll: Poll = 0.0,
) -> None:
    """Tag the photos in folders, then every change in them, until Ctrl-C or SIGTERM.

    New photos are tagged, moved ones keep their tags, deleted ones are marked missing. qks waits
    until nothing has changed for --settle seconds (10 at most), so that a photo is read when it has
    been written in full. The output is that of `qks tag`.
    """
    writer = Writer(format, nul=False)
    use_one_thread()
    from qks_cli.workflows.pipeline import LoadOptions
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import kept_words, open_library
    from qks_cli.workflows.tag import Tagging
    from qks_cli.workflows.watch import Changes, WatchOptions
    from qks_cli.workflows.watch import watch as keep_watching

    report = Report(tell_problem, say)
    tagging = Tagging.open(
        model, labels, device, kept=kept_words(db), min_score=min_score, top=top, report=report
    )
    writer.name_of = names_in(language, tagging.vocabulary)
    load = LoadOptions(workers=settings.processors())
    options = WatchOptions(settle, poll, tuple(exclude or ()), hidden, load)
    changes = Changes()
    with _ended_by_signals(changes.stop), open_library(db, create=True) as library:
        results = keep_watching(paths, library, tagging, changes, options=options, report=report)
        with closing(results):
            for result in results:
                if result.status != "unchanged":
                    writer.write([result_row(result, tagging.vocabulary)])


@contextmanager
def _ended_by_signals(stop: Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop``."""
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
