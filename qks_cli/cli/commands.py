"""Every command by name, imported and built when it is asked for: a search waits for no other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any

import typer
from typer.main import get_command

# Where each stands in this package: a function, or the app of a group.
PLACES = {
    "tag": "tag.tag",
    "search": "search.search",
    "similar": "search.similar",
    "duplicates": "duplicates.duplicates",
    "clusters": "clusters.clusters",
    "review": "review.review",
    "explain": "explain.explain",
    "report": "report.report",
    "places": "places.places",
    "stacks": "stacks.stacks",
    "stats": "stats.stats",
    "status": "status.status",
    "retag": "retag.retag",
    "learn": "learn.learn",
    "suggest": "suggest.suggest",
    "text": "text.text",
    "serve": "serve.serve",
    "diff": "diff.diff",
    "watch": "watch.watch",
    "write": "write.write",
    "untag": "write.untag",
    "undo": "write.undo",
    "verify": "write.verify",
    "import": "write.import_keywords",
    "prune": "prune.prune",
    "backup": "backup.backup",
    "restore": "backup.restore",
    "doctor": "doctor.doctor",
    "train": "train.train",
    "eval": "evaluate.evaluate",
    "tags": "tags.app",
    "labels": "labels.app",
    "models": "models.app",
    "config": "config.app",
    "datasets": "datasets.app",
    "library": "library.app",
    "ray": "distributed.app",
}


class Commands(dict[str, Any]):
    """Commands by name; those of ``PLACES`` become commands when they are first asked for."""

    def __init__(self, others: Mapping[str, Any]) -> None:
        super().__init__(dict.fromkeys(PLACES) | dict(others))

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if found is None:
            found = self[name] = _built(name)
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """A command, or ``default`` where there is none of this name."""
        return self[name] if name in self else default  # noqa: SIM401

    def values(self) -> Iterator[Any]:  # type: ignore[override]
        """Every command."""
        return (self[name] for name in self)

    def items(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        """Every command with its name."""
        return ((name, self[name]) for name in self)


def _built(name: str) -> Any:
    module, attribute = PLACES[name].split(".")
    found = getattr(import_module(f"{__package__}.{module}"), attribute)
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        alone.add_typer(found, name=name)
        built = get_command(alone).commands[name]  # type: ignore[attr-defined]
    else:
        alone.command(name)(found)
        built = get_command(alone)
    for command in (built, *getattr(built, "commands", {}).values()):
        for parameter in command.params:
            if parameter.type.name.startswith("float"):
                parameter.type.convert = partial(_finite, parameter.type, parameter.type.convert)
    return built


def _finite(kind: Any, convert: Callable[..., Any], value: Any, *where: Any) -> Any:
    """A number as an option takes it. "nan" is no number, yet within every range."""
    found = convert(value, *where)
    if not math.isfinite(found):
        kind.fail(f"{value!r} is not a number.", *where)
    return found
