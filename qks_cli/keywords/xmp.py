"""XMP packets: keywords in, keywords out, everything else as it was.

The lists are those that photo programs read: ``dc:subject``, ``lr:hierarchicalSubject``,
``digiKam:TagsList``. A bag of our own says of each keyword of ours where it stands, so that exactly
those can be taken out again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from lxml import etree

from qks_cli.keywords.errors import Refusal
from qks_cli.photos.xmp import LIMIT as LIMIT
from qks_cli.photos.xmp import parse

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
META = "adobe:ns:meta/"
NAMESPACES = {
    "x": META,
    "rdf": RDF,
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "qks": "http://ns.qks-tagger.org/1.0/",
}
SUBJECT, HIERARCHY, TAGS_LIST = "dc:subject", "lr:hierarchicalSubject", "digiKam:TagsList"
HIERARCHY_MARK = "|"
LISTS = {SUBJECT: ("Bag", ""), HIERARCHY: ("Bag", HIERARCHY_MARK), TAGS_LIST: ("Seq", "/")}
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END = '<?xpacket end="w"?>'
DEEPEST = 32  # parts of a path that are put together again: all of them are, quadratically
PADDING = 2048  # bytes, so that other programs can edit a packet in place

for _prefix, _uri in NAMESPACES.items():
    etree.register_namespace(_prefix, _uri)


@dataclass(frozen=True, slots=True)
class Keyword:
    """A label to be written. ``ancestors`` are its parents, topmost first; ``score`` 0 to 1;
    ``of`` is the label where the word that is written is its name in another language."""

    label: str
    score: float
    ancestors: tuple[str, ...] = ()
    of: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """The model that chose the keywords, as the provenance names it."""

    model: str
    version: str
    date: str


class Packet:
    """An XMP document that can be edited. Raises ``Refusal`` for what cannot be read safely."""

    def __init__(self, data: bytes | None) -> None:
        self._bare = data is None  # nothing stands in it yet, so that nothing is looked for
        if data is None:
            root = etree.Element(_name("x:xmpmeta"), nsmap={"x": META})
            rdf = etree.SubElement(root, _name("rdf:RDF"), nsmap={"rdf": RDF})
            etree.SubElement(rdf, _name("rdf:Description")).set(_name("rdf:about"), "")
            self.tree = etree.ElementTree(root)
        else:
            self.tree = _parse(data)
        rdf = self.tree.getroot()
        if rdf.tag != _name("rdf:RDF"):
            rdf = rdf.find(_name("rdf:RDF"))
        if rdf is None:
            raise Refusal("its XMP has no rdf:RDF")
        self.rdf: Any = rdf

    def keywords(self, name: str) -> list[str]:
        """What a list holds, in order; empty where it is not there."""
        return [_text(item) for item in self._items(name)]

    def ours(self) -> list[tuple[str, tuple[str, ...]]]:
        """Our keywords as the provenance tells them: label and entries ``list=entry``."""
        found = []
        for item in self._items("qks:Tags"):
            label = _field(item, "label")
            if label:
                found.append((label, tuple(_places(_field(item, "places").split("\n")))))
        return found

    def is_ours_alone(self) -> bool:
        """Whether nothing stands in it but what we write into a packet that we make."""
        names = {_name(name) for name in (*LISTS, "qks:Tags", "qks:Seeded")}
        return (
            self.tree.getroot().keys() == []
            and all(not set(x.keys()) - {_name("rdf:about")} for x in self.rdf)
            and all(element.tag in names for one in self.rdf for element in one)
            and not self.own_labels()
        )

    def own_labels(self) -> list[str]:
        """Keywords of the user: all lists, ours left out, paths by their last part."""
        written = {tuple(place.split("=", 1)) for _, places in self.ours() for place in places}
        seeded = set(self._seeded())
        return flat(
            {
                name: [
                    entry
                    for entry in self.values(name)
                    if (name, entry) not in written and f"{name}={entry}" not in seeded
                ]
                for name in LISTS
            }
        )

    def values(self, name: str) -> list[str]:
        """What a property holds, as other programs may have put it: a list, an attribute, or text
        alone."""
        wanted = _name(name)
        found = []
        for description in self.rdf.iterchildren(_name("rdf:Description")):
            if wanted in description.attrib:
                found.append(str(description.get(wanted)))
            for element in description.iterchildren(wanted):
                items = [item for box in element for item in box.iterchildren(_name("rdf:li"))]
                found += [_text(item) for item in items] if len(element) else [_text(element)]
        return found

    def rating(self) -> int | None:
        """``xmp:Rating``, -1 (rejected) to 5; None where there is none."""
        for text in self.values("xmp:Rating"):
            try:
                stars = round(float(text))
            except (ValueError, OverflowError):
                continue
            if -1 <= stars <= 5:
                return stars
        return None

    def restate(
        self,
        keywords: Sequence[Keyword],
        source: Source,
        *,
        create: Iterable[str] = (),
        seeds: Sequence[str] = (),
    ) -> bool:
        """``write`` these keywords, or ``erase`` where there are none; whether that says anything
        new. Scores and dates alone do not count: written twice is written once."""
        stated = sorted(self.ours())
        if keywords:
            self.write(keywords, source, create=create, seeds=seeds)
        else:
            self.erase()
        return sorted(self.ours()) != stated

    def write(
        self,
        keywords: Sequence[Keyword],
        source: Source,
        *,
        create: Iterable[str] = (),
        seeds: Sequence[str] = (),
    ) -> None:
        """Make ``keywords`` our keywords, instead of those we wrote before.

        ``dc:subject`` is made where it is missing, the other lists only if named in ``create``. A
        keyword that the user has already, in any case, is left to the user. A list that is made
        starts with all keywords that are there, and ``seeds``: a reader that takes this list alone
        must not lose them.
        """
        for keyword in keywords:
            _check(keyword)
        had = {name for name in LISTS if self._has(name)}
        earlier = [place.split("=", 1) for place in self._seeded()]
        self.erase()
        lists = {name: self.keywords(name) for name in LISTS}
        sown = [entry.split(LISTS[name][1] or "\0")[-1] for name, entry in earlier]
        seeds = list(dict.fromkeys([*self.own_labels(), *sown, *seeds]))
        seeded = []
        targets = [SUBJECT, *(n for n in LISTS if n != SUBJECT and (n in had or n in create))]
        fresh: dict[str, list[str]] = {name: [] for name in targets}
        for name in targets:
            if not lists[name]:
                fresh[name] = [x for label in seeds if (x := _entry(name, label, ()))]
                seeded += [f"{name}={entry}" for entry in fresh[name]]
        taken = {x.casefold() for x in (*(x for own in lists.values() for x in own), *seeds)}
        there = {name: {x.casefold() for x in (*lists[name], *fresh[name])} for name in targets}
        rows = []
        for keyword in keywords:
            if keyword.label.casefold() in taken:
                continue
            places = []
            for name in targets:
                entry = _entry(name, keyword.label, keyword.ancestors)
                if entry and entry.casefold() not in there[name]:
                    there[name].add(entry.casefold())
                    fresh[name].append(entry)
                    places.append(f"{name}={entry}")
            if places:
                rows.append((keyword, places))
        for name, entries in fresh.items():
            self._add(name, entries)
        if rows or seeded:
            self._note(rows, seeded, source)

    def erase(self) -> None:
        """Take out what we wrote: our keywords, the lists that we made, the provenance."""
        written = [place for _, places in self.ours() for place in places] + self._seeded()
        for name in LISTS:
            start = f"{name}="
            entries = Counter(x.removeprefix(start) for x in written if x.startswith(start))
            if entries:
                self._remove(name, entries)
        for name in ("qks:Tags", "qks:Seeded"):
            for holder, element in self._properties(name):
                _drop(holder, element)

    def document(self, *, packet: bool, padding: int = PADDING) -> bytes:
        """The bytes: an embedded ``packet`` with its wrapping and padding, or a sidecar."""
        root = self.tree.getroot()
        if not packet:
            # A sidecar keeps its encoding, instructions and comments around the root.
            encoding = self.tree.docinfo.encoding or "UTF-8"
            data: bytes = etree.tostring(
                self.tree, encoding=encoding, xml_declaration=True, pretty_print=False
            )
            return data if data.endswith(b"\n") else data + "\n".encode(_no_mark(encoding))
        body = etree.tostring(root, encoding="unicode")
        return f"{BEGIN}\n{body}\n{' ' * padding}\n{END}".encode()

    def _has(self, name: str) -> bool:
        return any(True for _ in self._properties(name))

    def _properties(self, name: str) -> list[tuple[Any, Any]]:
        """Description and property element, of every property of this name."""
        if self._bare:
            return []
        wanted = _name(name)
        found = []
        for description in self.rdf.iterchildren(_name("rdf:Description")):
            if wanted in description.attrib:
                raise Refusal(f"its {name} is an attribute")
            found += [(description, element) for element in description.iterchildren(wanted)]
        return found

    def _items(self, name: str) -> list[Any]:
        items = []
        for _, element in self._properties(name):
            for box in element:
                if box.tag in (_name("rdf:Bag"), _name("rdf:Seq"), _name("rdf:Alt")):
                    items += box.findall(_name("rdf:li"))
        return items

    def _add(self, name: str, entries: Sequence[str]) -> None:
        box = self._box(name) if entries else None
        for entry in entries:
            etree.SubElement(box, _name("rdf:li")).text = entry

    def _box(self, name: str) -> Any:
        for _, element in self._properties(name):
            for box in element:
                if box.tag in (_name("rdf:Bag"), _name("rdf:Seq"), _name("rdf:Alt")):
                    return box
            if len(element) or (element.text or "").strip():
                raise Refusal(f"its {name} is not a list")
            return etree.SubElement(element, _name("rdf:" + LISTS.get(name, ("Bag", ""))[0]))
        self._bare = False
        element = etree.SubElement(self._description(), _name(name))
        return etree.SubElement(element, _name("rdf:" + LISTS.get(name, ("Bag", ""))[0]))

    def _description(self) -> Any:
        found = self.rdf.find(_name("rdf:Description"))
        if found is None:
            found = etree.SubElement(self.rdf, _name("rdf:Description"))
            found.set(_name("rdf:about"), "")
        return found

    def _remove(self, name: str, entries: Counter[str]) -> None:
        """Take entries out of a list, the first ones, each as often as it is counted; and the list,
        where that leaves nothing in it. One pass: a hostile packet may name a hundred thousand."""
        for holder, element in self._properties(name):
            some = False
            for box in element:
                found = [item for item in box.findall(_name("rdf:li")) if _taken(entries, item)]
                for item in found:
                    _drop(box, item)
                some = some or bool(found)
            if some and not any(len(box) for box in element):
                _drop(holder, element)

    def _seeded(self) -> list[str]:
        return _places(_text(item) for item in self._items("qks:Seeded"))

    def _note(
        self, rows: Sequence[tuple[Keyword, Sequence[str]]], seeded: Sequence[str], source: Source
    ) -> None:
        box = self._box("qks:Tags") if rows else None
        for keyword, places in rows:
            item = etree.SubElement(box, _name("rdf:li"))
            item.set(_name("rdf:parseType"), "Resource")
            for field, value in (
                ("label", keyword.label),
                ("score", f"{keyword.score:.4f}"),
                ("model", source.model),
                ("version", source.version),
                ("date", source.date),
                ("places", "\n".join(places)),
            ):
                etree.SubElement(item, _name(f"qks:{field}")).text = value
        self._add("qks:Seeded", seeded)


def flat(lists: Mapping[str, Sequence[str]]) -> list[str]:
    """The keywords in lists by name (see ``LISTS``), once each: of a path its last part.

    A keyword that has a list's separator in it ("AC/DC") stays whole where another list names it.
    What darktable notes for itself (``darktable|format|jpg``) is nobody's keyword."""
    paths = [
        (mark, entry.split(mark or HIERARCHY_MARK), entry)
        for name, (_, mark) in LISTS.items()
        for entry in lists.get(name, ())
    ]
    noted = [one for one in paths if len(one[1]) > 1 and one[1][0].casefold() == "darktable"]
    kept = [one for one in paths if len(one[1]) < 2 or one[1][0].casefold() != "darktable"]
    # Its words stand in the list without paths too, one by one.
    words = {part for _, parts, _ in noted for part in parts}
    words -= {part for _, parts, _ in kept if len(parts) > 1 for part in parts}
    whole = {entry.strip().casefold() for mark, _, entry in kept if not mark}
    whole |= {parts[-1].strip().casefold() for mark, parts, _ in kept if mark == HIERARCHY_MARK}
    found: dict[str, None] = {}
    for mark, parts, entry in kept:
        label = entry
        if mark:
            tails = (
                mark.join(parts[at:]) for at in range(max(0, len(parts) - DEEPEST), len(parts))
            )
            label = next((tail for tail in tails if tail.strip().casefold() in whole), parts[-1])
        if label.strip() and not (len(parts) == 1 and label in words):
            found.setdefault(label.strip())
    return list(found)


