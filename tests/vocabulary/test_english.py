from __future__ import annotations

import pytest

from qks_cli.vocabulary.english import is_english, words_of


@pytest.mark.parametrize(
    "word",
    "dog dogs geese running ran snowy happiest lorry kayaks sandcastle screenshots toddler "
    "windowless mistier".split(),
)
def test_english(word: str) -> None:
    assert is_english(word)


@pytest.mark.parametrize(
    "word", "asdf jkl hund katze perro qwertz blorf kirche gato 猫 собака zxcvbnm".split()
)
def test_not_english(word: str) -> None:
    assert not is_english(word)


def test_words_of_a_phrase() -> None:
    assert words_of("Two dogs' 24 x Grandma's hot-dog") == ["two", "dogs", "grandma", "hot", "dog"]
