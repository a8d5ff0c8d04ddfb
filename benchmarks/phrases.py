"""Phrases against their opposites: does "a black dog" fit photos of black dogs better than "a white
dog" does, and the other way round on photos of white dogs?

Photos and truth are the pool's captioned ones (Flickr8k); no caption was ever trained on, but the
photos were. A photo belongs to a phrase where one of its captions has all of its words, and to a
pair where it belongs to one of the two phrases alone. ``right``: mean over pairs of the chance that
a photo of the one and a photo of the other are told apart by the difference of their scores; 0.5 is
chance. ``own``: share of photos on which their phrase scores higher than its opposite on the
calibrated scale, mean over pairs. One JSON line; ``--each`` lists the pairs.

    python benchmarks/phrases.py --pool POOL
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import rankdata

from qks_cli.model.bundle import read_bundle
from qks_cli.model.engine import open_engine
from qks_cli.model.model import Model
from qks_cli.similarity import max_similarity
from qks_cli.training.mini.pool import PoolPhoto, read_photos
from qks_cli.types import Float32Array, UInt8Array
from qks_cli.vocabulary.labels_file import Label, Vocabulary

LEAST = 4  # photos on each side
PAIRS = """
black dog | white dog
brown dog | black dog
brown dog | white dog
tan dog | black dog
small dog | large dog
dog running | dog sitting
dog jumping | dog standing
dog swimming | dog running
dog in snow | dog on grass
dog on the beach | dog on grass
dog in water | dog in snow
dog with ball | dog with stick
dog with frisbee | dog with stick
two dogs | one dog
three dogs | two dogs
dog | man
dog | child
dog playing | child playing
dog jumping | boy jumping
man with dog | woman with dog
man | woman
boy | girl
man | boy
woman | girl
man | child
old man | young man
young boy | young girl
little boy | little girl
two men | two women
two boys | two girls
two children | two dogs
two people | group of people
man and woman | two men
group of people | one man
crowd of people | one person
baby | man
man sitting | man standing
woman sitting | woman standing
boy running | boy sitting
boy jumping | boy standing
girl running | girl sitting
girl jumping | girl standing
man jumping | man sitting
man climbing | man riding
man walking | man sitting
people walking | people sitting
people standing | people sitting
people dancing | people sitting
children playing | children sitting
boy smiling | boy jumping
girl smiling | girl jumping
man riding bike | man climbing rock
man on bicycle | man on horse
man on motorcycle | man on bicycle
man on skateboard | man on bicycle
man on snowboard | man on skateboard
man skiing | man surfing
man with hat | man with helmet
man with beard | man with helmet
man in suit | shirtless man
woman in dress | woman in jacket
girl in dress | boy in shirt
girl in pink | girl in blue
boy in red | boy in blue
boy in blue | boy in green
man in red | man in blue
man in black | man in white
man in yellow | man in black
woman in black | woman in white
woman in red | woman in blue
red shirt | blue shirt
white shirt | black shirt
green shirt | red shirt
striped shirt | white shirt
red jacket | blue jacket
blue dress | pink dress
red car | white car
red ball | yellow ball
tennis ball | soccer ball
soccer player | football player
basketball player | football player
baseball player | soccer player
boy with ball | boy with water
boy swimming | boy running
girl swimming | girl running
boy in pool | boy on swing
girl on swing | girl in water
child on slide | child on swing
child in water | child on grass
child in snow | child on beach
child on beach | child on grass
man on beach | man on mountain
people on beach | people on mountain
people in snow | people on beach
people on street | people on beach
people on bench | people on street
snowy mountain | sandy beach
snow covered hill | grassy field
snowy hill | green grass
rock wall | brick wall
rock climber | bike rider
rock climbing | mountain biking
dirt bike | mountain bike
dirt road | city street
city street | mountain
busy street | sandy beach
swimming pool | lake
lake | street
ocean | forest
ocean waves | snowy mountain
river | street
forest | beach
woods | city
field | street
park bench | picnic table
playground | swimming pool
indoors | outdoors
night | sunset
water | snow
water | grass
grass | sand
snow | sand
grass | snow
rock | water
mountain | ocean
building | mountain
building | tree
fence | wall
stairs | bench
bus | car
boat | car
bike | car
bike | horse
motorcycle | horse
horse | dog
bird | dog
surfboard | skateboard
skateboard | bicycle
surfer | skier
surfing | skiing
skateboarding | snowboarding
climbing | swimming
fishing | climbing
running | sitting
jumping | sleeping
swimming | walking
dancing | walking
eating | jumping
eating | running
drinking | running
sleeping | running
reading | running
smiling | running
hugging | climbing
kissing | climbing
fighting | sitting
camera | ball
guitar | ball
food | ball
ice cream | ball
umbrella | ball
hat | helmet
helmet | sunglasses
glasses | helmet
backpack | ball
hiker | swimmer
hiking | swimming
cyclist | hiker
wedding | football
football game | beach
race | picnic
parade | beach
costume | swimsuit
uniform | swimsuit
bathing suit | jacket
jacket | shorts
shorts | jeans
mouth open | mouth closed
close up of a face | people in the distance
child with toy | child with food
baby in chair | baby on grass
boy with stick | boy with ball
boy on bike | boy on skateboard
boy on skateboard | boy on swing
girl with hair | girl with hat
blond girl | asian girl
blond boy | boy in hat
blond woman | asian woman
asian man | man in hat
woman with glasses | woman with hat
woman walking | woman sitting
woman with bag | woman with dog
man playing guitar | man playing football
man holding baby | man holding camera
man fishing | man climbing
kids in pool | kids on street
kids on grass | kids in water
two kids | two dogs
people at table | people on street
people in boat | people on beach
people in water | people in snow
""".strip()
IGNORED = frozenset("a an the in on of at with and up to".split())
ALIKE = {
    "kids": "child",
    "kid": "child",
    "children": "child",
    "men": "man",
    "women": "woman",
    "lady": "woman",
    "people": "person",
    "bicycle": "bike",
    "biking": "bike",
    "bikes": "bike",
    "motorbike": "motorcycle",
    "snowy": "snow",
    "grassy": "grass",
    "sandy": "sand",
    "rocky": "rock",
    "jumps": "jump",
    "leaps": "jump",
    "leaping": "jump",
    "gray": "grey",
    "blonde": "blond",
    "wears": "wearing",
    "sits": "sit",
    "seated": "sit",
    "sitting": "sit",
    "runs": "run",
    "running": "run",
    "swims": "swim",
    "swimming": "swim",
    "hugs": "hug",
    "hugging": "hug",
}


def words(text: str) -> frozenset[str]:
    """The words that count, brought to one form."""
    found = set()
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in IGNORED:
            continue
        known = ALIKE.get(word, word)
        if known == word and word.endswith("ing") and len(word) > 5:
            known = word[:-3]
        elif known == word and word.endswith("s") and not word.endswith("ss") and len(word) > 3:
            known = word[:-1]
        found.add(known)
    return frozenset(found)


def members(photos: Sequence[PoolPhoto], phrase: str) -> list[int]:
    """Photos of which a caption has all words of the phrase."""
    wanted = words(phrase)
    return [n for n, x in enumerate(photos) if any(wanted <= words(c) for c in x.captions)]


def read(pool: Path, photos: Sequence[PoolPhoto], side: int) -> UInt8Array:
    """Pixels [N, H, W, 3], each photo squashed into the square."""
    found = []
    archives: dict[str, zipfile.ZipFile] = {}
    for photo in photos:
        source, name = photo.file.split("/", 1)
        archive = archives.setdefault(source, zipfile.ZipFile(pool / f"{source}.zip"))
        with Image.open(BytesIO(archive.read(name)), formats=("JPEG", "PNG", "WEBP")) as image:
            small = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        found.append(np.asarray(small))
    return np.stack(found)


def chance_right(one: Float32Array, other: Float32Array) -> float:
    """Chance that a value of ``one`` exceeds one of ``other`` (area under the ROC curve)."""
    ranks = rankdata(np.concatenate([one, other]))[: len(one)]
    return float((ranks.sum() / len(one) - (len(one) + 1) / 2) / len(other))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--each", action="store_true")
    given = parser.parse_args()
    bundle = read_bundle(given.model)
    engine = open_engine(bundle, "cpu")
    photos = [photo for photo in read_photos(given.pool) if photo.captions]
    pixels_NHW3 = read(given.pool, photos, bundle.image_size)
    parts = np.array_split(pixels_NHW3, len(photos) // 32 + 1)
    tokens_NME = np.concatenate([engine.query_tokens(part) for part in parts])
    right, own, each = [], [], {}
    for line in PAIRS.splitlines():
        pair = [phrase.strip() for phrase in line.split("|")]
        one, other = (set(members(photos, phrase)) for phrase in pair)
        sides = [sorted(one - other), sorted(other - one)]
        if min(map(len, sides)) < LEAST:
            continue
        tagger = Model(bundle, engine=engine).tagger(Vocabulary(tuple(map(Label, pair))))
        raw_N2 = max_similarity(tokens_NME, tagger.labels_CE)
        said_N2 = tagger.scores(tokens_NME)
        gap_N = raw_N2[:, 0] - raw_N2[:, 1]
        right.append(chance_right(gap_N[sides[0]], gap_N[sides[1]]))
        fits = (said_N2[sides[0], 0] > said_N2[sides[0], 1]).mean()
        own.append(float(fits + (said_N2[sides[1], 1] > said_N2[sides[1], 0]).mean()) / 2)
        each[" | ".join(pair)] = [*map(len, sides), round(right[-1], 3), round(own[-1], 3)]
    report: dict[str, object] = {
        "photos": len(photos),
        "pairs": len(right),
        "phrases": len({phrase for pair in each for phrase in pair.split(" | ")}),
        "right": round(float(np.mean(right)), 4),
        "own": round(float(np.mean(own)), 4),
        "worse_than_chance": sum(value < 0.5 for value in right),
    }
    print(json.dumps(report | ({"each": each} if given.each else {}), indent=given.each or None))


if __name__ == "__main__":
    main()
