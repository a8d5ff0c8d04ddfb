"""The query language of ``qks search``: text to a tree. ``HELP`` describes it to users."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeAlias

from qks_cli.errors import UsageError

HELP = """\
Words          dog beach              photos of both: by tags where the words are labels, and by
                                      the meaning of the whole phrase
Dates, places  sunset 2023   Paris    years, months and names of folders, in plain words, match
                                      dates and folders too
Phrases        "red car" street       a phrase in quotes is kept together and apart from the rest
AND OR NOT     cat OR dog             in capitals; AND may be left out; OR binds less tightly
               dog NOT beach          NOT and -word leave out photos that carry the tag
               dog -beach -"hot dog"  (a sign right before a word)
Brackets       (cat OR dog) sofa
Meaning        pool + sunset - people   a sign with spaces around it adds and subtracts meanings,
               2:dog + beach          a number and a colon weigh them
Like a photo   like:photo.jpg         photos that look like this one, in the library or not
Tags           tag:dog  tag:"hot dog" carries the tag, whatever its meaning
Score          score>0.8              fits at least so well
Time           date:2023  date:2023-06..2023-08  date:>=2023-06-15  date:..2019
Camera         camera:"X100V"  lens:35mm          part of the name
Exposure       iso:>=1600  aperture:<2.8  focal:24..70  exposure:>=1   (seconds)
Place          place:vienna  country:at   a town, region or country where it was taken
               gps:48.2,16.4~20km     within that distance (km or m)
Folder, name   folder:~/Photos/2023  folder:holidays  name:IMG_*  type:heic
Text           text:"gate 12"  text:invoic*   words that `qks text` read in the photo
Shape          width:>=4000  height:..1080  shape:portrait   (landscape, square)
Rating         rating:>=3
Videos         has:video  duration:>60   (seconds)
Stacks         stack:raw  stack:no    (raw, live, burst, edited, joined; any, no)
Has, lacks     has:gps  missing:tags  (tags, date, camera, lens, gps, place, rating,
                                      text, stack, video)