def _parse(data: bytes) -> Any:
    try:
        return parse(data, limit=LIMIT)
    except ValueError as error:
        raise Refusal(f"its XMP cannot be read ({error})") from error


@cache
def _name(name: str) -> str:
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _text(item: Any) -> str:
    return "".join(item.itertext())


def _places(texts: Iterable[str]) -> list[str]:
    """What can be an entry of a list, ``list=entry``: anybody can write a provenance."""
    return [text for text in texts if text.partition("=")[0] in LISTS and "=" in text]


def _taken(entries: Counter[str], item: Any) -> bool:
    """Whether an item is one of the entries, which then counts once less."""
    text = _text(item)
    if entries[text] < 1:
        return False
    entries[text] -= 1
    return True


def _field(item: Any, name: str) -> str:
    found = item.find(f".//{_name('qks:' + name)}")
    if found is not None:
        return _text(found)
    for node in item.iter():
        value = node.get(_name("qks:" + name))
        if value is not None:
            return str(value)
    return ""


def _drop(holder: Any, element: Any) -> None:
    """Remove an element and keep the text behind it."""
    tail = element.tail
    before = element.getprevious()
    holder.remove(element)
    if tail and before is not None:
        before.tail = (before.tail or "") + tail
    elif tail and tail.strip():
        holder.text = (holder.text or "") + tail


def _entry(name: str, label: str, ancestors: tuple[str, ...]) -> str:
    """How a list holds a label; '' where it cannot: the separator would break it in two."""
    mark = LISTS[name][1]
    if not mark:
        return label
    parts = (*ancestors, label)
    return "" if any(mark in part for part in parts) else mark.join(parts)


def _check(keyword: Keyword) -> None:
    for text in (keyword.label, *keyword.ancestors):
        if not text.strip() or any(
            ord(c) < 32
            or 0x7F <= ord(c) < 0xA0
            or 0xD800 <= ord(c) < 0xE000
            or ord(c) in (0xFFFE, 0xFFFF)
            for c in text
        ):
            raise Refusal(f"the label {text!r} cannot be a keyword", sidecar=False)


def _no_mark(encoding: str) -> str:
    return {"UTF-16": "UTF-16-LE", "UTF-32": "UTF-32-LE"}.get(encoding.upper(), encoding)
