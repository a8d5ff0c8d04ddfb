"""Describes every command as the program itself does: a page for the site, and manual pages.

`python docs/reference.py` writes docs/man/*.1, which an install puts where `man qks` finds them;
run it again when a command, an option or its help changes. tests/test_docs.py holds them to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.main import get_command

from qks_cli import __version__
from qks_cli.app import app

MAN = Path(__file__).parent / "man"
OPTIONS = "Options"
BAR = "\\|"  # as a cell of a table takes it
EXIT_CODES = (
    ("0", "done, or found"),
    ("1", "nothing found; with --strict, some photos failed"),
    ("2", "error; one line on stderr says what happened and what to do"),
    ("130", "interrupted by Ctrl-C; what was done until then is kept"),
)
VARIABLES = (
    ("QKS_DB", "the library file"),
    ("QKS_LABELS, QKS_MODEL, QKS_MIN_SCORE", "what --labels, --model and --min-score are without"),
    ("QKS_SOCKET", "where `qks serve` listens"),
    ("QKS_MODELS", "folder of models that were pulled"),
    ("QKS_CACHE", "folder of what can be made again"),
    ("QKS_CONFIG", "the file of default options"),
)


@dataclass(frozen=True, slots=True)
class Described:
    """One command: ``rows`` are pairs of a name and its help, by the heading that they go under."""

    name: str
    usage: str
    paragraphs: list[str]
    rows: dict[str, list[tuple[str, str]]]

    @property
    def summary(self) -> str:
        """The first sentence of the help, without its full stop."""
        return " ".join(self.paragraphs[0].split()).rstrip(".") if self.paragraphs else self.name


def described() -> Iterator[Described]:
    """`qks` itself, then every command, those of a group after it."""
    root = get_command(app)
    yield _describe("qks", root)
    for name in root.list_commands(root.context_class(root)):  # type: ignore[attr-defined]
        command = root.commands[name]  # type: ignore[attr-defined]
        yield _describe(f"qks {name}", command)
        for inner, one in getattr(command, "commands", {}).items():
            yield _describe(f"qks {name} {inner}", one)


def _describe(name: str, command: Any) -> Described:
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    help_text = re.sub(r"[\b\f]", "", command.help or "")
    paragraphs = [x.strip("\n") for x in re.split(r"\n\s*\n", help_text) if x.strip()]
    rows: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record:
            argument = parameter.param_type_name == "argument"
            panel = getattr(parameter, "rich_help_panel", None)
            heading = "Arguments" if argument else panel if isinstance(panel, str) else OPTIONS
            rows.setdefault(heading, []).append((record[0], record[1] or ""))
    inner = getattr(command, "commands", {})
    if inner:
        rows["Commands"] = [
            (one, (each.help or "").strip().split("\n")[0]) for one, each in inner.items()
        ]
    return Described(name, usage, paragraphs, rows)


def as_markdown() -> str:
    """The page of the site: every command, its usage, its options."""
    out = ["# Commands", "", "What `qks COMMAND --help` prints; `man qks` has the same.", ""]
    for one in described():
        out += ["#" * min(len(one.name.split()) + 1, 3) + f" {one.name}", ""]
        out += ["```text", one.usage, "```", ""]
        for paragraph in one.paragraphs:
            out += [_escaped(paragraph), ""]
        for heading, rows in one.rows.items():
            out += [f"| {heading} | |", "| --- | --- |"]
            out += [
                f"| `{left.replace('|', chr(92) + '|')}` | {_cell(text)} |" for left, text in rows
            ]
            out.append("")
    return "\n".join(out)


def _escaped(text: str) -> str:
    return re.sub(r"([<>*_\[\]])", r"\\\1", text)


def _cell(text: str) -> str:
    return _escaped(" ".join(text.split())).replace("|", BAR)


def manual_pages() -> dict[str, str]:
    """Names like ``qks-tag.1`` and what they hold, in the man macros."""
    all_of_them = list(described())
    return {f"{one.name.replace(' ', '-')}.1": _roff(one, all_of_them) for one in all_of_them}


def _roff(one: Described, others: list[Described]) -> str:
    dashed = one.name.replace(" ", "-")
    out = [
        f'.TH {dashed.upper()} 1 "" "qks {__version__}" "User commands"',
        ".SH NAME",
        f"{dashed} \\- {_plain(one.summary)}",
        ".SH SYNOPSIS",
        f".B {_plain(one.name)}",
        _plain(one.usage.removeprefix(one.name).strip()),
    ]
    if one.paragraphs[1:]:
        out.append(".SH DESCRIPTION")
        for paragraph in one.paragraphs[1:]:
            out += [".PP", *(_plain(line) for line in paragraph.splitlines())]
    for heading, rows in one.rows.items():
        out.append(f'.SH "{_plain(heading.upper())}"')
        for left, text in rows:
            out += [".TP", f".B {_plain(left)}", _plain(" ".join(text.split()))]
    if one.name == "qks":
        for heading, rows in (("EXIT STATUS", EXIT_CODES), ("ENVIRONMENT", VARIABLES)):
            out.append(f".SH {heading}")
            for left, text in rows:
                out += [".TP", f".B {_plain(left)}", _plain(text)]
    near = [x.name for x in others if _related(one.name, x.name)]
    if near:
        out += [".SH SEE ALSO", ", ".join(f"\\fB{x.replace(' ', '-')}\\fR(1)" for x in near)]
    return "\n".join(line for line in out if line) + "\n"


def _related(name: str, other: str) -> bool:
    """A page names its group, and a group its commands."""
    return name != other and (
        name.rpartition(" ")[0] == other or (other.rpartition(" ")[0] == name)
    )


def _plain(text: str) -> str:
    """Text as roff takes it: nothing in it is a macro, a quote or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^\.", r"\\&.", text)


def main() -> None:
    """Write the manual pages, and remove those of commands that are gone."""
    pages = manual_pages()
    MAN.mkdir(exist_ok=True)
    for old in MAN.glob("*.1"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        (MAN / name).write_text(text, encoding="utf-8")
    print(f"{len(pages)} pages in {MAN}")


if __name__ == "__main__":
    main()
