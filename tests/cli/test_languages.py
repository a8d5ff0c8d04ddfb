"""Labels, searches and keywords in the user's language, from file to file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.cli.run import Done, Here


def names(done: Done) -> list[str]:
    return [Path(row["path"]).name for row in done.rows]


def subjects(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*.xmp")))


def test_labels_are_started_with_names(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    assert here("labels", "init", file, "--language", "de").code == 0
    text = file.read_text("utf-8")
    assert "animal > cat | kitten ; de: Katze" in text
    assert here("labels", "check", file).code == 0
    assert "Katze" in here("labels", "init", "-", "--language", "de").out
    assert "Katze" not in here("labels", "init", "-").out


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("de", "Katzen"),
        ("fr", "chat"),
        ("ru", "кошку"),
        ("zh", "猫"),
        ("ja", "ねこ"),
        ("en", "cat"),
    ],
)
def test_a_search_in_another_language(here: Here, photos: Path, code: str, word: str) -> None:
    here("tag", photos)
    assert names(here("search", "cat")) == ["cat.jpg"]
    assert names(here("search", word, "--language", code)) == ["cat.jpg"]
    assert names(here("search", "cat", "--language", code)) == ["cat.jpg"]
    assert names(here("search", f"tag:{word}", "--language", code)) == ["cat.jpg"]
    assert "cat.jpg" not in names(here("search", f"-{word}", "--language", code))


def test_what_a_phrase_means_is_said(here: Here, photos: Path) -> None:
    here("tag", photos)
    assert "in English: cat" in here("search", "Katze", "--language", "de").err
    assert "in English" not in here("search", "cat", "--language", "de").err


def test_a_word_of_neither_language_says_so(here: Here, photos: Path) -> None:
    here("tag", photos)
    found = here("search", "Quastenflosser", "--language", "de")
    assert found.code == 1
    assert "no word of German or English" in found.err


def test_the_language_is_an_option_that_is_kept(here: Here, photos: Path) -> None:
    here("tag", photos)
    assert here("search", "Katze", "--tags-only").code == 1
    here("config", "set", "language", "de")
    assert names(here("search", "Katze")) == ["cat.jpg"]
    assert here("config", "set", "language", "xx").code == 2


def test_names_of_a_labels_file_need_no_option(here: Here, photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("cat ; de: Mieze ; zh: 喵\n", encoding="utf-8")
    here("tag", photos, "--labels", mine)
    for word in ("Mieze", "喵"):
        assert names(here("search", word, "--tags-only")) == ["cat.jpg"]


def test_a_word_of_both_languages_means_both(here: Here, photos: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text('cat ; de: Tasse\nTasse ; prompt: "cup {}"\ncup\n', encoding="utf-8")
    here("tag", photos, "--labels", mine)
    found = here("search", "cup", "--language", "de", "--tags-only")
    assert names(found) == ["coffee.jpg"]
    assert names(here("search", "Tasse", "--language", "de", "--tags-only"))[0] == "cat.jpg"


def test_tags_are_shown_by_their_names(here: Here, photos: Path) -> None:
    table = here("tag", photos, "--language", "de", "--format", "table")
    assert "Katze 1.00" in table.out
    row = next(x for x in here("tag", photos, "--language", "de").rows if "cat" in x["path"])
    cat = next(tag for tag in row["tags"] if tag["label"] == "cat")
    assert cat["name"] == "Katze"
    assert "name" not in here("tag", photos).rows[0]["tags"][0]
    assert "Katze" in here("search", "Katze", "--language", "de", "--format", "table").out
    listed = here("tags", "list", "--language", "de").rows
    assert {"label": "cat", "name": "Katze"}.items() <= next(
        x for x in listed if x["label"] == "cat"
    ).items()


@pytest.mark.parametrize("to", ["sidecar", "embed"])
def test_keywords_in_another_language(here: Here, photos: Path, to: str) -> None:
    here("tag", photos)

    def digests() -> dict[str, str]:
        files = [path for path in sorted(photos.rglob("*")) if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    assert here("write", "--all", "--to", to, "--language", "de").code == 0
    if to == "sidecar":
        text = subjects(photos)
        assert "<rdf:li>Katze</rdf:li>" in text
        assert "Tier|Katze" in text
        assert "Tier/Katze" in text
        assert ">cat<" not in text
    assert here("verify", "--all").code == 0
    assert "unchanged" in here("write", "--all", "--to", to, "--language", "de").err
    assert here("undo").code == 0
    assert digests() == before


def test_other_names_are_synonyms(here: Here, photos: Path) -> None:
    here("tag", photos)
    here("write", "--all", "--language", "de", "--synonyms")
    text = subjects(photos)
    assert ">Kater<" in text
    assert ">kitten<" not in text


def test_another_language_replaces_the_first(here: Here, photos: Path) -> None:
    here("tag", photos)
    here("write", "--all")
    here("write", "--all", "--language", "fr")
    text = subjects(photos)
    assert ">chat<" in text
    assert ">cat<" not in text
    here("untag", "--all")
    assert "chat" not in subjects(photos)


def test_a_renamed_label_is_found_in_files_of_any_language(here: Here, photos: Path) -> None:
    here("tag", photos)
    here("write", "--all", "--language", "de")
    renamed = here("tags", "rename", "cat", "Minka", "--files", "--yes")
    assert renamed.code == 0, renamed.err
    text = subjects(photos)
    assert ">Minka<" in text
    assert ">Katze<" not in text
    assert ">Kaffee<" in text


def test_tagging_writes_in_the_language(here: Here, photos: Path) -> None:
    here("tag", photos, "--write", "sidecar", "--language", "pl")
    assert ">kot<" in subjects(photos)
