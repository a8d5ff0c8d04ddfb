"""Help: grouped, whole, with examples, and a word for what is nearly right."""

from __future__ import annotations

import pytest
from typer.main import get_command

from qks_cli.app import app
from qks_cli.cli.groups import GROUPS
from tests.conftest import Qks


def test_every_command_is_in_a_group_once() -> None:
    named = [name for names in GROUPS.values() for name in names.split()]
    assert len(named) == len(set(named))
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert commands == set(named) | {"help"}


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
