"""What every command prints: rows on stdout in four formats, the rest on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from qks_cli.errors import OutputError, ReaderGoneError, UsageError
from qks_cli.escape import shown
from qks_cli.wording import count_of as count_of

if TYPE_CHECKING:
    from qks_cli.types import Tag


HELD = 500  # rows that are written together at most
BAR = 40  # characters of the longest bar of a table


class Format(StrEnum):
    """Formats of stdout."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    paths = "paths"


@dataclass(frozen=True, slots=True)
class Row:
    """One photo. ``extra`` are further fields of its JSON line, after the path; ``parents`` are
    labels that a table leaves out: it shows their children."""

    path: Path | str
    tags: Sequence[Tag] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # stands before the tags in the table
    parents: frozenset[str] = frozenset()


def _chosen(format: Format | None, *, nul: bool) -> Format:
    """The format of stdout. Raises ``UsageError`` for one in which NUL ends nothing."""
    if format is None:
        return Format.paths if nul else Format.table if sys.stdout.isatty() else Format.jsonl
    if nul and format is not Format.paths:
        raise UsageError(
            f"-0 ends paths and means nothing for {format.value}", hint="use --format paths"
        )
    return format


def _silent(chosen: Format | None, *, nul: bool, quiet: bool) -> bool:
    """Whether a run prints no rows."""
    return chosen is None and not nul and (quiet or sys.stdout.isatty())


class Writer:
    """Writes rows as they come. Names that are not UTF-8 are written as the bytes they are; in
    JSON, which cannot hold them, each such byte is a lone surrogate (``\\udcXX``).

    The rows of a ``run`` over many photos are not for people: on a terminal, and where ``quiet``,
    none is written unless a format was chosen. Where paths come from stdin (``reads_stdin``), -0
    says how those end; the output is asked for by --format. ``name_of`` a label is what a table
    shows; JSON has it beside the label."""

    def __init__(
        self,
        chosen: Format | None,
        *,
        nul: bool,
        reads_stdin: bool = False,
        run: bool = False,
        quiet: bool = False,
    ) -> None:
        nul = nul and (chosen is Format.paths or not reads_stdin)
        self.format = _chosen(chosen, nul=nul)
        self.silent = run and _silent(chosen, nul=nul, quiet=quiet)
        self.end = "\0" if nul else "\n"
        self.begun = False
        self.name_of: Callable[[str], str] | None = None
        self._held: list[str] = []

    def write(self, rows: Iterable[Row], *, hold: bool = False) -> None:
        """Write and flush. Rows that come in great numbers at once may be held back (``hold``): a
        few hundred are written together, or with the next row that is not. Raises
        ``ReaderGoneError`` once nobody reads."""
        if self.silent:
            return
        if self.format is Format.csv and not self.begun:
            self._held.append(_csv([("path", "label", "score", "implied")]))
        self._held += map(self._text, rows)
        self.begun = True
        if self._held and (len(self._held) >= HELD or not hold):
            text = "".join(self._held)
            self._held.clear()
            emit(text)

    def close(self) -> None:
        """Write what was held back, and what even an empty answer has (the CSV header)."""
        if self._held or not self.begun:
            self.write([])

    def _text(self, row: Row) -> str:
        if self.format is Format.paths:
            return f"{row.path}{self.end}"
        if self.format is Format.jsonl:
            return _json_line(row, self.name_of)
        if self.format is Format.csv:
            lines = [(x.label, f"{x.score:.4f}", str(int(x.implied))) for x in row.tags]
            # A photo without tags has a line too: it was looked at, or found.
            return _csv((row.path, *line) for line in lines or [("",) * 3])
        name_of = self.name_of or str
        shown_tags = [tag for tag in row.tags if tag.label not in row.parents]
        tags = ", ".join(f"{name_of(tag.label)} {tag.score:.2f}" for tag in shown_tags)
        return f"{shown(row.path)}  {shown(row.note)}{shown(tags) or '-'}\n"