Numbers and dates take  x  >x  >=x  <x  <=x  x..y  x..  ..y ; both ends count. Quote the query, or
the shell takes signs and brackets for its own: qks search 'dog -beach date:2023..2024'
"""

# What the parts of a query look like. Where several fit, the first in a parser's list is meant.
_PARTS = {
    "or": r"""OR(?=[\s()"]|$)""",
    "and": r"""AND(?=[\s()"-]|$)""",
    "not": r"""NOT(?=[\s()"]|$)""",
    "filter": r"""[A-Za-z]+(?::[<>]?=?|[<>]=?|=)(?:"[^"]*"|[^\s()"]+)""",
    "word": r"""(?:\d+(?:\.\d+)?:)?[^\s()"+:<>=-][^\s()":<>=]*""",
    "phrase": r'"[^"]*"',
    "open": r"\(",
    "close": r"\)",
    "minus": r"-(?=\S)",
    "plus": r"\+",
    "less": r"-(?=\s)",
}
_FIRST = ("not", "filter", "word", "phrase", "open", "minus")  # begins what has to come
_NEXT = ("or", "and", "not", "filter", "word", "phrase", "open", "close", "minus")
_TEXT = ("word", "phrase")
_SIGN = ("plus", "less")
DEEPEST = 100  # brackets and NOTs within each other


# Words that the grammar reads as one phrase. White space parts them: were it optional, there would
# be 2^n ways to part a word of n letters, and a search would try them all.
_PLAIN_WORD = r"""(?!(?:AND|OR|NOT)\b)[^\W\d_][^\s()":<>=]*"""
PLAIN = rf"\s*{_PLAIN_WORD}(?:\s+{_PLAIN_WORD})*\s*"


@dataclass(frozen=True, slots=True)
class Text:
    """A phrase, by tags and by meaning."""

    text: str
    weight: float = 1.0
    at: int = 0  # where it stands in the query
    quoted: bool = False  # taken as it is: no dates or folders are looked for in it
    written: str = ""  # in the user's language, where it was translated


@dataclass(frozen=True, slots=True)
class Sum:
    """Meanings added (weight above 0) and subtracted (below)."""

    terms: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """``name:value``; search/filters.py says what it means."""

    name: str
    value: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Not:
    """Photos that do not carry ``node``'s tags or pass its filter."""

    node: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    nodes: tuple[Node, ...]


Node: TypeAlias = Text | Sum | Filter | Not | And | Or


class QueryError(UsageError):
    """A query that cannot be read; the message shows the spot."""

    def __init__(self, problem: str, query: str, at: int) -> None:
        shown = "".join(char if char.isprintable() else " " for char in query)
        super().__init__(
            problem,
            hint="`qks search --help-query` describes queries",
            further=(f"     {shown}", f"     {' ' * at}^"),
        )
        self.at = at


def parse_query(query: str) -> Node:
    """The tree of a query. Raises ``QueryError`` that points at the first wrong character."""
    if re.fullmatch(PLAIN, query):  # most searches: quicker than parting it
        return Text(" ".join(query.split()), at=len(query) - len(query.lstrip()))
    if not query.strip():
        raise UsageError("the query is empty", hint="`qks search --help-query` describes queries")
    return _Parser(query).read()


class _Parser:
    """Reads one query, part by part; tests hold it to a grammar (tests/search/query.lark)."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.at = 0
        self.depth = 0
        self.problem: QueryError | None = None  # what is well formed and means nothing

    def read(self) -> Node:
        node = self.any()
        if self.query[self.at :].strip():
            raise self.unexpected()
        if self.problem is not None:
            raise self.problem
        return node

    def any(self) -> Node:
        nodes = [self.all()]
        while self.peek(_NEXT) == "or":
            self.take(_NEXT)
            nodes.append(self.all())
        return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))

    def all(self) -> Node:
        nodes = [self.unary()]
        while (name := self.peek(_NEXT)) not in (None, "or", "close"):
            if name == "and":
                self.take(_NEXT)
            nodes.append(self.unary())
        return nodes[0] if len(nodes) == 1 else And(tuple(nodes))

    def unary(self) -> Node:
        name = self.peek(_FIRST)
        if name in _TEXT:
            return self.sum()
        _, token, at = self.take(_FIRST)
        if name == "filter":
            return _filter(token, at)
        self.depth += 1
        if self.depth > DEEPEST:
            raise QueryError("too many brackets within each other", self.query, at)
        if name == "open":
            node = self.any()
            if self.take(_NEXT)[0] != "close":
                raise self.unexpected()
        else:
            node = Not(self.unary())
        self.depth -= 1
        return node

    def sum(self) -> Node:
        parts: list[Any] = [self.text()]
        while self.peek(_SIGN) is not None:
            parts.append(self.take(_SIGN)[1])
            parts.append(self.text())
        return parts[0] if len(parts) == 1 else _sum(parts)

    def text(self) -> Text:
        name, token, at = self.take(_TEXT)
        words = [token]
        while name == "word" and self.peek(_NEXT) == "word":
            words.append(self.take(_NEXT)[1])
        try:
            return _text(self.query, " ".join(words), at)
        except QueryError as error:
            self.problem = self.problem or error
            return Text("")

    def peek(self, names: tuple[str, ...]) -> str | None:
        found = _scanner(names).match(self.query, self.at)
        return None if found is None else found.lastgroup

    def take(self, names: tuple[str, ...]) -> tuple[str, str, int]:
        """The next part: which one, its text, and where it stands. Raises ``QueryError``."""
        found = _scanner(names).match(self.query, self.at)
        if found is None or found.lastgroup is None:
            raise self.unexpected()
        self.at = found.end()
        return found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)

    def unexpected(self) -> QueryError:
        rest = self.query[self.at :].lstrip()
        at = len(self.query) - len(rest) if rest else len(self.query.rstrip())
        return QueryError(_problem(self.query, at), self.query, at)


@cache
def _scanner(names: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r"\s*(?:" + "|".join(f"(?P<{x}>{_PARTS[x]})" for x in names) + ")")


def _text(query: str, text: str, at: int) -> Text:
    quoted = text.startswith('"')
    if quoted:
        text = text[1:-1]
    weighed = re.match(r"(\d+(?:\.\d+)?):", text)
    weight = float(weighed[1]) if weighed else 1.0
    text = " ".join(text[weighed.end() if weighed else 0 :].split())
    if not text:
        raise QueryError("an empty phrase", query, at)
    if weight == 0:
        raise QueryError("a weight of zero", query, at)
    return Text(text, weight, at, quoted)


def _sum(parts: list[Any]) -> Sum:
    first, *rest = parts
    terms = [first]
    for sign, term in zip(rest[::2], rest[1::2], strict=True):
        terms.append(replace(term, weight=-term.weight if sign == "-" else term.weight))
    return Sum(tuple(terms))


def _filter(token: str, at: int) -> Filter:
    found = re.match(r"([A-Za-z]+)(:?)(.*)", token, re.DOTALL)
    assert found is not None
    name, _, value = found.groups()
    sign = re.match(r"[<>]?=?", value)
    assert sign is not None
    bare = value[sign.end() :]
    if bare.startswith('"') and bare.endswith('"') and len(bare) > 1:
        value = sign[0] + bare[1:-1]
    return Filter(name.casefold(), value, at)


def _problem(query: str, at: int) -> str:
    rest = query[at:]
    if not rest.strip():
        return "the query ends too early"
    if query.count('"') % 2:
        return "this quote is not closed"
    if rest.startswith(")"):
        return "this bracket was not opened, or is empty"
    if rest[0] in ":<>=":
        return f"'{rest[0]}' means something in queries: put the words in quotes"
    return "the query cannot be read from here"
