"""``qks datasets``: what labelled data sets there are, and whether one is complete."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli.options import RecordFormat
from qks_cli.cli.output import Records, say
from qks_cli.errors import UsageError
from qks_cli.escape import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qks_cli.training.datasets.labelled import DataSet, Row

app = typer.Typer(help="Labelled data sets to train on and evaluate with.", no_args_is_help=True)

Source = Annotated[str, typer.Option(help="Only the photos of one source (jsonl).")]


@app.command("list")
def list_datasets(format: RecordFormat = None) -> None:
    """Every layout that is understood, and the parts that it is made of."""
    writer = Records(format, ("dataset", "part", "what", "source"))
    from qks_cli.training.datasets import LAYOUTS, LIBRARY

    rows = [
        {"dataset": name, "part": part.globs[0], "what": part.what, "source": part.source}
        for name, layout in LAYOUTS.items()
        for part in layout.parts
    ]
    own = "your photos, by the keywords in their sidecars and in themselves"
    rows.append({"dataset": LIBRARY, "part": "*", "what": own, "source": "you"})
    writer.write(rows)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A data set, as `qks datasets list` names it.")],
    root: Annotated[Path, typer.Option(help="Its folder.")],
    source: Source = "",
    format: RecordFormat = None,
) -> None:
    """Say what of a data set is there, what is missing and where that comes from; then read it.

    Exits with 1 where a part or a photo is missing.
    """
    writer = Records(format, ("part", "there", "what", "path", "source"))
    from qks_cli.training.datasets import LIBRARY, layout
    from qks_cli.training.datasets.parts import check as check_parts

    root = root.expanduser()
    found = check_parts(layout(name).parts if name != LIBRARY else (), root)
    writer.write(
        {
            "part": one.part,
            "there": "no" if one.missing else "yes" if one.path else "not needed",
            "what": one.what,
            "path": one.path,
            "source": one.source,
        }
        for one in found
    )
    if name != LIBRARY:
        say(f"a photo's place is expected to be like {shown(root / layout(name).example)}")
    if any(one.missing for one in found):
        say(f"{sum(one.missing for one in found)} parts are missing in {shown(root)}")
        raise typer.Exit(1)
    data = read_dataset(name, root, source)
    seen = int(data.seen_C.sum())
    say(f"{seen:,} seen and {len(data.labels) - seen:,} unseen labels")
    say(f"{len(data.train):,} training and {len(data.test):,} test photos with labels")
    if data.missing:
        raise typer.Exit(1)


def read_dataset(name: str, root: Path | None, source: str) -> DataSet:
    """A data set, with a word on stderr about photos that are missing.

    Raises ``UsageError`` without a root, ``TrainingError`` for bad data."""
    from qks_cli.training import datasets
    from qks_cli.training.datasets.labelled import from_rows

    if root is None:
        raise UsageError(f"the data set {name} needs --root, its folder")
    root = root.expanduser()
    if name == datasets.LIBRARY:
        data = from_rows(name, list(_keyworded(root)))
    else:
        data = datasets.read(name, root, source=source)
    if data.missing:
        first = ", ".join(shown(path) for path in data.missing[:3])
        say(f"qks: {len(data.missing):,} photos are missing and left out, for instance {first}")
    for warning in data.warnings:
        say(f"qks: {shown(warning)}")
    return data


def _keyworded(root: Path) -> Iterator[Row]:
    """The user's photos with their own keywords; photos without any say nothing."""
    from qks_cli.keywords import names, reading
    from qks_cli.photos.walk import walk
    from qks_cli.training.datasets.labelled import Row

    folders = names.Folders()
    for photo in walk([root]):
        side = names.existing(photo.path.resolve(), folders=folders)
        own = [reading.of_photo(photo.path)] + ([] if side is None else [reading.of_sidecar(side)])
        words = {word.strip().lower() for word in reading.joined(own)}
        if words:
            yield Row(photo.path, tuple(sorted(words)))
