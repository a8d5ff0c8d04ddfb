from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qks_cli.vocabulary.plurals import plural, singular

PAIRS = (
    "dog dogs, bus buses, wine glass+wine glasses, knife knives, leaf leaves, person people, "
    "fireman firemen, potato potatoes, shoe shoes, movie movies, puppy puppies, boy boys, "
    "beach beaches, box boxes, house houses, cave caves, camera cameras, photo photos, horse horses"
)


@pytest.mark.parametrize("pair", PAIRS.split(", "))
def test_singular_and_plural_are_inverse(pair: str) -> None:
    one, many = pair.split("+") if "+" in pair else pair.split(" ")
    assert singular(many) == one
    assert singular(one) == one
    if one != "fireman" and one != "potato":
        assert plural(one) == many


@pytest.mark.parametrize(
    "word",
    "grass tennis canvas lens news series scissors jeans gas Christmas glasses ceramics tv".split(),
)
def test_what_only_looks_like_a_plural_stays(word: str) -> None:
    assert singular(word) == word


def test_only_the_last_word_of_a_short_name_changes() -> None:
    assert singular("birthday cakes") == "birthday cake"
    assert singular("Dogs") == "Dog"
    assert singular("sports car") == "sports car"
    assert singular("two dogs on the waves") == "two dogs on the waves"
    assert singular("") == ""


@given(st.text(max_size=20))
def test_any_text_has_one_singular(text: str) -> None:
    assert isinstance(plural(text), str)
    assert singular(text).split(" ")[:-1] == text.split(" ")[:-1]