class Records:
    """Writes records that are not photos: a table with aligned columns, jsonl or csv.

    ``run`` as for ``Writer``. ``bar`` names a column of counts that a table draws as bars, on a
    terminal and in a pipe."""

    def __init__(
        self,
        chosen: Format | None,
        fields: Sequence[str],
        *,
        bar: str = "",
        nul: bool = False,
        run: bool = False,
    ) -> None:
        self.format = _chosen(chosen, nul=nul)
        self.silent = run and _silent(chosen, nul=nul, quiet=False)
        if self.format is Format.paths and "path" not in fields:
            raise UsageError("there are no paths here", hint="use --format table, jsonl or csv")
        self.end = "\0" if nul else "\n"
        self.fields = fields
        self.bar = bar
        self.begun = False

    def write(self, records: Iterable[dict[str, Any]]) -> int:
        """Write all of them; returns how many. Raises ``ReaderGoneError`` once nobody reads."""
        rows = list(records)
        if self.silent:
            return len(rows)
        if self.format is Format.jsonl:
            text = "".join(_json(row) + "\n" for row in rows)
        elif self.format is Format.csv:
            lines = [[_plain(row[name]) for name in self.fields] for row in rows]
            text = _csv([*([] if self.begun else [self.fields]), *lines])
        elif self.format is Format.paths:
            text = "".join(f"{row['path']}{self.end}" for row in rows)
        else:
            text = self._table(rows)
        self.begun = self.begun or bool(text)
        emit(text)
        return len(rows)

    def stream(self, records: Iterable[dict[str, Any]]) -> int:
        """Write records as they come, but for a table, whose columns all of them make; returns how
        many there were."""
        count, waiting = 0, []
        try:
            for record in records:
                count += 1
                if self.format is Format.table and not self.silent:
                    waiting.append(record)
                else:
                    self.write([record])
        finally:
            self.write(waiting)
        return count

    def _table(self, rows: list[dict[str, Any]]) -> str:
        cells = [[shown(_plain(row[name])) for name in self.fields] for row in rows]
        widths = [
            max(len(line[column]) for line in [self.fields, *cells])
            for column in range(len(self.fields))
        ]
        most = max((row[self.bar] for row in rows), default=0) if self.bar else 0
        lines = []
        for place, line in enumerate([list(self.fields), *cells]):
            parts = [
                text.rjust(width)
                if place and isinstance(rows[place - 1][name], int | float)
                else text.ljust(width)
                for text, width, name in zip(line, widths, self.fields, strict=True)
            ]
            if self.bar and place and most:
                parts.append("█" * max(1, round(BAR * rows[place - 1][self.bar] / most)))
            lines.append("  ".join(parts).rstrip() + "\n")
        return "".join(lines[self.begun :]) if rows else ""


def emit(text: str) -> None:
    """Write to stdout, and flush. Raises ``ReaderGoneError`` once nobody reads, ``OutputError``
    where it cannot be written."""
    try:
        sys.stdout.buffer.write(os.fsencode(text))
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        raise OutputError(f"cannot write to standard output: {error.strerror}") from error


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _json(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(fields)
    return text


def _json_line(row: Row, name_of: Callable[[str], str] | None) -> str:
    fields: dict[str, Any] = {"path": str(row.path)} | row.extra
    fields["tags"] = [
        {"label": tag.label, "score": round(tag.score, 4), "implied": tag.implied}
        | ({} if name_of is None else {"name": name_of(tag.label)})
        | ({"seconds": list(tag.seconds)} if tag.seconds else {})
        for tag in row.tags
    ]
    return _json(fields) + "\n"


def _csv(rows: Iterable[Iterable[object]]) -> str:
    """Lines as of RFC 4180; names that are not UTF-8 keep their surrogates."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def tell_problem(path: Path, reason: str) -> None:
    """A path, and what is wrong with it, on one line of stderr."""
    say(f"qks: {shown(path)}: {reason}")


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask on a terminal; in a pipeline say what comes ``otherwise``, and exit with 1. ``yes`` asks
    nothing."""
    if yes:
        return
    if not sys.stdin.isatty():
        say(otherwise)
        raise typer.Exit(1)
    typer.confirm(question, abort=True, err=True)


def say(text: str) -> None:
    """A line on stderr; nothing in it steers the terminal, and names that are not UTF-8 come out as
    their bytes."""
    sys.stderr.flush()
    sys.stderr.buffer.write(os.fsencode(shown(text) + "\n"))
    sys.stderr.buffer.flush()
