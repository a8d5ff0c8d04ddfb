"""README, docs and --help stay true together."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from qks_cli.app import app
from qks_cli.search.grammar import HELP

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def commands() -> dict[str, set[str]]:
    """Every command's full name with its options."""
    found = {}
    root = get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        for full, one in (
            {f"{name} {sub}": each for sub, each in inner.items()} if inner else {name: command}
        ).items():
            found[full] = {option for parameter in one.params for option in parameter.opts}
    return found


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_is_in_the_docs(name: str) -> None:
    assert f"qks {name}" in TEXT


def test_options_in_the_docs_exist() -> None:
    known = commands()
    wrong = []
    for line in re.findall(r"^\s*(?:\w+=\S+ )*qks .*$", TEXT, re.MULTILINE):
        line = re.sub(r"""'[^']*'|"[^"]*\"""", "X", line.strip())  # a query in quotes
        line = re.split(r"\s#|\s\|\s", line)[0]
        words = line.split()
        words = words[words.index("qks") + 1 :]
        name = next((n for n in known if " ".join(words[: len(n.split())]) == n), None)
        if name is None:
            wrong.append(line)
            continue
        options = {word for word in words if re.fullmatch(r"--?[a-z0-9-]+", word) and word != "-"}
        wrong += [f"{line}: {option}" for option in options - known[name]]
    assert wrong == []


def test_the_query_language_is_described_as_it_is() -> None:
    assert HELP in (ROOT / "docs" / "search.md").read_text(encoding="utf-8")


def test_links_between_pages_lead_somewhere() -> None:
    dead = []
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                dead.append(f"{page.name}: {target}")
    assert dead == []


def test_manual_pages_are_what_the_program_says() -> None:
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from reference import MAN, manual_pages
    finally:
        sys.path.pop(0)
    made = {path.name: path.read_text(encoding="utf-8") for path in MAN.glob("*.1")}
    assert made == manual_pages(), "run `python docs/reference.py`"


@pytest.mark.skipif(shutil.which("man") is None, reason="no man here")
@pytest.mark.parametrize("name", ["qks", "qks-tag", "qks-tags-rename"])
def test_manual_pages_are_shown_without_a_warning(name: str) -> None:
    page = ROOT / "docs" / "man" / f"{name}.1"
    done = subprocess.run(
        ["man", "--warnings", "-l", str(page)],
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0 and done.stderr == ""
    assert "OPTIONS" in done.stdout
    assert "\\" not in done.stdout


def test_every_example_photo_has_its_author_licence_and_source() -> None:
    photos = sorted((ROOT / "examples" / "photos").iterdir())
    page = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \|(.*)\|$", page, re.MULTILINE))
    assert set(rows) == {photo.name for photo in photos}
    for name, row in rows.items():
        what, author, source = (cell.strip() for cell in row.split(" | "))
        assert what and source, name
        assert re.search(r"public domain|CC0|CC BY", author), name
    assert 12 <= len(photos) <= 16
    assert sum(photo.stat().st_size for photo in photos) <= 3e6


def test_every_test_that_the_page_of_odd_files_names_is_there() -> None:
    page = (ROOT / "docs" / "hostile-files.md").read_text(encoding="utf-8")
    tests = "\n".join(x.read_text(encoding="utf-8") for x in (ROOT / "tests").rglob("test_*.py"))
    names = set(re.findall(r"`(test_\w+)`", page))
    assert len(names) > 30
    assert {name for name in names if f"def {name}(" not in tests} == set()


def test_every_page_is_in_the_index_and_the_navigation_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- ([\w/-]+\.md)$", text, re.MULTILINE)
    made = {"commands.md", "changelog.md"}  # when the site is built
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert sorted(named) == sorted(pages | made)
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    told = {page for page in pages if "/" not in page} - {"index.md"}
    assert {page for page in told if f"({page})" not in index} == set()


def test_the_site_is_built_strictly() -> None:
    """mkdocs counts warnings where it prints them: --quiet makes --strict let them pass."""
    (line,) = re.findall(r"^\t.*mkdocs build.*$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "--strict" in line and "--quiet" not in line and "-q" not in line.split()
