"""A report as one HTML page: what stands on it, and how it becomes text.

Names and tags come from files that anybody may have made. Jinja2 escapes them all, and the page's
content security policy runs nothing but the page's own style and script, known by their hashes, and
loads nothing but pictures beside it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from math import log

from qks_cli.escape import shown

GENERATOR = "qks report"
CLOUD = 120  # tags of the cloud
SIZES = 5  # of its words
_STRAY = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Group:
    """Photos that have something in common. ``kind`` is tag, year, camera, place, group, untagged
    or new, ``id`` tells it from others of its kind. ``pictures`` are typical ones."""

    kind: str
    id: int
    name: str
    photos: int
    pictures: tuple[str, ...] = ()
    size: int = 1  # of the word in the cloud, 1 to SIZES


@dataclass(frozen=True, slots=True)
class Card:
    """A photo of the page. ``picture`` is a path relative to the page; '' where the photo could
    not be read, and ``problem`` says why. ``groups`` are those that it belongs to; ``place`` is ''
    where it is not to be told, or not known."""

    name: str
    picture: str
    width: int
    height: int
    taken: str
    tags: tuple[str, ...]
    groups: tuple[Group, ...]
    problem: str = ""
    place: str = ""

    @property
    def keys(self) -> str:
        """The groups as the page's script looks for them."""
        return " ".join(f"{group.kind}-{group.id}" for group in self.groups)

    @property
    def words(self) -> str:
        """What the page's text box looks through."""
        return " ".join((self.name, *self.tags, self.place)).strip().casefold()


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report. ``sections`` are headings with their groups; ``untagged`` counts photos
    without tags; ``left_out`` those that were found and are not on the page."""

    title: str
    made_on: str
    cards: Sequence[Card]
    cloud: Sequence[Group]
    sections: Sequence[tuple[str, Sequence[Group]]] = field(default_factory=tuple)
    clusters: Sequence[Group] = ()
    untagged: int = 0
    left_out: int = 0
    sheets: str = ""  # name of the file with contact sheets
    since: Group | None = None  # photos that an earlier report did not have


def render(page: Page) -> bytes:
    """The page in HTML, UTF-8."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, script = _part("report.css"), _part("report.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    policy = (
        f"default-src 'none'; img-src 'self' file:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    text = environment.from_string(_part("report.html")).render(
        page=page,
        generator=GENERATOR,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
    )
    return text.encode("utf-8", "replace")


def readable(text: str) -> str:
    """A name as it may stand on a page: control characters, direction marks and bytes that are not
    UTF-8 (lone surrogates, PEP 383) as escapes."""
    return _STRAY.sub(lambda found: f"\\x{ord(found[0]) & 0xFF:02x}", shown(text))


def sized(groups: Sequence[Group]) -> list[Group]:
    """The tags of a cloud by name, the words larger the more photos they stand for."""
    shown = sorted(groups, key=lambda group: (-group.photos, group.name))[:CLOUD]
    if not shown:
        return []
    low, high = log(shown[-1].photos), log(shown[0].photos)
    return [
        Group(
            group.kind,
            group.id,
            group.name,
            group.photos,
            size=1 + round((SIZES - 1) * (log(group.photos) - low) / ((high - low) or 1)),
        )
        for group in sorted(shown, key=lambda group: group.name.casefold())
    ]


def _part(name: str) -> str:
    return files("qks_cli.report").joinpath("templates", name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
