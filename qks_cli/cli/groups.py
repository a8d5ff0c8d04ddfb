"""The list of commands in ``qks --help``: grouped by what they are for, nothing cut off."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from qks_cli.cli.commands import Commands

GROUPS = {
    "Tag": "tag watch status retag labels learn suggest text",
    "Find": "search similar serve explain review duplicates clusters places stats report diff",
    "Keywords in photos": "write untag undo verify import tags",
    "The library": "prune backup restore doctor config",
    "Models": "models train eval datasets",
}
EXAMPLES = """Examples:
  qks tag ~/Photos                     tag a folder; unchanged photos are not read again
  qks search dog beach                 find photos by tags and by meaning
  qks write ~/Photos                   keywords into XMP sidecars; `qks undo` takes them back
  qks help search                      the help of one command
"""


class Grouped(TyperGroup):
    """Lists commands by what they are for. A command that no group names is listed last."""

    def __init__(self, *arguments: Any, **given: Any) -> None:
        super().__init__(*arguments, **given)
        self.commands = Commands(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        left = list(self.list_commands(ctx))
        groups = {title: names.split() for title, names in GROUPS.items()}
        groups["More"] = [name for name in left if not any(name in x for x in groups.values())]
        for title, names in groups.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                if command is not None and not command.hidden:
                    rows.append((name, command.get_short_help_str(limit=1000)))
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        formatter.write_paragraph()
        for line in EXAMPLES.splitlines():
            formatter.write(f"{line}\n")
