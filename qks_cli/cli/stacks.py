"""``qks stacks``: files that are one photo, listed and put right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qks_cli.cli import inputs
from qks_cli.cli.options import Db, Null, RowFormat
from qks_cli.cli.output import Records, count_of, say
from qks_cli.errors import UsageError

if TYPE_CHECKING:
    from qks_cli.workflows.stacks import Listed


class Kind(StrEnum):
    """What a stack holds beside its photo."""

    raw = "raw"
    live = "live"
    burst = "burst"
    edited = "edited"
    joined = "joined"


FIELDS = ("stack", "role", "kinds", "count", "path")
Paths = Annotated[
    list[Path] | None,
    typer.Argument(help="Photos and folders, by default all; - reads paths from stdin."),
]
OfKind = Annotated[Kind | None, typer.Option(help="Only stacks that hold such a member.")]
Members = Annotated[bool, typer.Option("--all", help="Every member, not the main photo alone.")]
Join = Annotated[
    bool, typer.Option("--join", help="Make these photos one stack, the first its main photo.")
]
Split = Annotated[bool, typer.Option("--split", help="Have these photos stand alone.")]
Reset = Annotated[
    bool, typer.Option("--reset", help="Take back --join and --split for these photos.")
]


def stacks(
    paths: Paths = None,
    kind: OfKind = None,
    members: Members = False,
    join: Join = False,
    split: Split = False,
    reset: Reset = False,
    db: Db = None,
    format: RowFormat = None,
    nul: Null = False,
) -> None:
    """List stacks: files that belong to one photo, by their names, dates and cameras.

    A raw file and its JPEG, a live photo and its video, the shots of a burst, edited copies. `qks
    search` lists a stack once. `qks tag` finds stacks; nothing of them is written to photos. With
    --all jsonl has a row for every member; without it the main photo's row names them.

    Exit code 1 where there are none.
    """
    given = [name for name, on in (("join", join), ("split", split), ("reset", reset)) if on]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} exclude each other")
    if given and not paths:
        raise UsageError(f"--{given[0]} takes the paths of photos")
    writer = Records(format, FIELDS, nul=nul)
    from qks_cli.workflows import stacks as work
    from qks_cli.workflows.session import open_library

    chosen = list(inputs.given(paths or [], nul=nul))
    with open_library(db) as library:
        if split or reset:
            count = (work.split if split else work.reset)(library, chosen)
            said = "alone from now on" if split else "as the rule says"
            say(f"{count_of(count, 'photo')}: {said}")
            return
        if join:
            found = [work.join(library, chosen)]
        else:
            found = work.of_paths(library, chosen) if paths else work.every(library)
    found = [one for one in found if kind is None or kind.value in one.stack.kinds]
    writer.write(_records(found, members=members))
    say(count_of(len(found), "stack") + _counted(found))
    if not found:
        raise typer.Exit(1)


def _records(found: Sequence[Listed], *, members: bool) -> Iterator[dict[str, object]]:
    for one in found:
        stack = one.stack
        pairs = list(zip(one.paths, stack.roles, strict=True))
        for path, role in pairs if members else pairs[:1]:
            row: dict[str, object] = {
                "stack": stack.id,
                "role": role.value,
                "kinds": list(stack.kinds),
                "count": len(pairs),
                "path": str(path),
            }
            if not members:
                row["members"] = [{"path": str(x), "role": y.value} for x, y in pairs]
            yield row


def _counted(found: Sequence[Listed]) -> str:
    if not found:
        return ""
    from qks_cli.library.stacks import kinds_of

    counts = kinds_of(one.stack for one in found)
    parts = ", ".join(f"{kind} {count:,}" for kind, count in counts.items())
    return f" of {count_of(sum(len(x.paths) for x in found), 'file')} ({parts})"
