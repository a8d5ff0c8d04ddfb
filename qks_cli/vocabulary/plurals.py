"""One dog, two dogs: the number of a label's last word.

The prompt pool speaks of one thing ("a photo of a {}"), and a text tower puts a plural a good way
from its singular. So labels are said in the singular, and "dogs" finds what "dog" finds. Rules and
a few lists rather than the library ``inflect``: that makes "len" of "lens" and "canva" of "canvas",
and is slow to import.
"""

from __future__ import annotations

LONGEST = 3  # words; longer ones are phrases, whose last word need not be what they are about

_IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "goose": "geese",
    "foot": "feet",
    "tooth": "teeth",
    "ox": "oxen",
    "ski": "skis",
    "taxi": "taxis",
    "kiwi": "kiwis",
    "bikini": "bikinis",
    **{
        one: one.rstrip("ef") + "ves"
        for one in (
            "leaf wolf knife wife shelf loaf calf half elf thief hoof scarf bookshelf housewife"
        ).split()
    },
}
_ONE_OF_MANY = {many: one for one, many in _IRREGULAR.items()}
# Words that end like a plural and are none, and things that only come in pairs or numbers.
_AS_THEY_ARE = frozenset(
    "abs alias alps andes asbestos athens atlas barracks bias binoculars brussels canvas chaos "
    "christmas clothes cosmos crossroads deer ethos eyeglasses fish gas goggles headquarters "
    "himalayas jeans kansas leggings lens mars news overalls overseas pajamas pancreas pants "
    "pliers pyjamas rapids rhinoceros scissors series sheep shorts species specimen sunglasses "
    "surroundings texas tights tongs trousers tweezers abdomen omen ramen regimen stamen".split()
)
_KEEPS_E = frozenset(  # -oes and -ies whose singular ends in -oe and -ie
    "shoes horseshoes snowshoes canoes toes tiptoes hoes foes oboes movies cookies brownies pies "
    "ties neckties zombies selfies hoodies genies birdies smoothies hippies collies prairies "
    "magpies calories aches headaches caches moustaches mustaches axes".split()
)


def singular(name: str) -> str:
    """``name`` with its last word in the singular; names of more than ``LONGEST`` words as is."""
    words = name.split(" ")
    if len(words) > LONGEST or name.casefold() == "glasses":
        return name
    return " ".join([*words[:-1], _one(words[-1])])


def plural(name: str) -> str:
    """``name`` with its last word, a singular, in the plural."""
    *before, word = name.split(" ")
    return " ".join([*before, _many(word)])


def _one(word: str) -> str:
    lower = word.casefold()
    if lower in _ONE_OF_MANY:
        return _ONE_OF_MANY[lower]
    if lower in _AS_THEY_ARE or len(lower) <= 3 or not lower.isalpha():
        return word
    if lower.endswith("men"):
        return word[:-2] + "an"
    if not lower.endswith("s") or lower.endswith(("ss", "us", "is", "ics")):
        return word
    if lower in _KEEPS_E:
        return word[:-1]
    if lower.endswith("ies"):
        return word[:-3] + "y"
    if lower.endswith(("sses", "xes", "ches", "shes", "zzes", "oes")):
        return word[:-2]
    if lower.endswith("uses") and not lower.endswith("ouses"):
        return word[:-2]
    return word[:-1]


def _many(word: str) -> str:
    lower = word.casefold()
    if lower in _IRREGULAR:
        return _IRREGULAR[lower]
    if lower in _AS_THEY_ARE:
        return word
    if lower.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if len(lower) > 1 and lower.endswith("y") and lower[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"
