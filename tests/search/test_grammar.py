from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qks_cli.errors import UsageError
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
