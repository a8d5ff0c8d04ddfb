"""Names of labels in other languages, and phrases of them in English."""

from __future__ import annotations

import pytest

from qks_cli.errors import VocabularyError
from qks_cli.vocabulary.labels_file import (
    add_names,
    format_labels,
    parse_labels,
)
from qks_cli.vocabulary.language_codes import LanguageCode
from qks_cli.vocabulary.languages import FOLDER, Language, open_language

OTHERS = [code for code in LanguageCode if code is not LanguageCode.en]


def opened(code: str, labels: str = "dog\n") -> Language:
    language = open_language(code, parse_labels(labels, "labels")[0])
    assert language is not None
    return language


def english(code: str, phrase: str, labels: str = "dog\n") -> str:
    known = parse_labels(labels, "labels")[0]
    return opened(code, labels).translate(phrase, lambda x: known.lookup(x) is not None).text


def own_words() -> list[str]:
    lines = (FOLDER / "names.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("|")[0] for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("code", OTHERS)
def test_every_word_of_ours_has_a_name_and_the_name_finds_it(code: str) -> None:
    language = opened(code)
    for word in own_words():
        name = language.shown(word)
        assert word.casefold() in [x.casefold() for x in language.english(name)], (word, name)
        # As a query too, however long it is: アメリカンフットボール is no ball.
        found = language.translate(name, lambda x, word=word: x.casefold() == word.casefold())  # type: ignore[misc]
        assert found.text.casefold() == word.casefold(), (word, name)


@pytest.mark.parametrize(
    ("code", "phrase", "meant"),
    [
        ("de", "Hunde am Strand", "dog beach"),
        ("de", "WEIHNACHTSBÄUME", "christmas tree"),
        ("de", "im Juni 2023", "June 2023"),
        ("fr", "l'arbre", "tree"),
        ("fr", "l’arbre", "tree"),
        ("es", "perros en la playa", "dog beach"),
        ("it", "cani sulla spiaggia", "dog beach"),
        ("pt", "autocarro", "bus"),
        ("pt", "ônibus", "bus"),
        ("nl", "honden op het strand", "dog beach"),
        ("pl", "na plaży", "beach"),
        ("ru", "собаку на пляже", "dog beach"),
        ("zh", "狗在海滩", "dog beach"),
        ("zh", "貓", "cat"),
        ("zh", "紅綠燈", "traffic light"),
        ("ja", "いぬ", "dog"),
        ("ja", "犬と猫", "dog cat"),
        ("zh", "未知的汽车", "未知 car"),
        ("de", "Quastenflosser", "Quastenflosser"),
    ],
)
def test_phrases_in_english(code: str, phrase: str, meant: str) -> None:
    assert english(code, phrase) == meant


def test_composition_does_not_matter() -> None:
    assert english("de", "Ka\u0308fer") == english("de", "Käfer") == "beetle"


def test_english_always_works() -> None:
    assert english("de", "a dog on the beach").endswith("beach")
    assert english("de", "wet dog") == "wet dog"
    assert open_language("en") is None


def test_labels_bring_names_of_their_own() -> None:
    labels = "terrier ; de: Wauwau\ndog ; de: Hündchen\n"
    assert english("de", "Wauwau", labels) == "terrier"
    assert opened("de", labels).shown("dog") == "Hündchen"
    assert opened("fr", labels).shown("dog") == "chien"
    assert opened("fr", labels).shown("terrier") == "terrier"
    # A label in the user's language is no word to be translated.
    assert english("de", "Hund", "Hund\n") == "Hund"


def test_names_in_a_labels_file() -> None:
    text = 'a > dog | puppy ; de: Hund, "Hund, klein" ; cutoff: 0.5 ; fr:chien # x\n'
    text += "dog ; de: Köter\n"
    vocabulary, _ = parse_labels(text, "labels")
    dog = vocabulary.labels[1]
    assert dog.names == (("de", ("Hund", "Hund, klein", "Köter")), ("fr", ("chien",)))
    assert dog.cutoff == 0.5
    assert parse_labels(format_labels(vocabulary), "again")[0] == vocabulary
    assert vocabulary.lookup("HUND") is vocabulary.lookup("chien") is dog


def test_english_words_come_before_names() -> None:
    vocabulary, _ = parse_labels("ship ; de: boot\nshoe | boot\nboat ; de: shoe\n", "labels")
    assert [vocabulary.lookup(x).name for x in ("boot", "shoe")] == ["shoe", "shoe"]  # type: ignore[union-attr]


def test_labels_without_names_mean_what_they_did() -> None:
    vocabulary, _ = parse_labels("dog | puppy ; cutoff: 0.5\n", "labels")
    assert format_labels(vocabulary) == "dog | puppy ; cutoff: 0.5\n"


@pytest.mark.parametrize("line", ["dog ; de:", "dog ; de: a,,b", "dog ; xx: Hund"])
def test_what_is_no_name(line: str) -> None:
    with pytest.raises(VocabularyError):
        parse_labels(line, "labels")


def test_names_are_added_and_the_rest_stays() -> None:
    text = "\ufeff# first\r\n\r\nanimal > dog | x # why\r\nC# music ; cutoff: 0.2\r\n"
    names = {"animal": ["Tier"], "dog": ["Hund", "a, b"]}
    assert add_names(text, "de", lambda label: names.get(label, [])) == (
        "# first\n\nanimal ; de: Tier\n"
        'animal > dog | x ; de: Hund, "a, b"  # why\nC# music ; cutoff: 0.2\n'
    )
