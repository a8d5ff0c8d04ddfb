from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.errors import VocabularyError
from qks_cli.model.bundle import find_bundle
from qks_cli.vocabulary.labels_file import (
    Label,
    Vocabulary,
    format_labels,
    parse_labels,
    read_labels,
)

words = st.text(
    st.characters(blacklist_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=12
)
phrases = st.lists(words, min_size=1, max_size=3).map(" ".join)


@st.composite
def vocabularies(draw: st.DrawFn) -> Vocabulary:
    names = draw(st.lists(phrases, min_size=1, max_size=8, unique_by=str.casefold))
    labels = []
    for index, name in enumerate(names):
        synonyms = draw(st.lists(phrases, max_size=3, unique=True))
        labels.append(
            Label(
                name,
                draw(st.sampled_from([None, *names[:index]])),
                tuple(word for word in synonyms if word.casefold() != name.casefold()),
                tuple(draw(st.lists(phrases.map(lambda text: text + " {}"), max_size=2))),
                draw(st.none() | st.floats(0, 1)),
            )
        )
    return Vocabulary(tuple(labels))


@given(vocabularies())
def test_what_is_written_is_read_again(vocabulary: Vocabulary) -> None:
    parsed, warnings = parse_labels(format_labels(vocabulary), "x")
    assert parsed == vocabulary
    assert parsed.digest == vocabulary.digest
    assert warnings == []


def test_the_whole_syntax() -> None:
    vocabulary, warnings = parse_labels(
        "\ufeff# mine\r\n"
        "animal > bird > owl | hooter, night bird  # a comment\r\n"
        "\r\n"
        '"rock, paper" ; cutoff: 0.7 ; prompt: "a photo of {} being played"\r\n'
        "C# music\r\n",
        "x",
    )
    assert warnings == []
    assert vocabulary.names == ("animal", "bird", "owl", "rock, paper", "C# music")
    assert vocabulary.parent_of == {"bird": "animal", "owl": "bird"}
    assert vocabulary.lookup("Night Bird") == vocabulary.labels[2]
    rock = vocabulary.labels[3]
    assert (rock.cutoff, rock.prompts) == (0.7, ("a photo of {} being played",))


def test_duplicates_are_joined_and_reported() -> None:
    vocabulary, warnings = parse_labels("dog | puppy\ncat\nDog | hound\n", "x")
    assert vocabulary.names == ("dog", "cat")
    assert vocabulary.labels[0].synonyms == ("puppy", "hound")
    assert [warning.line for warning in warnings] == [3]


def test_every_error_is_listed_with_its_line() -> None:
    text = 'dog | \na > > b\ncat ; cutoff: 2\n"open\nx > y\nz > y\np > q\nq > p\n'
    with pytest.raises(VocabularyError) as caught:
        parse_labels(text, "labels.txt")
    lines = [row.split(":")[1] for row in caught.value.message.splitlines()]
    assert lines == ["1", "2", "3", "4", "6", "7"]


def test_a_list_on_one_line_is_explained() -> None:
    with pytest.raises(VocabularyError, match="one label a line; quote one that holds a comma"):
        parse_labels("dog, cat\n", "labels.txt")


def test_an_empty_file_is_an_error() -> None:
    with pytest.raises(VocabularyError, match="no labels"):
        parse_labels("# nothing\n", "x")


def test_bad_utf8_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(b"dog\ncaf\xe9\n")
    with pytest.raises(VocabularyError, match=":2: not UTF-8"):
        read_labels(path)


def test_ten_thousand_labels() -> None:
    vocabulary, _ = parse_labels("\n".join(f"label {n}" for n in range(10_000)), "x")
    assert len(vocabulary.names) == 10_000


def test_the_bundled_labels_are_clean() -> None:
    vocabulary, warnings = read_labels(find_bundle("mini") / "labels.txt")
    assert warnings == []
    assert 300 <= len(vocabulary.labels) <= 600


def test_groups_of_labels_that_exclude_each_other() -> None:
    vocabulary, _ = parse_labels('bedroom ; group: "Room kind"\nsky ; cutoff: 0.5\n', "x")
    assert [label.group for label in vocabulary.labels] == ["room kind", None]
    assert parse_labels(format_labels(vocabulary), "y")[0] == vocabulary
    with pytest.raises(VocabularyError, match="a group without a name"):
        parse_labels("bedroom ; group:\n", "x")
