"""The ``qks`` command: the only place where an error becomes a message and an exit code.

Exit codes: 0 done or found, 1 nothing found (``search``) or photos failed (``--strict``), 2 error,
130 interrupted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from qks_cli import __version__
from qks_cli.cli import config
from qks_cli.cli.groups import Grouped
from qks_cli.cli.output import say
from qks_cli.errors import OutputError, QksError, ReaderGoneError, UsageError, missing_package
from qks_cli.escape import shown
from qks_cli.wording import did_you_mean

app = typer.Typer(
    name="qks",
    help="Tag and search your own photos with your own words, offline.",
    cls=Grouped,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,  # plain help: rich and its markdown parser double the start-up time
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("help")
def help_command(
    context: typer.Context,
    command: Annotated[list[str] | None, typer.Argument(help="A command, as `tags list`.")] = None,
) -> None:
    """Show the help of a command."""
    at, path = context.find_root(), ["qks"]
    found = at.command
    for name in command or []:
        inner = found.get_command(at, name) if isinstance(found, TyperGroup) else None
        if inner is None:
            known = found.list_commands(at) if isinstance(found, TyperGroup) else []
            hint = did_you_mean(name, known, else_say="`qks --help` lists all")
            raise UsageError(f"no command '{' '.join([*path[1:], name])}'", hint=hint)
        found = inner
        path.append(name)
    shown_context = type(at)(found, info_name=" ".join(path), help_option_names=["-h", "--help"])
    typer.echo(found.get_help(shown_context))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qks {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Tag and search your own photos with your own words, offline."""


def _fail(error: QksError) -> NoReturn:
    for number, line in enumerate(error.message.split("\n")):
        say(line if number else f"qks: {line}")
    if error.hint:
        say(f"     {error.hint}")
    sys.exit(2)


def main() -> None:
    """Run the command line and exit."""
    if sys.stderr is None:  # a shell's 2>&-
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)
    if sys.stdout is None:
        _fail(OutputError("standard output is closed"))
    try:
        # A broken configuration must not keep anyone from mending it.
        mending = sys.argv[1:2] == ["config"]
        try:
            app(
                prog_name="qks",
                default_map={} if mending else config.defaults(lambda: get_command(app)),
            )
        finally:
            sys.stdout.flush()  # what Python holds still, while a full disk can be told of
    except OutputError as error:
        _forget_output()
        _fail(error)
    except QksError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        known = missing_package(error)
        if known is None:
            raise
        _fail(known)
    except KeyboardInterrupt:
        sys.exit(130)
    except (ReaderGoneError, BrokenPipeError):
        _forget_output()
        sys.exit(0)
    except OSError as error:
        # A full disk, a folder that went away: what no command foresaw still ends in one line.
        _forget_output()
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        _fail(QksError(shown(f"{where}{error.strerror or error}")))


def _forget_output() -> None:
    """What Python still holds for stdout must go somewhere when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
