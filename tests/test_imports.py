"""The doors between rooms. docs/architecture.md shows this table, and a test compares the two."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "qks_cli"
EVERYWHERE = {
    "closing",
    "errors",
    "escape",
    "folding",
    "packing",
    "settings",
    "similarity",
    "types",
    "wording",
}
DOORS: dict[str, set[str]] = {
    "__init__": {"api", "model", "search", "workflows"},
    "__main__": {"app"},
    "api": {"library", "model", "photos", "search", "vocabulary", "workflows"},
    "app": {"cli"},
    "closing": set(),
    "errors": set(),
    "escape": set(),
    "folding": set(),
    "packing": set(),
    "settings": set(),
    "similarity": set(),
    "types": set(),
    "wording": set(),
    "photos": set(),
    "vocabulary": set(),
    "network": set(),
    "keywords": {"photos"},
    "library": set(),
    "ocr": set(),
    "places": set(),
    "search": {"library", "vocabulary"},
    "report": set(),
    "review": {"library", "model", "photos", "report", "search", "vocabulary", "workflows"},
    "model": {"network", "photos", "vocabulary"},
    "export": {"model", "network"},
    "evaluation": {"model", "network", "photos", "vocabulary"},
    "training": {"evaluation", "model", "network", "photos", "vocabulary"},
    "bundling": {"evaluation", "export", "model", "network", "photos", "training", "vocabulary"},
    "distributed": {"model", "photos", "search", "vocabulary"},
    "workflows": {
        "bundling",
        "distributed",
        "evaluation",
        "keywords",
        "library",
        "model",
        "ocr",
        "photos",
        "places",
        "report",
        "search",
        "training",
        "vocabulary",
    },
    "cli": {
        "api",
        "keywords",
        "library",
        "model",
        "ocr",
        "photos",
        "review",
        "search",
        "vocabulary",
        "workflows",
    },
}
# What no module of a room may load by being imported, however indirectly.
TORCH = {"torch", "torchvision", "open_clip", "timm", "transformers", "onnx", "sklearn", "scipy"}
TORCH |= {"fsspec", "pandas", "pyarrow", "ray"}
HEAVY = {ROOT / "workflows" / name for name in ("train.py", "evaluate.py", "datasets.py")}
UNREACHED: dict[str, set[str]] = {
    "cli": TORCH
    | {"numpy", "PIL", "lxml", "onnxruntime", "rich", "sqlite3", "starlette", "tokenizers"},
    "library": TORCH | {"PIL", "lxml", "onnxruntime", "typer", "rich"},
    "search": TORCH | {"PIL", "lxml", "onnxruntime", "typer", "rich"},
    "keywords": TORCH | {"sqlite3", "onnxruntime", "typer", "rich"},
    "photos": TORCH | {"sqlite3", "onnxruntime", "typer", "rich"},
    "vocabulary": TORCH | {"PIL", "lxml", "onnxruntime", "typer", "rich"},
    "workflows": TORCH | {"onnxruntime", "typer", "rich"},
    "review": TORCH | {"onnxruntime", "typer", "rich"},
}


def imports(tree: ast.Module, *, at_once: bool) -> Iterator[str]:
    """Full names that a module imports, with the names taken from packages; ``at_once`` leaves out
    what is imported within functions, or for type checkers alone."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if at_once and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_once and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def module_of(name: str) -> Path | None:
    """The file of a module of this package, or of the module that a name was taken from."""
    parts = name.split(".")
    for count in (len(parts), len(parts) - 1):
        path = ROOT.parent.joinpath(*parts[:count])
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_every_import_goes_through_a_door() -> None:
    broken = []
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        allowed = DOORS[room] | EVERYWHERE | {room, "__version__"}
        names = imports(parse(path), at_once=False)
        rooms = {name.split(".")[1] for name in names if name.startswith("qks_cli.")}
        broken += [f"{path}: {other}" for other in sorted(rooms - allowed)]
    assert broken == []


@pytest.mark.parametrize("room", UNREACHED)
def test_nothing_heavy_is_reached_by_importing(room: str) -> None:
    broken = []
    for start in sorted(set((ROOT / room).rglob("*.py")) - HEAVY):
        seen, waiting = {start}, [(start, (start.stem,))]
        while waiting:
            path, way = waiting.pop()
            for name in imports(parse(path), at_once=True):
                if name.partition(".")[0] in UNREACHED[room]:
                    broken.append(" -> ".join([*way, name]))
                found = module_of(name) if name.startswith("qks_cli") else None
                if found is not None and found not in seen:
                    seen.add(found)
                    waiting.append((found, (*way, name)))
    assert broken == []


def test_the_tables_name_what_there_is() -> None:
    there = {path.stem for path in ROOT.glob("*.py")}
    there |= {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert set(DOORS) == there
    assert not {
        name for names in UNREACHED.values() for name in names
    } & sys.stdlib_module_names - {"sqlite3"}


def test_the_page_shows_this_table() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown: dict[str, set[str]] = {}
    for line in page.splitlines():
        if row := re.fullmatch(r"\| `(\w+)(?:/|\.py)` \| .+ \| ([^|]+) \|", line):
            shown[row[1]] = set(row[2].split(", ")) - {"–"}
    assert shown == {room: doors for room, doors in DOORS.items() if room not in EVERYWHERE}
    assert {name for name in EVERYWHERE if f"`{name}.py`" not in page} == set()
    assert {name for name in EVERYWHERE if DOORS[name]} == set()
