from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qks_cli.folding import fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ärger", "äRGER"),
        ("caf\u00e9", "CAFE\u0301"),
        ("Straße", "STRASSE"),
        ("ОТПУСК", "отпуск"),
        ("İstanbul", "istanbul"),
        ("caf\udce9", "café"),  # Latin-1 bytes of a file name
        ("ǰ", "J\u030c"),
        ("が", "か\u3099"),
    ],
)
def test_words_that_are_one(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("Bär", "Bar"), ("ı", "l"), ("猫", "犬")])
def test_words_that_differ(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@settings(deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_folding_is_stable_and_can_be_encoded(text: str) -> None:
    once = fold(text)
    once.encode()
    assert fold(once) == once
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert fold(unicodedata.normalize("NFD", text)) == once
