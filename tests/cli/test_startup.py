"""Startup is a feature: torch and its friends are imported only by what needs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qks_cli.cli.commands import PLACES

HEAVY = set("torch torchvision open_clip timm transformers sklearn scipy pandas pyarrow".split())
WATCH = """
import sys
from qks_cli.app import main
try:
    main()
except SystemExit as end:
    code = end.code or 0
sys.stderr.write("\\nMODULES " + " ".join(sorted({m.split(".")[0] for m in sys.modules})))
sys.exit(code)
"""


@pytest.fixture(autouse=True)
def model() -> None:
    """These tests are about the shipped model, whatever it says."""


def modules(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", WATCH, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rsplit("MODULES ", 1)[1].split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["tag", "--help"], ["search", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    loaded = modules(*arguments)
    assert not loaded & (HEAVY | {"numpy", "PIL", "onnxruntime", "sqlite_utils", "lxml"})


def test_tagging_and_search_on_the_cpu_import_no_torch(photos: Path) -> None:
    assert not modules("tag", str(photos), "--device", "cpu") & HEAVY
    loaded = modules("search", "cat")
    assert not loaded & (HEAVY | {"PIL"})
    light = HEAVY | {"PIL", "lxml", "lark", "onnxruntime", "tokenizers", "sqlite_utils", "rich"}
    assert not modules("search", "type:jpg OR (type:png -cat)", "--tags-only") & light


def commands_loaded(*arguments: str) -> set[str]:
    """The modules of commands that a call of qks imports."""
    watched = WATCH.replace('m.split(".")[0]', "m")
    done = subprocess.run([sys.executable, "-c", watched, *arguments], capture_output=True)
    loaded = done.stderr.decode().rsplit("MODULES ", 1)[1].split()
    places = {f"qks_cli.cli.{place.split('.')[0]}" for place in PLACES.values()}
    return set(loaded) & places - {"qks_cli.cli.config"}  # which app.py needs for every command


def test_a_command_loads_no_other() -> None:
    assert commands_loaded("search", "-h") == {"qks_cli.cli.search"}


def test_the_list_of_commands_loads_none_of_them() -> None:
    assert commands_loaded("--help") == set()


def test_nothing_is_imported_before_ctrl_c_is_handled() -> None:
    """From our first line on, Ctrl-C ends without a traceback: so that line comes soon."""
    watch = (
        "import sys; before = set(sys.modules); import qks_cli.__main__; "
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True)
    assert set(done.stdout.split()) - {"_signal"} == {"qks_cli", "qks_cli.__main__"}, done
