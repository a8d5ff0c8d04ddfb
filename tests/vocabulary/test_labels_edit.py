"""A cut-off written into a labels file changes nothing else in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.errors import VocabularyError
from qks_cli.vocabulary.labels_edit import set_cutoff
from qks_cli.vocabulary.labels_file import parse_labels

FILE = """\ufeff# my words
animal > dog | puppy, hound   # Rex, too
animal > bird > owl ; group: night\r
"a; b" ; prompt: "a photo of {}; # here" ; cutoff: 0.7 # quoted
cat; CutOff :0.25;group:pets

Cat | kitten ; cutoff: 0.3
last"""


@pytest.mark.parametrize(
    ("name", "cutoff", "line", "wanted"),
    [
        ("dog", 0.4, 2, "animal > dog | puppy, hound ; cutoff: 0.4   # Rex, too"),
        ("DOG", 1, 2, "animal > dog | puppy, hound ; cutoff: 1   # Rex, too"),
        ("dog", None, 2, "animal > dog | puppy, hound   # Rex, too"),
        ("owl", 0.05, 3, "animal > bird > owl ; group: night ; cutoff: 0.05"),
        (
            "a; b",
            0.123,
            4,
            '"a; b" ; prompt: "a photo of {}; # here" ; cutoff: 0.123 # quoted',
        ),
        ("a; b", None, 4, '"a; b" ; prompt: "a photo of {}; # here" # quoted'),
        ("last", 0, 8, "last ; cutoff: 0"),
    ],
)
def test_one_line_changes(name: str, cutoff: float | None, line: int, wanted: str) -> None:
    after = set_cutoff(FILE, name, cutoff)
    lines, before = after.split("\n"), FILE.split("\n")
    assert lines[line - 1].rstrip("\r") == wanted
    before[line - 1] = lines[line - 1]
    assert lines == before and after.count("\r") == 1
    label = parse_labels(after, "x")[0].lookup(name)
    assert label is not None and label.cutoff == cutoff


def test_of_several_lines_the_last_one_keeps_it() -> None:
    lines = set_cutoff(FILE, "cat", 0.9).split("\n")
    assert lines[4] == "cat;group:pets" and lines[6] == "Cat | kitten ; cutoff: 0.9"
    assert "utoff" not in "".join(
        line for line in set_cutoff(FILE, "cat", None).split("\n") if "at" in line[:3]
    )


def test_a_parent_without_a_line_gets_one() -> None:
    assert set_cutoff(FILE, "bird", 0.5) == FILE + "\nbird ; cutoff: 0.5\n"
    assert set_cutoff('"a, b" > c\n', "a, b", 0.5) == '"a, b" > c\n"a, b" ; cutoff: 0.5\n'


@pytest.mark.parametrize(("text", "name"), [("dog\n", "cat"), ("dog ; colour: red\n", "dog")])
def test_what_cannot_be_changed_is_reported(text: str, name: str) -> None:
    with pytest.raises(VocabularyError):
        set_cutoff(text, name, 0.5)


WORD = st.text('abc ,;#"|>', min_size=1, max_size=4).map(str.strip).filter(bool)
QUOTED = WORD.map(lambda word: '"' + word.replace('"', '""') + '"')
LINE = st.tuples(
    st.lists(QUOTED, min_size=1, max_size=3).map(" > ".join),
    st.sampled_from(
        [
            "",
            " ; cutoff: 0.5",
            ";cutoff:0;group:x;cutoff:1",
            ";cutoff:.1 ; group: x",
            ' ; prompt: "{};"',
        ]
    ),
    st.sampled_from(["", " # ; cutoff: 1", "\t#"]),
).map("".join)


@given(st.lists(LINE, min_size=1, max_size=4), st.sampled_from([None, 0.0, 0.33, 1.0]))
def test_of_any_file_only_the_cutoff_changes(lines: list[str], cutoff: float | None) -> None:
    text = "\n".join(lines)
    try:
        before, _ = parse_labels(text, "x")
    except VocabularyError:
        return
    for label in before.labels:
        after = set_cutoff(text, label.name, cutoff)  # raises where more would change
        assert set_cutoff(after, label.name, cutoff) == after
