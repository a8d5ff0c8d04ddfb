"""``qks labels``: start, check, list and judge labels files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.options import Db, Labels, Language, MinScore, Model, RecordFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.vocabulary.language_codes import LanguageCode

app = typer.Typer(help="Create, check and judge labels files; set cut-offs.", no_args_is_help=True)

Suggestions = Annotated[int, typer.Option(min=0, help="Labels to suggest at most.")]
Sample = Annotated[int, typer.Option(min=1, help="Photos to judge by at most.")]
Words = Annotated[
    Path | None,
    typer.Option(help="Word list to suggest labels from. Default: the model's own labels."),
]


@app.command()
def init(
    file: Annotated[str, typer.Argument(help="File to write; - writes to stdout.")] = "labels.txt",
    model: Annotated[str, typer.Option(help="Model whose labels are written.")] = "mini",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    language: Language = LanguageCode.en,
) -> None:
    """Write the model's own labels to a file, to be edited; with --language with their names."""
    from qks_cli.workflows.labels import own_labels, start

    if file == "-":
        sys.stdout.buffer.write(own_labels(model, language))
        return
    start(Path(file), model, language, replace=force)
    say(f"wrote {shown(file)}; edit it, then: qks tag PHOTOS --labels {shown(file)}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The labels file to check.")],
) -> None:
    """Report duplicates and errors with their line numbers. Exit code 2 where there are errors."""
    from qks_cli.vocabulary.labels_file import read_labels

    vocabulary, warnings = read_labels(file)
    for line, message in warnings:
        say(f"{shown(file)}:{line}: {message}")
    parents = {label.parent for label in vocabulary.labels if label.parent is not None}
    synonyms = sum(len(label.synonyms) for label in vocabulary.labels)
    typer.echo(
        f"{shown(file)}: {count_of(len(vocabulary.labels), 'label')}, "
        f"{count_of(len(parents), 'parent')} among them, "
        f"{count_of(synonyms, 'synonym')}, {count_of(len(warnings), 'warning')}"
    )


@app.command()
def cutoff(
    label: Annotated[
        str, typer.Argument(help="A label of the words that the library is tagged with.")
    ],
    score: Annotated[
        float | None, typer.Argument(min=0.0, max=1.0, help="Its new cut-off, 0 to 1.")
    ] = None,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset", help="Remove the label's own cut-off; that of the run counts again."
        ),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels file to write it into. Default: only the library."),
    ] = None,
    db: Db = None,
    model: Model = "mini",
) -> None:
    """Set the cut-off of one label, and choose the tags of all photos anew, without reading them.

    A labels file keeps everything else as it was: comments, order, spaces. Says what the cut-off
    was before, to take it back.
    """
    if (score is None) != reset:
        raise UsageError("give a new cut-off, or --reset")
    from qks_cli.workflows.cutoffs import save_cutoff
    from qks_cli.workflows.session import open_library

    with open_library(db) as library:
        done = save_cutoff(library, label, score, file=labels, model=model)
    was = "that of all labels" if done.before is None else f"{done.before:g}"
    now = "that of all labels" if done.cutoff is None else f"{done.cutoff:g}"
    say(f"the cut-off of '{shown(done.label)}' is {now}, and was {was}")
    say(f"{count_of(done.tagged.anew, 'photo')} tagged again")


@app.command()
def versions(db: Db = None, format: RecordFormat = None) -> None:
    """List the vocabularies that this library was tagged with; `qks diff` compares them."""
    writer = Records(format, ("version", "first_used", "labels", "photos"))
    from qks_cli.api import open_library

    with open_library(db) as library:
        found = library.label_versions()
    writer.write(
        {
            "version": one.number,
            "first_used": one.first_used,
            "labels": one.labels,
            "photos": one.photos,
        }
        for one in found
    )


@app.command()
def audit(
    labels: Labels = None,
    words: Words = None,
    suggestions: Suggestions = 20,
    sample: Sample = 5000,
    db: Db = None,
    model: Model = "mini",
    min_score: MinScore = None,
    format: RecordFormat = None,
) -> None:
    """Judge a labels file by your photos, without reading one.

    kind: never (a label that fires nowhere), everywhere (on more than half of the photos), alike
    (two labels that mean the same; photos: those with both), strange (unlike any word that the
    model was taught: its tags are guesses; other: the nearest such word), suggested (a word that
    would tag photos that nothing fits; photos: how many). cutoff is one that would fit a label
    better which fires nowhere or everywhere; write it into the labels file. How many photos nothing
    fits is said on stderr.
    """
    writer = Records(format, ("kind", "label", "other", "photos", "cutoff"))
    from qks_cli.workflows.labels import AuditOptions
    from qks_cli.workflows.labels import audit as judge
    from qks_cli.workflows.report import Report
    from qks_cli.workflows.session import open_library

    options = AuditOptions(words, suggestions, sample, min_score)
    with open_library(db) as library:
        found = judge(library, labels, model, options, Report(note=say))
    writer.write(
        {
            "kind": x.kind,
            "label": x.label,
            "other": x.other,
            "photos": x.photos,
            "cutoff": x.cutoff,
        }
        for x in found.findings
    )
    say(f"nothing fits {found.bare:,} of {count_of(found.judged, 'photo')} looked at")
