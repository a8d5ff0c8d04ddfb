"""Help: grouped, whole, with examples, and a word for what is nearly right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from qks_cli.app import app
from qks_cli.cli.groups import GROUPS
from tests.conftest import Qks


def test_every_command_is_in_a_group_once() -> None:
    named = [name for summaries in GROUPS.values() for name in summaries]
    assert len(named) == len(set(named))
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == set(named) | {"help"}


def test_the_list_says_of_a_command_what_its_own_help_begins_with() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for summaries in GROUPS.values():
        for name, summary in summaries.items():
            assert summary == commands[name].get_short_help_str(limit=1000), name


def test_the_list_is_grouped_and_whole(qks: Qks) -> None:
    said = qks("--help").stdout.decode()
    for title in GROUPS:
        assert f"{title}:" in said
    listed = said.split("Tag:", 1)[1]
    assert "..." not in listed and "…" not in listed
    assert "Examples:" in said
    assert said.startswith("Usage: qks ")


@pytest.mark.parametrize("command", ["search", "tags list", "help"])
def test_help_of_a_command(qks: Qks, command: str) -> None:
    said = qks("help", *command.split()).stdout
    assert said == qks(*command.split(), "--help").stdout
    assert said.startswith(f"Usage: qks {command} ".encode())


def test_what_is_nearly_right(qks: Qks) -> None:
    done = qks("help", "serach")
    assert done.returncode == 2 and b"did you mean search?" in done.stderr
    assert b"did you mean list?" in qks("help", "tags", "lits").stderr
    assert b"Did you mean 'search'?" in qks("serach", "dog").stderr
    done = qks("tag", ".", "--model", "mimi")
    assert done.returncode == 2 and b"did you mean mini?" in done.stderr
    assert b"did you mean coco?" in qks("datasets", "check", "cocoo", "--root", ".").stderr
    assert b"did you mean limit?" in qks("config", "set", "search.limt", "3").stderr
    assert b"did you mean search?" in qks("config", "set", "serach.limit", "3").stderr


def test_labels_filters_and_their_values_that_are_nearly_right(photos: Path, qks: Qks) -> None:
    assert qks("tag", photos).returncode == 0
    lines = (
        ("tags", "delete", "coffe", "--yes"),
        ("tags", "confirm", "Coffe", photos),
        ("tags", "reject", "coffe", photos),
        ("search", "tag:coffe"),
    )
    for line in lines:
        done = qks(*line)
        assert (done.returncode, b"did you mean coffee?" in done.stderr) == (2, True), line
    assert b"did you mean camera?" in qks("search", "camra:x").stderr
    assert b"did you mean gps?" in qks("search", "has:gpss").stderr


def every_command(group: Any = None, *path: str) -> Iterator[tuple[str, Any]]:
    for name, command in (group or get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, *path, name)
        else:
            yield " ".join([*path, name]), command


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_choices_are_listed_whole(qks: Qks, name: str) -> None:
    command = dict(every_command())[name]
    said = "".join(qks(*name.split(), "--help").stdout.decode().split())
    for option in command.params:
        choices = getattr(option.type, "choices", None)
        if choices and option.metavar is None:
            assert f"<{'|'.join(choices)}>" in said, option.name
        text = getattr(option, "help", None) or ""
        # "one of", "a or b" in a text means that the values are fixed: they are choices then.
        if option.type.name == "str" and option.name not in ("dataset", "name"):
            assert not text.startswith("One of") and "; judged:" not in text, option.name


def test_data_sets_are_named_as_training_names_them() -> None:
    from qks_cli.cli.datasets import LAYOUTS
    from qks_cli.training import datasets

    assert sorted(LAYOUTS) == sorted([*datasets.LAYOUTS, datasets.LIBRARY])


def test_formats_without_paths_do_not_offer_them(qks: Qks) -> None:
    assert b"--format <table|jsonl|csv>" in qks("stats", "--help").stdout
    assert b"table|jsonl|csv|paths" in qks("search", "--help").stdout
