"""``qks labels``: start a labels file, check one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.commands.output import say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.bundle import Bundle
    from qks_cli.vocabulary.labels_file import Vocabulary

DEFAULT = "labels.txt"

app = typer.Typer(help="Start and check labels files.", no_args_is_help=True)


@app.command()
def init(
    file: Annotated[str, typer.Argument(help="File to write; - writes to stdout.")] = DEFAULT,
    model: Annotated[str, typer.Option(help="Whose labels.")] = "mini",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write the model's own labels to a file, to be edited."""
    from qks_cli.bundle import read_bundle

    text = default_labels(read_bundle(model)).read_bytes()
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


def default_labels(bundle: Bundle) -> Path:
    """The labels file of a model, or of ``mini`` where it brings none."""
    from qks_cli.bundle import find_bundle

    own = bundle.path / DEFAULT
    return own if own.is_file() else find_bundle("mini") / DEFAULT


def read_vocabulary(file: Path | None, bundle: Bundle, *, quiet: bool) -> Vocabulary:
    """The user's labels or the model's own; warnings go to stderr. Raises ``VocabularyError``."""
    from qks_cli.vocabulary.labels_file import read_labels

    vocabulary, warnings = read_labels(file or default_labels(bundle))
    if not quiet:
        for line, message in warnings:
            say(f"qks: {file}:{line}: {message}")
    return vocabulary
