"""Options that several commands share, each with one meaning and one help text."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from qks_cli.cli.output import Format
from qks_cli.keywords.choices import Target as Target
from qks_cli.vocabulary.language_codes import LanguageCode


class DeviceName(StrEnum):
    """Where the networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class TrainingDevice(StrEnum):
    """Where training, measuring and calibrating run."""

    cpu = "cpu"
    cuda = "cuda"


Paths = Annotated[
    list[Path] | None, typer.Argument(help="Photos and folders; - reads paths from stdin.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
All = Annotated[bool, typer.Option("--all", help="The whole library.")]
Db = Annotated[
    Path | None, typer.Option(help="The library file. Default: $QKS_DB or your data folder.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Your labels file. Default: that of the last run, else the model's own ('default').",
        envvar="QKS_LABELS",
    ),
]
Model = Annotated[str, typer.Option(help="Name or folder of the model.", envvar="QKS_MODEL")]
Language = Annotated[
    LanguageCode,
    typer.Option(help="Language of labels and searches, beside English.", envvar="QKS_LANGUAGE"),
]
MinScore = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Cut-off for tags. Default: that of the last run, else the model's own.",
        envvar="QKS_MIN_SCORE",
    ),
]
Top = Annotated[
    int | None,
    typer.Option(min=1, help="Tags per photo at most. Default: that of the last run, else 20."),
]
Device = Annotated[DeviceName, typer.Option(help="Where the model runs.")]
RowFormat = Annotated[Format | None, typer.Option(help="Default: table on a terminal, else jsonl.")]
# Of what is no list of photos: --format paths is refused with what to take instead.
RecordFormat = Annotated[
    Format | None,
    typer.Option(metavar="<table|jsonl|csv>", help="Default: table on a terminal, else jsonl."),
]
Null = Annotated[bool, typer.Option("-0", "--null", help="Paths end with NUL.")]
Exclude = Annotated[
    list[str] | None, typer.Option(help="Glob of names or paths to leave out; repeatable.")
]
Hidden = Annotated[bool, typer.Option("--hidden", help="Hidden files and folders too.")]
