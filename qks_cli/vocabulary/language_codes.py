"""Languages that labels and searches may be written in."""

from __future__ import annotations

from enum import StrEnum


class LanguageCode(StrEnum):
    """Languages that words may be written in."""

    en = "en"
    de = "de"
    fr = "fr"
    es = "es"
    it = "it"
    pt = "pt"
    nl = "nl"
    pl = "pl"
    ru = "ru"
    zh = "zh"
    ja = "ja"


ENGLISH_NAMES = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "pl": "Polish",
    "ru": "Russian",
    "zh": "Chinese",
    "ja": "Japanese",
}
