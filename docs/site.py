"""Pages of the documentation site that are made when it is built (mkdocs hooks).

The changelog and the licence lie beside docs/ in the checkout, and the commands are described by
the program itself; links to the former are turned to where the site has them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

import reference  # noqa: E402

# Files outside docs/, by their names in the checkout, and the pages that stand for them.
ELSEWHERE = {"CHANGELOG.md": "changelog.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that no file of docs/ holds."""
    made = {"commands.md": reference.as_markdown()}
    for source, page in ELSEWHERE.items():
        made[page] = (DOCS.parent / source).read_text(encoding="utf-8")
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of docs/ to the site's own pages; others outside it lose their link."""
    up = "../" * page.file.src_uri.count("/")

    def turned(match: re.Match[str]) -> str:
        text, target = match.groups()
        name = target.rsplit("../", 1)[1]
        return f"[{text}]({up}{ELSEWHERE[name]})" if name in ELSEWHERE else text

    return re.sub(rf"\[([^\]]+)\]\({re.escape(up)}(\.\./[^)]+)\)", turned, markdown)
