"""Everything that a command does can be called from Python: docs/python.md has a row for every
command, its names are there, and every option is a parameter of one of them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import qks_cli
from qks_cli.app import app
from qks_cli.workflows import evaluate, labels, learn, photo_report, photo_writer, train

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
# What stays with the command line.
ALONE = {"help", "config path", "config show", "config set"}
# How results are printed, and how the command line asks.
PRINTED = {
    *("format", "nul", "quiet", "strict", "as_json", "yes", "help_query", "view", "names"),
    *("show", "heatmap"),  # pictures of what `heat_map` returns
    *("kind", "members"),  # of stacks: all that is known of them is returned
    *("port", "no_browser", "socket", "stdio"),  # of servers
}
# Options that are said otherwise in Python, for all commands: in which name.
ELSEWHERE = {"db": "open_library(path)", "device": "load_model(device)"}
# Options that have another name in Python, or a call of their own.
RENAMED = {
    "backup": {"force": "replace"},
    "doctor": {"repair": "Library.repair"},
    "eval": {
        "dataset": "workflows.datasets.read_dataset",
        **dict.fromkeys(("root", "source"), "workflows.datasets.read_dataset"),
        "model": "bundle",
        "protocol": "protocols",
        "k": "ks",
        "method": "methods",
        "save": "workflows.evaluate.save",
        "fit_cutoffs": "workflows.evaluate.save_cutoffs",
        "plots": "workflows.evaluate.draw",
    },
    "explain": {"label": "labels", "labels": "words", "language": "Library.namer"},
    "labels cutoff": {"reset": "score"},
    "labels init": {"force": "replace"},
    "learn": {"more": "from_keywords", "undo": "Library.unlearn"},
    "library export": {"parquet": "out"},
    "models list": {"available": "workflows.models.available"},
    "prune": {"dry_run": "Library.find_gone"},
    "ray export": {"data": "archive", "partition": "partitions", "folder": "folders"},
    "ray retag": {"data": "archive"},
    "ray search": {"data": "archive", "words": "text"},
    "review": {"labels": "labels_file", "model": "model_name"},
    "ray tag": {"out": "archive"},
    "report": {
        "sheet": "sheets",
        "size": "side",
        "with_cameras": "cameras",
        "with_paths": "paths",
        "with_places": "places",
    },
    "restore": {"db": "path"},
    "search": {"members": "every_member"},
    "similar": {"members": "every_member"},
    "stacks": {
        "join": "Library.join_stack",
        "split": "Library.split_stack",
        "reset": "Library.reset_stack",
    },
    "stats": {"every": "every_file"},
    "tag": {"language": "Library.namer"},
    "tags delete": {"dry_run": "Library.label_reach"},
    "tags merge": {"dry_run": "Library.label_reach"},
    "tags rename": {"dry_run": "Library.label_reach"},
    "tags list": {"language": "Library.namer"},
    "train": {
        "model_version": "version",
        "pool": "pools",
        "cache_tokens": "keep_tokens",
        **dict.fromkeys(
            ("loss", "head", "queries", "layers", "epochs", "batch", "rate", "seed", "unknown"),
            "given",
        ),
        **dict.fromkeys(("unfreeze", "precision"), "given"),
        "threads": "workflows.train.use_threads",
    },
    "watch": {"language": "Library.namer"},
    "write": {"sidecar_style": "style", "compat": "immich"},
}
# Classes whose fields are options.
OPTIONS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("tag", "write", "untag", "undo"), (photo_writer.Options,)),
    "learn": (learn.LearnOptions,),
    "report": (photo_report.ReportOptions,),
    "labels audit": (labels.AuditOptions,),
    "train": (train.HeadRequest, train.MiniRequest, train.DataSource, train.Means),
    "eval": (evaluate.Request,),
}


def commands(group: Any = None, *path: str) -> Iterator[tuple[str, set[str]]]:
    """Every command with the names of its options and arguments."""
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join([*path, name]), {param.name for param in command.params}


COMMANDS = dict(commands())
ROWS = {
    command: re.findall(r"`([^`]+)`", calls)
    for called, calls in re.findall(r"^\| (`qks [^|]*) \| ([^|]*) \|$", PAGE, re.MULTILINE)
    for command in re.findall(r"`qks ([^`]+)`", called)
}


def callable_of(name: str) -> Any:
    """What a name of the page stands for."""
    module, _, rest = name.rpartition(".")
    if module in ("", "Library", "Model"):
        return getattr(getattr(qks_cli, module) if module else qks_cli, rest)
    return getattr(importlib.import_module(f"qks_cli.{module}"), rest)


def test_every_command_has_its_row() -> None:
    assert set(COMMANDS) - ALONE == set(ROWS)


def test_every_method_of_a_library_is_in_the_table() -> None:
    named = {name for names in ROWS.values() for name in names}
    methods = {name for name in dir(qks_cli.Library) if not name.startswith("_")}
    assert {f"Library.{name}" for name in methods - {"close", "path"}} <= named


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - ALONE))
def test_every_option_has_its_parameter(command: str) -> None:
    takes = {
        parameter
        for name in ROWS[command]
        for parameter in inspect.signature(callable_of(name)).parameters
    }
    for options in OPTIONS.get(command, ()):
        takes |= {field.name for field in dataclasses.fields(options)}
    renamed = RENAMED.get(command, {})
    given = COMMANDS[command] - (PRINTED - set(renamed)) - set(ELSEWHERE)
    assert {renamed.get(name, name) for name in given} <= takes | set(ROWS[command])
