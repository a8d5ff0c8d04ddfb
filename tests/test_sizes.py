"""Functions and modules stay short enough to be read at a time."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sizes import functions, lines

ROOT = Path(__file__).parent.parent / "qks_cli"
FUNCTION = 65  # lines: about 60, and what a command's options and help take more
MODULE = 450  # lines


def test_no_function_is_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {name} has {size} lines"
        for path in sorted(ROOT.rglob("*.py"))
        for size, name in functions(path)
        if size > FUNCTION
    ]
    assert long == []


def test_no_module_is_long() -> None:
    sizes = {str(path.relative_to(ROOT)): lines(path) for path in ROOT.rglob("*.py")}
    assert {name: size for name, size in sizes.items() if size > MODULE} == {}


def test_a_function_counts_from_its_decorator(tmp_path: Path) -> None:
    module = tmp_path / "one.py"
    module.write_text("@cache\n@other\ndef f():\n    def g():\n        pass\n    return g\n")
    assert dict((name, size) for size, name in functions(module)) == {"f": 6, "g": 2}
