"""Words of other languages, and the English words that models know for them.

A table a language (``names/de.tsv.gz`` …) holds one name a line, the best first: the English word,
its name, and what the name is compared by where it is inflected. ``benchmarks/make_languages.py``
builds the tables; docs/languages.md says from what.
"""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from qks_cli.folding import fold
from qks_cli.vocabulary.labels_file import Vocabulary
from qks_cli.vocabulary.language_codes import ENGLISH_NAMES, LanguageCode
from qks_cli.vocabulary.plurals import singular

FOLDER = Path(__file__).with_name("names")
UNSPACED = ("zh", "ja")  # written without spaces between words
ELIDING = ("fr", "it")  # l'arbre, l'albero
# Articles, prepositions and the like, which say nothing about what is in a photo.
STOP_WORDS = {
    code: frozenset(words.split())
    for code, words in {
        "de": "der die das den dem des ein eine einen einem einer eines und oder in im am an auf "
        "aus bei beim mit von vom zu zum zur über unter vor hinter neben zwischen mein meine "
        "meinem meinen meiner unser unsere für",
        "fr": "le la les l un une des du de d et ou dans en sur sous avec à au aux chez devant "
        "derrière mon ma mes notre nos pour par",
        "es": "el la los las lo un una unos unas de del y o en sobre con al a ante bajo entre mi "
        "mis nuestro nuestra para por",
        "it": "il lo la i gli le l un uno una di del dello della dei degli delle e o in nel nella "
        "nello nei negli nelle su sul sulla con al alla allo ai agli alle a da dal dalla tra fra "
        "mio mia per d",
        "pt": "o a os as um uma uns umas de do da dos das e ou em no na nos nas sobre com ao aos à "
        "às num numa entre meu minha para por",
        "nl": "de het een en of in op aan bij met van uit te voor achter onder naast tussen mijn "
        "ons onze over 't",
        "pl": "i lub w we na z ze do od przy pod nad za przed między dla mój moja moje nasz o u",
        "ru": "и или в во на с со к от у при под над за перед между для мой моя мои наш о из по",
        "zh": "的 了 和 与 與 在 上 里 裡 中 是 一 个 個 只 隻 有 我 我们 我們",
        "ja": "の と で に は を が へ も や から ある いる な 私 私の",
    }.items()
}
_IDEOGRAPH = "[\u3040-\u30ff\u3400-\u9fff]"
_STEMMERS = {
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "nl": "dutch",
    "pl": "polish",
    "ru": "russian",
}


@dataclass(frozen=True, slots=True)
class Translation:
    """A phrase in English. ``taken`` are the words that were translated, with what they became;
    what is no word of the language is in ``text`` as it was written."""

    text: str
    taken: tuple[tuple[str, str], ...] = ()


