from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from qks_cli.errors import UsageError
from qks_cli.search import grammar
from qks_cli.search.grammar import (
    HELP,
    And,
    Filter,
    Node,
    Not,
    Or,
    QueryError,
    Sum,
    Text,
    parse_query,
)


def spelt(node: Node) -> str:
    """A query that reads as ``node``."""
    match node:
        case Text(text, weight):
            return f'"{text}"' if weight == 1 else f'"{weight:g}:{text}"'
        case Sum(terms):
            first, *rest = (
                ("-" if x.weight < 0 else "+", spelt(Text(x.text, abs(x.weight)))) for x in terms
            )
            return " ".join([first[1], *(f"{sign} {text}" for sign, text in rest)])
        case Filter(name, value):
            return f'{name}:"{value}"'
        case Not(inner):
            return f"NOT ({spelt(inner)})"
        case And(nodes):
            return " AND ".join(f"({spelt(one)})" for one in nodes)
        case Or(nodes):
            return " OR ".join(f"({spelt(one)})" for one in nodes)


def bare(node: Node) -> Node:
    """Without positions."""
    match node:
        case Text(text, weight):
            return Text(text, weight)
        case Sum(terms):
            return Sum(tuple(Text(x.text, x.weight) for x in terms))
        case Filter(name, value):
            return Filter(name, value)
        case Not(inner):
            return Not(bare(inner))
        case And(nodes):
            return And(tuple(bare(one) for one in nodes))
        case Or(nodes):
            return Or(tuple(bare(one) for one in nodes))


PHRASES = (
    st.text(st.characters(exclude_characters='"', exclude_categories=["Cc", "Cs", "Z"]), min_size=1)
    .map(lambda text: text.strip())
    .filter(lambda text: text and not text[0].isdigit())
)
WEIGHTS = st.sampled_from([1.0, 2.0, 0.5])
TEXTS = st.builds(Text, PHRASES, WEIGHTS)
SUMS = st.builds(
    lambda first, rest: Sum((first, *rest)),
    TEXTS,
    st.lists(st.builds(Text, PHRASES, st.sampled_from([1.0, -1.0, -2.0])), min_size=1, max_size=3),
)
FILTERS = st.builds(Filter, st.sampled_from(["tag", "date", "camera"]), st.just("a b:c (d)"))
NODES = st.recursive(
    TEXTS | SUMS | FILTERS,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(lambda x: And(tuple(x)), st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda x: Or(tuple(x)), st.lists(inner, min_size=2, max_size=3))
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(NODES)
def test_what_is_spelt_is_read(node: Node) -> None:
    assert bare(parse_query(spelt(node))) == node


@settings(deadline=None)
@given(st.text(max_size=40))
def test_only_our_own_error_escapes(query: str) -> None:
    try:
        parse_query(query)
    except QueryError as error:
        assert 0 <= error.at <= len(query)
    except UsageError:
        assert not query.strip()


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ("dog (", 5),
        ("dog )", 4),
        ('dog "cat', 4),
        ("- people", 0),
        ("Note: dogs", 4),
        ("dog AND", 7),
        ('""', 0),
        ("0:dog + cat", 0),
    ],
)
def test_errors_point_at_the_spot(query: str, at: int) -> None:
    with pytest.raises(QueryError) as wrong:
        parse_query(query)
    assert wrong.value.at == at


def test_plain_words_stay_plain() -> None:
    for query in ("a red bus in the rain", "ORange black-and-white C++", "日本 海", "it's 1/2"):
        assert parse_query(query) == Text(query)


@settings(deadline=None)
@given(st.text(alphabet="abcANDORT12 -+", max_size=12))
def test_the_short_cut_reads_what_the_grammar_reads(query: str) -> None:
    def read(text: str) -> Node | None:
        try:
            return parse_query(text)
        except UsageError:
            return None

    inside = read(f"({query})")  # a bracket is never plain
    if inside is not None:
        assert bare(inside) == bare(read(query) or Text("nothing"))


def test_the_examples_of_the_help_are_queries() -> None:
    first, last = HELP.index("Words"), HELP.index("\nNumbers and dates")
    for line in HELP[first:last].splitlines():
        parse_query(line[15:38].split("   ")[0].strip() or "x")


LANGUAGE = Lark(
    Path(__file__).with_name("query.lark").read_text(encoding="utf-8"),
    parser="lalr",
    maybe_placeholders=False,
)
PIECES = st.sampled_from(
    'dog|hot dog|AND|OR|NOT|ORange|-|- |+|(|)|"|"a b"|:|2:|0.5:cat|tag:x|date:>=2023|iso<3|x=|'
    "-cat|it's|日本|\n|é".split("|")
)
QUERIES = st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), max_size=10).map(
    lambda parts: "".join(piece + space for piece, space in parts)
)


@v_args(inline=True)
class Build(Transformer[Any, Node]):
    """A tree of the grammar as the parser makes it."""

    def text(self, *words: Any) -> Text:
        return grammar._text(self.query, " ".join(words), words[0].start_pos)

    def sign(self, token: Any) -> str:
        return str(token)

    def sum(self, *parts: Any) -> Sum:
        return grammar._sum(list(parts))

    def filter(self, token: Any) -> Filter:
        return grammar._filter(str(token), token.start_pos)

    def negated(self, node: Node) -> Not:
        return Not(node)

    def all(self, *nodes: Node) -> And:
        return And(nodes)

    def any(self, *nodes: Node) -> Or:
        return Or(nodes)

    def __init__(self, query: str) -> None:
        super().__init__()
        self.query = query


def by_grammar(query: str) -> Node | int:
    """The tree of a query by tests/search/query.lark, or where it is wrong."""
    try:
        return Build(query).transform(LANGUAGE.parse(query))
    except UnexpectedInput as error:
        at = error.pos_in_stream
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        return len(query.rstrip()) if ended or at is None or at < 0 else at
    except VisitError as error:
        assert isinstance(error.orig_exc, QueryError)
        return error.orig_exc.at


def by_hand(query: str) -> Node | int:
    try:
        return parse_query(query)
    except QueryError as error:
        return error.at


@settings(deadline=None, max_examples=300)
@given(QUERIES | st.text(alphabet='abANDORT12 -+:()"<=\n', max_size=16))
def test_the_parser_reads_what_the_grammar_says(query: str) -> None:
    if query.strip():
        assert by_hand(query) == by_grammar(query)


def test_brackets_without_end_are_an_error_and_no_crash() -> None:
    for query in ("(" * 100_000, "NOT " * 100_000, "-(" * 100_000 + "x"):
        with pytest.raises(QueryError, match="too many brackets"):
            parse_query(query)
    assert parse_query("(" * 90 + "x" + ")" * 90) == Text("x", at=90)


def test_a_long_word_costs_no_more_than_its_length() -> None:
    """White space between words must be there, or a regular expression tries every parting."""
    with pytest.raises(QueryError):
        parse_query("a" * 5000 + ":")
    assert parse_query("a" * 5000 + ":x") == Filter("a" * 5000, "x")
    with pytest.raises(QueryError):
        parse_query("ab " * 20_000 + ")")
