"""``qks labels``: start a labels file, check one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import Db, Labels, MinScore, Model, RecordFormat
from qks_cli.cli.output import Records, say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.model.bundle import Bundle
    from qks_cli.vocabulary.labels_file import Vocabulary
    from qks_cli.workflows.audit import BoolArray, Finding

DEFAULT = "labels.txt"

app = typer.Typer(help="Start, check, judge and list labels files.", no_args_is_help=True)


@app.command()
def init(
    file: Annotated[str, typer.Argument(help="File to write; - writes to stdout.")] = DEFAULT,
    model: Annotated[str, typer.Option(help="Whose labels.")] = "mini",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write the model's own labels to a file, to be edited."""
    from qks_cli.model.bundle import read_bundle

    text = read_bundle(model).labels_file.read_bytes()
    if file == "-":
        sys.stdout.buffer.write(text)
        return
    path = Path(file)
    try:
        with path.open("wb" if force else "xb") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UsageError(f"{path} exists", hint="--force replaces it") from error
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    say(f"wrote {path}; edit it, then: qks tag PHOTOS --labels {path}")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The labels file to check.")],
) -> None:
    """Report duplicates and errors with their line numbers. Exit code 2 where there are errors."""
    from qks_cli.vocabulary.labels_file import read_labels

    vocabulary, warnings = read_labels(file)
    for line, message in warnings:
        say(f"{file}:{line}: {message}")
    parents = {label.parent for label in vocabulary.labels if label.parent is not None}
    synonyms = sum(len(label.synonyms) for label in vocabulary.labels)
    typer.echo(
        f"{file}: {len(vocabulary.labels):,} labels, {len(parents):,} of them parents, "
        f"{synonyms:,} synonyms, {len(warnings):,} warnings"
    )


@app.command()
def versions(db: Db = None, format: RecordFormat = None) -> None:
    """List the vocabularies that this library was tagged with; `qks diff` compares them."""
    writer = Records(format, ("version", "first_used", "labels", "photos"))
    from qks_cli.vocabulary.labels_file import parse_labels
    from qks_cli.workflows.session import open_library

    with open_library(db, create=False) as library:
        rows = library.vocabularies.versions()
    writer.write(
        {
            "version": version,
            "first_used": first,
            "labels": len(parse_labels(text, f"version {version}")[0].labels),
            "photos": photos,
        }
        for version, first, text, photos in rows
    )


@app.command()
def audit(
    labels: Labels = None,
    words: Annotated[
        Path | None,
        typer.Option(help="Word list to suggest labels from. Default: the model's own labels."),
    ] = None,
    suggestions: Annotated[int, typer.Option(min=0, help="Labels to suggest at most.")] = 20,
    sample: Annotated[int, typer.Option(min=1, help="Photos to judge by at most.")] = 5000,
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
    import numpy as np

    from qks_cli.vocabulary.labels_file import read_labels
    from qks_cli.workflows.audit import audit as judge
    from qks_cli.workflows.audit import suggest
    from qks_cli.workflows.session import open_library, stored_tagger, tagged_model

    with open_library(db, create=False) as library:
        bundle, model_id = tagged_model(library, model)
        vocabulary = read_vocabulary(labels, bundle, quiet=False)
        _, tokens_NME = library.tokens.of(library.tokens.sample_ids(model_id, sample), model_id)
    assert tokens_NME is not None
    wide_NME = tokens_NME.astype(np.float32)
    own = stored_tagger(bundle, vocabulary, min_score=min_score)
    scores_NC = own.scores(wide_NME)
    fired_NC = np.asarray(scores_NC >= own.selector.cutoffs_C)
    findings = judge(vocabulary.names, scores_NC, fired_NC, own.labels_CE)
    findings += _strange(bundle, vocabulary, fired_NC)
    bare_N = np.asarray(~fired_NC.any(axis=1))
    if suggestions and bare_N.any():
        candidates = read_labels(words or bundle.labels_file)[0]
        other = stored_tagger(bundle, candidates, min_score=min_score)
        fires_NC = np.asarray(other.scores(wide_NME[bare_N]) >= other.selector.cutoffs_C)
        known = frozenset(
            word.casefold() for x in vocabulary.labels for word in (x.name, *x.synonyms)
        )
        findings += suggest(candidates.names, fires_NC, known, suggestions)
    writer.write(
        {
            "kind": x.kind,
            "label": x.label,
            "other": x.other,
            "photos": x.photos,
            "cutoff": x.cutoff,
        }
        for x in findings
    )
    say(f"nothing fits {int(bare_N.sum()):,} of {len(bare_N):,} photos looked at")


def _strange(bundle: Bundle, vocabulary: Vocabulary, fired_NC: BoolArray) -> list[Finding]:
    from qks_cli import settings
    from qks_cli.model.model import Model
    from qks_cli.workflows.audit import strange

    nearest = Model(bundle, cache=settings.cache_path()).nearest_taught(vocabulary.labels)
    return strange(vocabulary.names, fired_NC, nearest or [])


def read_vocabulary(file: Path | None, bundle: Bundle, *, quiet: bool) -> Vocabulary:
    """The user's labels or the model's own; warnings go to stderr. Raises ``VocabularyError``."""
    from qks_cli.vocabulary.labels_file import read_labels

    vocabulary, warnings = read_labels(file or bundle.labels_file)
    if not quiet:
        for line, message in warnings:
            say(f"qks: {file}:{line}: {message}")
    return vocabulary
