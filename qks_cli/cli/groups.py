"""The list of commands in ``qks --help``: grouped by what they are for, nothing cut off."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from qks_cli.cli.commands import Commands

# What `qks --help` says of each command: the first sentence of its own help. A test compares them.
# Asking the commands themselves would import and build all of them.
GROUPS = {
    "Tag": {
        "tag": "Tag photos with the words of a labels file.",
        "watch": "Tag the photos in folders, then every change in them, until Ctrl-C or SIGTERM.",
        "status": "Show which photos are new, changed, moved, gone or tagged with other words.",
        "retag": "Choose the tags of all photos anew, with other labels or another cut-off.",
        "labels": "Create, check and judge labels files; set cut-offs.",
        "learn": "Learn from tags that you confirmed and rejected.",
        "suggest": "List the photos whose verdicts would teach `qks learn` most.",
        "text": "Read the text in photos (signs, documents, screenshots) into the library.",
    },
    "Find": {
        "search": "Find photos by tags, by meaning and by what cameras noted.",
        "similar": "Find photos that look like one, best first.",
        "serve": "Answer searches and tag photos for other programs, until Ctrl-C or SIGTERM.",
        "explain": "Tell why a photo has a tag or lacks it: its score, the cut-off, what decided.",
        "review": "Look at photos and their tags in the browser, and confirm, reject and add tags.",
        "duplicates": "List photos that are there more than once, in groups.",
        "clusters": "Group photos by meaning, with typical photos and words of each group.",
        "stacks": "List stacks: files that belong to one photo, by their names, dates and cameras.",
        "places": "Name the places where photos were taken, and count their photos.",
        "stats": "Count photos by label, folder, year and more.",
        "report": "Make a web page of photos with their tags, and contact sheets.",
        "diff": "Show which photos gained or lost tags, without reading a photo or "
        "changing anything.",
    },
    "Keywords in photos": {
        "write": "Write tags as keywords into XMP sidecars, or into the photos (--to embed).",
        "untag": "Take the keywords that qks wrote out of photos and sidecars, and nothing else.",
        "undo": "Take back what one run wrote: photos and sidecars get the bytes that they had.",
        "verify": "Check that the keywords that qks wrote are still there.",
        "import": "Read your own keywords from photos and sidecars into the library.",
        "tags": "List, rename, merge and hide labels; confirm and reject single tags.",
    },
    "The library": {
        "prune": "Remove photos whose files are gone from the library, with their tags.",
        "backup": "Write a complete, checked copy of the library, also while another run uses it.",
        "restore": "Replace the library by a backup; the replaced library is kept beside it.",
        "doctor": "Check the library, the model, the engines and other programs that qks uses.",
        "library": "Export the library for other programs.",
        "config": "Show and set default options.",
    },
    "Many machines": {
        "ray": "Tag and search archives of many machines, and bring them into the library.",
    },
    "Models": {
        "models": "List, describe, fetch and share models.",
        "train": "Train a query decoder on a frozen model with a labelled data set.",
        "eval": "Measure a model on the test photos of a data set: seen labels, unseen ones, all.",
        "datasets": "List and check labelled data sets for training and evaluation.",
    },
}
LISTED = {name for summaries in GROUPS.values() for name in summaries}
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

    def list_commands(self, ctx: Any) -> list[str]:
        """The names; typer's own method would build every command on the way."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the sections."""
        left = {name for name in self.list_commands(ctx) if name not in LISTED}
        others = {name: self._summary(ctx, name) for name in sorted(left)}
        for title, summaries in (GROUPS | {"More": others}).items():
            rows = [(name, summary) for name, summary in summaries.items() if summary]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        formatter.write_paragraph()
        for line in EXAMPLES.splitlines():
            formatter.write(f"{line}\n")

    def _summary(self, ctx: Any, name: str) -> str | None:
        command = self.get_command(ctx, name)
        if command is None or command.hidden:
            return None
        return str(command.get_short_help_str(limit=1000))
