"""What the text tower reads while it learns: words and phrases of the kind people use as labels.

The label names in the templates that tagging uses, and words of like meaning; WordNet's words, most
used first; phrases made of them ("wooden boat", "boat on a river"); glosses and captions. A
fiftieth of WordNet's noun phrases, and phrases made of known words, are held out and measured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qks_cli.errors import TrainingError
from qks_cli.vocabulary.prompts import POOL, SHORT_POOL, fill

COMMON = 12_000  # nouns that are drawn in several templates and in phrases
PHRASES = 150_000
HELD_OUT_PHRASES = 1_000


@dataclass(frozen=True, slots=True)
class Corpus:
    """``texts`` to learn from, the first ``core`` of them label names; ``held_out`` phrases."""

    texts: list[str]
    core: int
    held_out: list[str]


@dataclass(frozen=True, slots=True)
class WordNet:
    """Lemmas, most used first, and short glosses."""

    nouns: list[str]
    adjectives: list[str]
    verbs: list[str]
    glosses: list[str]
    senses: dict[str, list[str]] = field(default_factory=dict)  # a noun's synsets, most used first
    synsets: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)  # lemmas, below

    @classmethod
    def read(cls, folder: Path) -> WordNet:
        """Debian's ``wordnet-base`` (its dict files). Raises ``TrainingError`` without them."""
        try:
            lemmas = {kind: _lemmas(folder / f"index.{kind}") for kind in ("noun", "adj", "verb")}
            data = (folder / "data.noun").read_text(encoding="utf-8")
            index = (folder / "index.noun").read_text(encoding="utf-8")
        except OSError as error:
            raise TrainingError(
                f"no WordNet in {folder}", hint="on Debian: apt-get install wordnet-base"
            ) from error
        glosses = []
        for line in data.splitlines():
            if " | " in line and not line.startswith(" "):
                gloss = re.split(r'[;"(]', line.split(" | ", 1)[1])[0].strip()
                if 2 <= len(gloss.split()) <= 14:
                    glosses.append(gloss)
        senses, synsets = _senses(index), _synsets(data)
        return cls(lemmas["noun"], lemmas["adj"], lemmas["verb"], glosses, senses, synsets)

    def related(self, names: Sequence[str]) -> list[str]:
        """Other words for ``names``, by their first three senses, and kinds of the first."""
        found: dict[str, None] = {}
        for name in names:
            for place, sense in enumerate(self.senses.get(name.replace(" ", "_"), ())[:3]):
                lemmas, below = self.synsets.get(sense, ([], []))
                kinds = [word for kind in below for word in self.synsets.get(kind, ([],))[0]]
                found |= dict.fromkeys(lemmas + (kinds if place == 0 else []))
        return [word for word in found if word not in set(names)]


def make_corpus(
    wordnet: WordNet, labels: Sequence[str], captions: Sequence[str], *, nouns: int, seed: int
) -> Corpus:
    """``nouns`` limits WordNet's share; nouns nobody counted are drawn at random from the rest."""
    rng = random.Random(seed)
    names = [label.lower() for label in labels]
    common = wordnet.nouns[:COMMON]
    rest = rng.sample(wordnet.nouns[COMMON:], max(0, min(nouns, len(wordnet.nouns)) - COMMON))
    hidden = {x for x in sorted(rest) if " " in x and rng.random() < 0.02} - set(names)
    simple = [word for word in common[:4000] if " " not in word]
    phrase = _phrases(rng, simple + names, wordnet.adjectives[:1200], wordnet.verbs[:600])
    core = list(dict.fromkeys(fill(t, name) for name in names for t in SHORT_POOL))
    texts = core + [fill(t, name) for name in names for t in POOL[::17]]
    texts += common + [fill(t, x) for x in common for t in rng.sample(SHORT_POOL[1:], 2)]
    texts += [x for x in rest if x not in hidden]
    texts += [fill(rng.choice(SHORT_POOL + POOL), x) for x in rest[::2] if x not in hidden]
    texts += wordnet.adjectives[:4000] + wordnet.verbs[:3000]
    texts += list(captions) + rng.sample(wordnet.glosses, min(nouns // 2, len(wordnet.glosses)))
    made = [phrase() for _ in range(PHRASES)]
    texts += made
    texts += [fill(rng.choice(SHORT_POOL[1:]), x) for x in made[::6]]
    near = [word for word in wordnet.related(names) if word not in hidden]
    texts += [fill(t, word) for word in near for t in SHORT_POOL[:3]]
    texts = list(dict.fromkeys(text.lower() for text in texts))
    known = set(texts)
    fresh = [x for x in (phrase() for _ in range(2 * HELD_OUT_PHRASES)) if x not in known]
    return Corpus(texts, len(core), sorted(hidden) + fresh[:HELD_OUT_PHRASES])


def _senses(index: str) -> dict[str, list[str]]:
    rows = [line.split() for line in index.splitlines() if not line.startswith(" ")]
    return {row[0]: row[6 + int(row[3]) :] for row in rows}


def _synsets(data: str) -> dict[str, tuple[list[str], list[str]]]:
    """For every synset its lemmas and the synsets directly below it."""
    found = {}
    for line in data.splitlines():
        if line.startswith(" "):
            continue
        fields = line.split(" | ", 1)[0].split()
        # The count of lemmas is hexadecimal; each is followed by a sense number.
        end = 4 + 2 * int(fields[3], 16)
        lemmas = [lemma.replace("_", " ").lower() for lemma in fields[4:end:2]]
        pointers = [fields[at : at + 2] for at in range(end + 1, end + 1 + 4 * int(fields[end]), 4)]
        found[fields[0]] = (lemmas, [synset for kind, synset in pointers if kind == "~"])
    return found


def _lemmas(index: Path) -> list[str]:
    rows = [
        line.split()
        for line in index.read_text(encoding="utf-8").splitlines()
        if not line.startswith(" ")
    ]
    # Behind the count of pointer kinds and the kinds stand two counts: senses, senses seen in use.
    rows.sort(key=lambda row: (-int(row[5 + int(row[3])]), row[0]))
    return [row[0].replace("_", " ") for row in rows if not re.search(r"\d", row[0])]


def _phrases(
    rng: random.Random, nouns: Sequence[str], adjectives: Sequence[str], verbs: Sequence[str]
) -> Callable[[], str]:
    joins = ("on a {}", "in the {}", "with a {}", "and {}", "near the {}", "of {}", "at the {}")
    plain = [verb for verb in verbs if " " not in verb]

    def make() -> str:
        noun, kind = rng.choice(nouns), rng.random()
        if kind < 0.4:
            return f"{rng.choice(adjectives)} {noun}"
        if kind < 0.55:
            return f"{noun} {rng.choice(nouns)}"
        if kind < 0.7:
            return f"{noun} {_doing(rng.choice(plain))}"
        if kind < 0.8:
            return f"{noun}s" if not noun.endswith("s") else noun
        return f"{noun} {fill(rng.choice(joins), rng.choice(nouns))}"

    return make


def _doing(verb: str) -> str:
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    return verb + "ing"
