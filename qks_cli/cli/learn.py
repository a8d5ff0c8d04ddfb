"""``qks learn``: better tags, learned from what the user confirmed and rejected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli import inputs
from qks_cli.cli.options import Db, Model, Null, RecordFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.library.store import Library
    from qks_cli.workflows.learn import LearnedLabel, Learning

FIELDS = (
    "label", "confirmed", "rejected", "map_before", "map_after", "f1_before", "f1_after", "result",
)  # fmt: skip


Judged = Annotated[
    list[str] | None,
    typer.Argument(help="Labels (default: all with verdicts); with --label, more examples."),
]
NewLabel = Annotated[
    str | None, typer.Option(help="Learn this label from --photos; it may be any name.")
]
Examples = Annotated[
    list[Path] | None,
    typer.Option("--photos", help="Photos or a folder that show it; repeatable; - reads stdin."),
]
CounterExamples = Annotated[
    list[Path] | None, typer.Option("--not", help="A photo that does not; repeatable.")
]
FromKeywords = Annotated[
    bool, typer.Option("--from-keywords", help="Count your own keywords as verdicts too.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Measure and show; change nothing.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take back what was learned last.")]


def learn(
    labels: Judged = None,
    label: NewLabel = None,
    photos: Examples = None,
    others: CounterExamples = None,
    more: FromKeywords = False,
    dry_run: DryRun = False,
    undo: Undo = False,
    format: RecordFormat = None,
    nul: Null = False,
    db: Db = None,
    model: Model = "mini",
) -> None:
    """Learn from tags that you confirmed and rejected.

    What a label gains is measured on photos kept out of learning, and shown; a label that does not
    gain is left alone. All photos are then scored anew, none is read. `qks learn --label rex
    --photos A B` makes a label of examples, for what no model can know by its name. It is for
    things, places and animals, not for telling people apart. Exit code 1 where nothing was learned.
    """
    records = Records(format, FIELDS)
    from qks_cli.workflows.learn import LearnOptions, learn_labels
    from qks_cli.workflows.session import open_library

    by_example = label is not None or bool(photos) or bool(others)
    # What the shell makes of `--photos *.jpg`: all but the first stand alone.
    shows = [*(photos or []), *map(Path, labels or [])] if by_example else []
    if by_example and (label is None or not shows or more or dry_run or undo):
        raise UsageError(
            "examples take --label and photos, and no other options",
            hint="for instance `qks learn --label rex --photos *.jpg`",
        )
    if others and labels:
        raise UsageError(
            f"'{labels[0]}': beside --not, every photo has its option",
            hint="give --photos or --not before each photo, or a folder",
        )
    if undo and (labels or more or dry_run):
        raise UsageError("--undo takes back what was learned last, and nothing else")
    with open_library(db) as library:
        if undo:
            return _undo(library, model)
        if label is not None:
            found = _examples(library, label, shows, others or [], nul=nul, model=model)
        else:
            options = LearnOptions(tuple(labels or ()), from_keywords=more, dry_run=dry_run)
            found = learn_labels(library, model, options)
    records.write(_record(one) for one in found.labels)
    _end(found, dry_run=dry_run)


def _end(found: Learning, *, dry_run: bool) -> None:
    better = sum(one.learned for one in found.labels)
    if not found.labels:
        say("no verdicts to learn from; `qks suggest` names photos to judge")
    elif dry_run:
        say(f"{count_of(better, 'label')} would be learned; nothing was changed")
    else:
        say(f"{count_of(better, 'label')} learned, {count_of(found.rescored, 'photo')} scored anew")
        if better:
            say("`qks learn --undo` takes it back")
    if not better:
        raise typer.Exit(1)


def _undo(library: Library, model: str) -> None:
    from qks_cli.workflows.learn import unlearn

    undone = unlearn(library, model)
    if undone is None:
        say("nothing to undo")
        raise typer.Exit(1)
    say(f"undone: {', '.join(undone)}; verdicts stay, and `qks tags reset` takes those back")


def _examples(
    library: Library, label: str, photos: list[Path], others: list[Path], *, nul: bool, model: str
) -> Learning:
    from qks_cli.workflows.learn import learn_examples
    from qks_cli.workflows.session import selected

    shows = selected(library, list(inputs.given(photos, nul=nul)))
    not_shown = selected(library, others) if others else []
    if not shows:
        raise UsageError("none of the examples is in the library", hint="run `qks tag` on them")
    say("not for telling people apart: use this for things, places and animals")
    ids = [photo_id for photo_id, _ in shows]
    return learn_examples(library, label, ids, [x for x, _ in not_shown], model=model)


def _record(one: LearnedLabel) -> dict[str, object]:
    measured = one.measured

    def figure(value: float | None) -> float | None:
        return None if value is None else round(value, 3)

    return {
        "label": one.label,
        "confirmed": one.confirmed,
        "rejected": one.rejected,
        "map_before": None if measured is None else figure(measured.precision_before),
        "map_after": None if measured is None else figure(measured.precision),
        "f1_before": None if measured is None else figure(measured.f1_before),
        "f1_after": None if measured is None else figure(measured.f1),
        "result": one.reason,
    }
