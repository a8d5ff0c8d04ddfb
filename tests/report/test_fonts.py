"""Names on contact sheets, whichever fonts a system has."""

from __future__ import annotations

import pytest
from PIL import ImageFont

from qks_cli.report import fonts


def test_without_fonts_names_are_as_near_as_ascii_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "NAMES", ("no such font.ttf",))
    fonts.fonts_of.cache_clear()
    try:
        assert len(fonts.fonts_of(17)) == 1
        assert fonts.font_for("Übung é 東.jpg", 17)[1] == "Ubung e ?.jpg"
        assert fonts.font_for("plain [name] ~1.jpg", 17)[1] == "plain [name] ~1.jpg"
    finally:
        fonts.fonts_of.cache_clear()


def test_the_font_that_has_the_whole_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # Latin, and Latin with every other letter
    few, many = ImageFont.load_default(16), ImageFont.load_default(17)
    monkeypatch.setattr(fonts, "fonts_of", lambda size: (few, many))
    monkeypatch.setattr(fonts, "_has", lambda font, char: font is many or char.isascii())
    assert fonts.font_for("plain", 17) == (few, "plain")
    assert fonts.font_for("Übung 東", 17) == (many, "Übung 東")
