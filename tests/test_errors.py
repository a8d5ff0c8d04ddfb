"""What every error promises, whoever raises it."""

from __future__ import annotations

import pytest

from qks_cli.errors import QksError, UsageError, missing_package
from qks_cli.search.grammar import QueryError, parse_query
from qks_cli.vocabulary.labels_file import parse_labels


def test_names_in_a_message_break_no_line() -> None:
    error = UsageError("cannot read a\nb\x1b[2J.txt: gone", hint="see c\u2028d")
    assert error.message == str(error) == "cannot read a\\nb\\x1b[2J.txt: gone"
    assert error.hint == "see c\\u2028d"


def test_further_lines_are_lines() -> None:
    error = QksError("first", further=["  second\rline", "third"])
    assert error.message.split("\n") == ["first", "  second\\rline", "third"]


def test_every_bad_line_of_a_labels_file_has_its_line() -> None:
    with pytest.raises(QksError) as caught:
        parse_labels("cat\nsky, sea\na | b | c\n", "my\nlabels.txt")
    lines = caught.value.message.split("\n")
    assert [line.partition(": ")[0] for line in lines] == [
        "my\\nlabels.txt:2",
        "my\\nlabels.txt:3",
    ]


def test_a_wrong_query_shows_the_spot() -> None:
    with pytest.raises(QueryError) as caught:
        parse_query("dog (cat")
    message, query, spot = caught.value.message.split("\n")
    assert message and query == "     dog (cat" and spot.strip() == "^"


@pytest.mark.parametrize(
    ("package", "extra"), [("onnx", "train"), ("pyarrow", "parquet"), ("ray", "ray")]
)
def test_a_missing_package_names_its_extra(package: str, extra: str) -> None:
    found = missing_package(ModuleNotFoundError(name=f"{package}.inner"))
    assert found is not None and found.hint.endswith(f": pip install '.[{extra}]'")
