"""The doors between rooms. This table is the documentation; docs/architecture.md shows it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "qks_cli"
EVERYWHERE = {"errors", "folding", "types", "settings"}
DOORS: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"app"},
    "app": {"cli"},
    "errors": set(),
    "folding": set(),
    "settings": set(),
    "types": set(),
    "photos": set(),
    "vocabulary": set(),
    "keywords": {"photos"},
    "library": set(),
    "search": {"library", "vocabulary"},
    "network": set(),
    "model": {"network", "photos", "vocabulary"},
    "export": {"model", "network"},
    "workflows": {"keywords", "library", "model", "photos", "search", "vocabulary"},
    "training": {"evaluation", "model", "network", "photos", "vocabulary"},
    "bundling": {
        "evaluation",
        "export",
        "model",
        "network",
        "photos",
        "training",
        "vocabulary",
    },
    "evaluation": {"model", "network", "photos", "vocabulary"},
    "cli": {
        "bundling",
        "evaluation",
        "keywords",
        "library",
        "model",
        "photos",
        "search",
        "training",
        "vocabulary",
        "workflows",
    },
}


def imported(path: Path) -> set[str]:
    """Rooms of this package that a file imports, anywhere in it."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            if node.module == "qks_cli":
                names += [f"qks_cli.{alias.name}" for alias in node.names]
            else:
                names.append(node.module or "")
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    rooms = {name.split(".")[1] for name in names if name.startswith("qks_cli.")}
    return rooms - {"__version__"}


def test_every_import_goes_through_a_door() -> None:
    broken = []
    for path in sorted(ROOT.rglob("*.py")):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        allowed = DOORS[room] | EVERYWHERE | {room}
        broken += [f"{path}: {other}" for other in sorted(imported(path) - allowed)]
    assert broken == []


def test_the_page_shows_every_room() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert {room for room in rooms if f"`{room}/`" not in page} == set()
