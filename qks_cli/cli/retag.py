"""``qks retag``: other words for the whole library, without reading a photo."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Labels, MinScore, Model, Top
from qks_cli.cli.output import count_of, say
from qks_cli.cli.threads import use_one_thread


def retag(
    labels: Labels = None,
    model: Model = "mini",
    db: Db = None,
    min_score: MinScore = None,
    top: Top = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Errors only.")] = False,
) -> None:
    """Choose the tags of all photos anew, with other labels or another cut-off.

    Photos are not read: the library keeps what this needs, also of missing photos. An interrupted
    run goes on where it stopped.
    """
    began = time.monotonic()
    use_one_thread()  # each of several threads scores photos of its own
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library, tagged_model
    from qks_cli.workflows.tag import Tagging
    from qks_cli.workflows.tag import retag as choose_anew

    with open_library(db) as library:
        tagged_model(library, model)  # before labels are embedded
        told = Report() if quiet else Report(note=say)
        tagging = Tagging.open(
            model,
            labels,
            "cpu",
            kept=library.runs.kept(),
            min_score=min_score,
            top=top,
            report=told,
        )
        done = choose_anew(library, tagging)
    if not quiet:
        say(
            f"{count_of(done.anew, 'photo')} tagged again, {done.same:,} left as they were, "
            f"in {time.monotonic() - began:.1f} s"
        )
