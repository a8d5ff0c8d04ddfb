"""How large the code is: modules, lines, the longest functions and modules.

    python benchmarks/sizes.py [FOLDER …]

A function's lines are counted from its first decorator to its last statement, docstring included.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHOWN = 5


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and name of every function in a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield (node.end_lineno or first) - first + 1, node.name


def lines(path: Path) -> int:
    """Lines of a module, blank ones too."""
    return len(path.read_text(encoding="utf-8").splitlines())


def main() -> None:
    """Print a paragraph for each folder."""
    for folder in map(Path, sys.argv[1:] or [ROOT / "qks_cli", ROOT / "tests"]):
        modules = sorted(folder.rglob("*.py"))
        total = sum(map(lines, modules))
        longest = sorted(((lines(path), path) for path in modules), reverse=True)
        found = sorted(
            ((size, name, path) for path in modules for size, name in functions(path)), reverse=True
        )
        print(f"{folder.name}: {len(modules)} modules, {total:,} lines", end="")
        print(f", {total / max(1, len(modules)):.0f} a module")
        print(f"  functions over 60 lines: {sum(size > 60 for size, _, _ in found)}")
        for size, name, path in found[:SHOWN]:
            print(f"  {size:4} lines: {name} in {path.relative_to(folder)}")
        for size, path in longest[:SHOWN]:
            print(f"  {size:4} lines: {path.relative_to(folder)}")


if __name__ == "__main__":
    main()
