"""``qks config``: options that hold until an environment variable or the command line says else."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from qks_cli import settings
from qks_cli.cli.output import say
from qks_cli.errors import UsageError
from qks_cli.escape import shown
from qks_cli.wording import did_you_mean

# What values of an option are, by how its type's name begins; all others are text.
WANTED = {"bool": "true or false", "int": "a whole number", "float": "a number"}

app = typer.Typer(help="Show and set default options.", no_args_is_help=True)


@app.command()
def path() -> None:
    """Print the path of the configuration file, whether it exists or not."""
    typer.echo(settings.config_path())


@app.command()
def show() -> None:
    """Print the configuration file."""
    file = settings.config_path()
    if file.is_file():
        read(file)
        typer.echo(file.read_text(encoding="utf-8"), nl=False)


@app.command("set")
def set_option(
    context: typer.Context,
    key: Annotated[
        str,
        typer.Argument(
            help="An option of every command (labels), or of one command (search.limit)."
        ),
    ],
    value: Annotated[str, typer.Argument(help="Its value; '' removes the option.")],
) -> None:
    """Set an option; comments and the rest of the file stay as they are."""
    import tomlkit

    file = settings.config_path()
    if file.is_file():
        read(file)
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    document = tomlkit.parse(text)
    *command, option = key.split(".")
    option = option.replace("-", "_")
    place: Any = document
    for name in command:
        place = place.setdefault(name, tomlkit.table())
    if value:
        place[option] = _value(value)
    else:
        place.pop(option, None)
    _check(tomllib.loads(tomlkit.dumps(document)), file, _options(context.find_root().command))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(file.name + ".partial")
        partial.write_text(tomlkit.dumps(document), encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    say(f"{shown(file)}: {key} = {value!r}")


def read(file: Path) -> dict[str, Any]:
    """The file's tables. Raises ``UsageError`` with the line of the first error."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file}: {error}", hint="correct it, or set QKS_CONFIG to another file"
        ) from error
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error


def defaults(root: Callable[[], Any]) -> dict[str, Any]:
    """What the file says, as defaults of every command below ``root`` that has the option.

    A top-level key is meant for all commands, a table (``[search]``) for one. Raises
    ``UsageError`` for a key that is no option.
    """
    file = settings.config_path()
    if not file.is_file():
        return {}
    values = read(file)
    options = _options(root())
    _check(values, file, options)
    common = {key: value for key, value in values.items() if not isinstance(value, dict)}
    found: dict[str, Any] = {}
    for name, known in options.items():
        own = {key: value for key, value in common.items() if key in known}
        place: Any = values
        *groups, command = name.split(" ")
        for part in (*groups, command):
            place = place.get(part, {}) if isinstance(place, dict) else {}
        own |= {key: value for key, value in place.items() if key in known}
        target = found
        for part in groups:
            target = target.setdefault(part, {})
        target[command] = own
    return found


def _options(root: Any) -> dict[str, dict[str, Any]]:
    """Every command's full name with its options by name."""
    found = {}
    for name, command in root.commands.items():
        if name == "help":  # it has no options, and its name is that of one of the program's
            continue
        inner = getattr(command, "commands", None)
        every = {f"{name} {sub}": x for sub, x in inner.items()} if inner else {name: command}
        for full, one in every.items():
            found[full] = {x.name: x for x in one.params if x.param_type_name == "option"}
    return found


def _check(values: dict[str, Any], file: Path, options: dict[str, dict[str, Any]]) -> None:
    everywhere: dict[str, Any] = {}
    for known in options.values():
        everywhere |= known
    for key, value in values.items():
        if not isinstance(value, dict):
            if key not in everywhere:
                raise UsageError(
                    f"{file}: no command has an option '{key}'", hint=did_you_mean(key, everywhere)
                )
            _check_value(everywhere[key], value, file, key)
            continue
        for inner, deeper in value.items():
            if isinstance(deeper, dict):
                names = {f"{key} {inner}": deeper}
            else:
                names = {key: {inner: deeper}}
            for name, own in names.items():
                known = options.get(name, {})
                unknown = set(own) - set(known)
                if unknown:
                    meant = did_you_mean(min(unknown), known)
                    if not known:
                        meant = did_you_mean(name, options, else_say="`qks --help` lists commands")
                    raise UsageError(
                        f"{file}: `qks {name}` has no option '{min(unknown)}'", hint=meant
                    )
                for option, one in own.items():
                    _check_value(known[option], one, file, f"{name}.{option}")


def _check_value(option: Any, value: Any, file: Path, key: str) -> None:
    """Refuse what the command would refuse, with the name of the file."""
    hint = f"`qks config set {key} VALUE` mends it; without a value it takes {key} out"
    many = option.multiple or option.nargs != 1
    for one in value if many and isinstance(value, list) else [value]:
        kind = next((x for x in WANTED if option.type.name.startswith(x)), "")
        if kind:
            right = isinstance(one, bool) == (kind == "bool") and not isinstance(one, list)
        else:
            right = isinstance(one, str) and "\0" not in one  # no path holds it
        try:
            if right:
                option.type.convert(one, option, None)
        except typer.BadParameter as error:
            raise UsageError(f"{file}: {key}: {error.message}", hint=hint) from error
        if not right:
            raise UsageError(f"{file}: {key}: {one!r} is not {WANTED.get(kind, 'text')}", hint=hint)


def _value(text: str) -> Any:
    """A TOML value where it reads as one, else text."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
