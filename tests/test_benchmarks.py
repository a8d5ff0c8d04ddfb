"""Benchmarks are run by hand, so what they import of the package is looked for here."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_what_a_benchmark_imports_is_there(script: Path) -> None:
    imports = [
        node
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qks_cli")
    ]
    for one in imports:
        module = import_module(str(one.module))
        for alias in one.names:
            if not hasattr(module, alias.name):
                import_module(f"{one.module}.{alias.name}")
