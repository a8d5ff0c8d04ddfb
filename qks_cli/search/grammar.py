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
Shape          width:>=4000  height:..1080  shape:portrait   (landscape, square)
Rating         rating:>=3
Has, lacks     has:gps  missing:tags  (tags, date, camera, lens, gps, place, rating)

Numbers and dates take  x  >x  >=x  <x  <=x  x..y  x..  ..y ; both ends count. Quote the query, or
the shell takes signs and brackets for its own: qks search 'dog -beach date:2023..2024'
"""

GRAMMAR = r"""
?start: any
?any: all (_OR all)*
?all: unary (_AND? unary)*
?unary: _NOT unary -> negated
      | _MINUS unary -> negated
      | "(" any ")"
      | FILTER -> filter
      | sum
?sum: text (sign text)*
sign: PLUS | LESS
text: WORD+ | PHRASE
_OR.3: /OR(?=[\s()"]|$)/
_AND.3: /AND(?=[\s()"-]|$)/
_NOT.3: /NOT(?=[\s()"]|$)/
PLUS: "+"
LESS: /-(?=\s)/
_MINUS: /-(?=\S)/
FILTER.2: /[A-Za-z]+(:[<>]?=?|[<>]=?|=)("[^"]*"|[^\s()"]+)/
PHRASE: /"[^"]*"/
WORD.1: /(\d+(\.\d+)?:)?[^\s()"+:<>=-][^\s()":<>=]*/
%ignore /\s+/
"""


# Words that the grammar reads as one phrase.
PLAIN = r"""\s*(?:(?!(?:AND|OR|NOT)\b)[^\W\d_][^\s()":<>=]*\s*)+"""


@dataclass(frozen=True, slots=True)
class Text:
    """A phrase, by tags and by meaning."""

    text: str
    weight: float = 1.0
    at: int = 0  # where it stands in the query
    quoted: bool = False  # taken as it is: no dates or folders are looked for in it


@dataclass(frozen=True, slots=True)
class Sum:
    """Meanings added (weight above 0) and subtracted (below)."""

    terms: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """``name:value``; what it means is search/filters.py's business."""

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
            f"{problem}\n     {shown}\n     {' ' * at}^",
            hint="`qks search --help-query` describes queries",
        )
        self.at = at


def parse_query(query: str) -> Node:
    """The tree of a query. Raises ``QueryError`` that points at the first wrong character."""
    if re.fullmatch(PLAIN, query):  # loading the parser takes longer than many a search
        return Text(" ".join(query.split()), at=len(query) - len(query.lstrip()))
    from lark import Transformer, UnexpectedInput, UnexpectedToken, v_args
    from lark.exceptions import VisitError

    @v_args(inline=True)
    class Build(Transformer[Any, Node]):
        def text(self, *words: Any) -> Text:
            return _text(query, words)

        def sign(self, token: Any) -> str:
            return str(token)

        def sum(self, *parts: Any) -> Sum:
            return _sum(parts)

        def filter(self, token: Any) -> Filter:
            return _filter(str(token), token.start_pos)

        def negated(self, node: Node) -> Not:
            return Not(node)

        def all(self, *nodes: Node) -> And:
            return And(nodes)

        def any(self, *nodes: Node) -> Or:
            return Or(nodes)

    if not query.strip():
        raise UsageError("an empty query", hint="`qks search --help-query` describes queries")
    try:
        tree = _parser().parse(query)
    except UnexpectedInput as error:
        at = error.pos_in_stream
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        at = len(query.rstrip()) if ended or at is None or at < 0 else at
        raise QueryError(_problem(query, at), query, at) from None
    try:
        node: Node = Build().transform(tree)
    except VisitError as error:
        if isinstance(error.orig_exc, UsageError):
            raise error.orig_exc from None
        raise
    return node


@cache
def _parser() -> Any:
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


def _text(query: str, words: tuple[Any, ...]) -> Text:
    at = words[0].start_pos
    text = " ".join(str(word) for word in words)
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


def _sum(parts: tuple[Any, ...]) -> Sum:
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