class Language:
    """The names of one language. ``open_language`` opens one."""

    def __init__(self, code: str, rows: Sequence[tuple[str, str, str]]) -> None:
        """``rows`` are English words, names, and what ``compared`` makes of these; best first."""
        self.code = code
        self.name = ENGLISH_NAMES[code]
        self._rows = rows

    def names(self, english: str) -> tuple[str, ...]:
        """The names of an English word, the usual one first; none where the table has none."""
        word = fold(english)
        return tuple(self._names.get(word) or self._names.get(singular(word)) or ())

    def shown(self, label: str) -> str:
        """What a label is called: its usual name, its English one where it has none."""
        return next(iter(self.names(label)), label)

    def english(self, phrase: str, *, inflected: bool = False) -> tuple[str, ...]:
        """The English words for a name, best first; with ``inflected`` also for another form of
        it."""
        found = self._english.get(_spelling(self.code, phrase))
        if not found and inflected:
            found = self._compared.get(compared(self.code, phrase))
        return tuple(found or ())

    def translate(self, phrase: str, is_label: Callable[[str], bool] = bool) -> Translation:
        """A phrase with every name in English, the longest names first, and without articles.

        ``is_label`` tells which English words are labels. Of several meanings the first that is
        one counts; a label of this very spelling comes before names of what is no label, and
        before other forms of a name."""
        tokens, joint = self._tokens(phrase)
        parts: list[str] = []
        taken: list[tuple[str, str]] = []
        at = 0
        while at < len(tokens):
            for end in range(min(len(tokens), at + self._longest), at, -1):
                written = joint.join(tokens[at:end])
                english = self._meaning(written, is_label)
                if english is not None:
                    parts.append(english)
                    if english and english != written:
                        taken.append((written, english))
                    break
            else:
                end = at + 1
                parts.append(tokens[at])
            at = end
        text = " ".join(part for part in parts if part)
        if not joint:  # characters that are no name stay together
            text = re.sub(f"(?<={_IDEOGRAPH}) (?={_IDEOGRAPH})", "", text)
        return Translation(text or phrase, tuple(taken))

    def _meaning(self, written: str, is_label: Callable[[str], bool]) -> str | None:
        """What words mean in English; nothing for an article, None where they are no name."""
        found = self.english(written)
        meant = next(filter(is_label, found), None)
        if meant is not None:
            return meant
        if is_label(written):  # in the user's own words, or in English
            return written
        if not found and fold(written) in STOP_WORDS[self.code]:
            return ""
        found = found or self.english(written, inflected=True)
        return next(filter(is_label, found), found[0]) if found else None

    def _tokens(self, phrase: str) -> tuple[list[str], str]:
        """The parts of a phrase of which names are made, and what stands between them."""
        words = re.findall(r"[^\s,;.!?、。，]+", phrase)
        if self.code in ELIDING:
            words = [part for word in words for part in re.split("['’]", word) if part]
        if self.code not in UNSPACED:
            return words, " "
        return [part for word in words for part in ([word] if word.isascii() else word)], ""

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        return _lists((fold(english), name) for english, name, _ in self._rows)

    @cached_property
    def _english(self) -> dict[str, list[str]]:
        return _lists((_spelling(self.code, name), english) for english, name, _ in self._rows)

    @cached_property
    def _longest(self) -> int:
        """Parts of the longest name: characters where words are not spaced, else words."""
        return max((len(self._tokens(name)[0]) for name in self._english), default=1)

    @cached_property
    def _compared(self) -> dict[str, list[str]]:
        return _lists((form, english) for english, _, form in self._rows)


@cache
def _rows(code: str) -> tuple[tuple[str, str, str], ...]:
    text = gzip.decompress((FOLDER / f"{code}.tsv.gz").read_bytes()).decode()
    lines = (line.split("\t") for line in text.splitlines())
    return tuple((english, name, form) for english, name, form in lines)


def open_language(code: str, vocabulary: Vocabulary | None = None) -> Language | None:
    """A language of ``LanguageCode``; None for English. Names that labels of the vocabulary have in
    it come before those of its table."""
    if code == LanguageCode.en:
        return None
    labels = () if vocabulary is None else vocabulary.labels
    own = [
        (label.name, name, compared(code, name))
        for label in labels
        for name in dict(label.names).get(code, ())
    ]
    return Language(code, [*own, *_rows(code)])


def compared(code: str, phrase: str) -> str:
    """What two forms of one name have in common: the stems of its words, without accents."""
    spelt = _spelling(code, phrase)
    if code == "ja":
        return "".join(chr(ord(x) - 0x60) if "ァ" <= x <= "ヶ" else x for x in spelt)
    if code in UNSPACED:
        return spelt
    stems = " ".join(_stemmer(code).stemWords(spelt.split()))
    return "".join(x for x in unicodedata.normalize("NFD", stems) if not unicodedata.combining(x))


def _spelling(code: str, phrase: str) -> str:
    """What two spellings of one name have in common."""
    spelt = unicodedata.normalize("NFKC", fold(phrase))
    if code in ELIDING:
        spelt = re.sub("['’]", " ", spelt)
    return "".join(spelt.split()) if code in UNSPACED else " ".join(spelt.split())


@cache
def _stemmer(code: str) -> Any:
    import snowballstemmer  # only where no name is as it is written

    return snowballstemmer.stemmer(_STEMMERS[code])


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        own = found.setdefault(key, [])
        if value not in own:
            own.append(value)
    return found
