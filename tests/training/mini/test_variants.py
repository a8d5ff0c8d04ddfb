from __future__ import annotations

from pathlib import Path

import pytest

from qks_cli.training.mini.variants import Variants, plural, read_synonyms


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("dog", "dogs"),
        ("bus", "buses"),
        ("city", "cities"),
        ("monkey", "monkeys"),
        ("fire truck", "fire trucks"),
        ("person", "people"),
        ("y", "ys"),
    ],
)
def test_plurals(name: str, wanted: str) -> None:
    assert plural(name) == wanted


def test_synonyms_come_from_the_first_sense(tmp_path: Path) -> None:
    (tmp_path / "index.noun").write_text(
        "  1 a licence\n"
        "automobile n 1 1 @ 1 1 00000010\n"
        "car n 2 2 @ ~ 2 1 00000010 00000020\n"
        "hot_dog n 1 1 @ 1 0 00000030\n"
    )
    (tmp_path / "data.noun").write_text(
        "  1 a licence\n"
        "00000010 06 n 02 car 0 automobile 0 001 @ 00000001 n 0000 | a motor vehicle\n"
        "00000020 06 n 01 car 1 001 @ 00000001 n 0000 | of a train\n"
        "00000030 13 n 02 hot_dog 0 frankfurter_roll 0 000 | food\n"
    )
    assert read_synonyms(tmp_path) == {
        "automobile": "car",
        "car": "automobile",
        "hot dog": "frankfurter roll",
    }
    assert read_synonyms(tmp_path / "nowhere") == {}


def test_unseen_words_are_given_to_no_label() -> None:
    variants = Variants({"car": "automobile", "road": "street"}, frozenset({"street", "cars"}))
    plurals, others, bare = variants.of(["car", "road"])
    assert plurals[0] == ["car", "roads"]
    assert others[0] == ["automobile", "road"]
    assert bare == (["car", "road"], ("{}",))
