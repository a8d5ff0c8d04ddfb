"""The page of a report: whatever names and tags hold stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from qks_cli.report.page import CLOUD, Card, Group, Page, readable, render, sized

HOSTILE = "</style><script>alert(1)</script>\" onerror='x' {{ 7 * 7 }} &amp;"


class Parsed(HTMLParser):
    """Elements with their attributes, and the text of the page outside style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def page(name: str) -> str:
    group = Group("tag", 0, name, 1)
    cards = [
        Card(name, "photos/a.webp", 64, 48, "2020-01-01 10:00", (name,), (group,)),
        Card(name, "", 0, 0, "", (), (), "the file is gone"),
    ]
    sections = [("Years", [Group("year", 0, name, 1)])]
    clusters = [Group("group", 0, name, 1, ("photos/a.webp",))]
    return render(
        Page(
            name,
            "2020-01-02",
            cards,
            [group],
            sections,
            clusters,
            1,
            3,
            "contact-sheets.pdf",
            group,
        )
    ).decode()


def test_names_and_tags_stay_text() -> None:
    parsed = Parsed(page(HOSTILE))
    harmless = Parsed(page("dog"))
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in harmless.elements]
    assert [set(own) for _, own in parsed.elements] == [set(own) for _, own in harmless.elements]
    assert not any(key.startswith("on") for _, own in parsed.elements for key in own)
    assert parsed.texts.count(HOSTILE) >= 5  # heading, cloud, year, group, both photos


def test_nothing_runs_or_loads_but_what_is_on_the_page() -> None:
    text = page("dog")
    parsed = Parsed(text)
    policy = next(own["content"] for _, own in parsed.elements if own.get("http-equiv"))
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for kind in ("style", "script"):
        (inner,) = re.findall(f"<{kind}>(.*?)</{kind}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert not re.findall(r"(?:https?:)?//\w", re.sub("<script>.*</script>", "", text, flags=re.S))
    assert all("style" not in own for _, own in parsed.elements)
    linked = [own.get("src") or own.get("href") or "#" for _, own in parsed.elements]
    assert {x for x in linked if not x.startswith("#")} == {"photos/a.webp", "contact-sheets.pdf"}


def test_every_link_of_a_group_finds_its_photos() -> None:
    parsed = Parsed(page("dog"))
    keys = {key for _, own in parsed.elements for key in (own.get("data-g") or "").split()}
    assert "tag-0" in keys
    assert ("a", "#tag-0") in [(tag, own.get("href")) for tag, own in parsed.elements]


def test_names_show_what_they_are() -> None:
    assert readable("a\nb\x00\x1b[31m\u202egpj.exe") == r"a\nb\x00\x1b[31m\u202egpj.exe"
    assert readable("caf\udce9.jpg") == r"caf\xe9.jpg"
    assert readable("Ä 東京 🐕") == "Ä 東京 🐕"


def test_the_cloud_holds_the_most_frequent_tags_by_name() -> None:
    groups = [Group("tag", n, f"t{n:03d}", n + 1) for n in range(CLOUD + 30)]
    cloud = sized(groups)
    assert len(cloud) == CLOUD
    assert [x.name for x in cloud] == sorted(x.name for x in cloud)
    sizes = {x.name: x.size for x in cloud}
    assert (sizes["t030"], sizes["t149"]) == (1, 5)
    assert sized([]) == []
    assert [x.size for x in sized([Group("tag", 0, "one", 7)])] == [1]
