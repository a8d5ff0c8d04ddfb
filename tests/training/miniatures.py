"""Miniatures of the official layouts of data sets, made in code: real file formats, tiny photos.

Every photo is striped in the colours that are its labels, so that there is something to learn.
"""

from __future__ import annotations

import csv
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 190, 40),
    "blue": (30, 40, 220),
    "yellow": (230, 220, 40),
    "white": (240, 240, 240),
    "black": (15, 15, 15),
}
SEEN, UNSEEN = ("red", "green", "blue", "yellow"), ("white", "black")
PHOTOS = 48


def colours_of(index: int) -> list[str]:
    """One or two colours, a function of the photo's number."""
    names = list(COLOURS)
    first = names[index % 6]
    return [first] if index % 3 == 0 else [first, names[(index + 1 + index // 6) % 6]]


def photo(path: Path, index: int) -> Path:
    """A striped photo with noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(index)
    stripes = [COLOURS[name] for name in colours_of(index)]
    pixels = np.zeros((48, 64, 3))
    for column in range(64):
        pixels[:, column] = stripes[column // 8 % len(stripes)]
    noisy = np.clip(pixels + rng.normal(0, 10, pixels.shape), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(path)
    return path


def splits(photos: int, train: str, test: str) -> list[tuple[str, range]]:
    """Two thirds of the numbers to train on, the rest to test on."""
    return [(train, range(photos * 2 // 3)), (test, range(photos * 2 // 3, photos))]


def nuswide(root: Path, photos: int = PHOTOS) -> Path:
    """Tags of users and human ground truth; one seen tag is the plural of a concept."""
    tags = [*SEEN, "reds", "white"]  # "white" is a concept too: not seen
    folder = root / "NUS_WID_Tags"
    for name in ("ImageList", "Groundtruth/TrainTestLabels", "NUS_WID_Tags"):
        (root / name).mkdir(parents=True)
    (folder / "TagList1k.txt").write_text("\n".join(tags) + "\n")
    concepts = [*UNSEEN, "red"]
    tags.remove("red")
    (folder / "TagList1k.txt").write_text("\n".join(tags) + "\n")
    (root / "Concepts81.txt").write_text("\n".join(concepts) + "\n")
    for kind, numbers in splits(photos, "Train", "Test"):
        names, rows = [], []
        for index in numbers:
            name = f"striped\\{index:04}_{index * 7}.jpg"
            photo(root / "Flickr" / "striped" / f"{index:04}_{index * 7}.jpg", index)
            own = colours_of(index)
            names.append(name)
            rows.append("\t".join(str(int(tag.removesuffix("s") in own)) for tag in tags) + "\t")
        (root / "ImageList" / f"{kind}Imagelist.txt").write_text("\n".join(names) + "\n")
        (folder / f"{kind}_Tags1k.dat").write_text("\n".join(rows) + "\n")
        for concept in concepts:
            truth = "".join(f"{int(concept in colours_of(index))}\n" for index in numbers)
            path = root / "Groundtruth" / "TrainTestLabels" / f"Labels_{concept}_{kind}.txt"
            path.write_text(truth)
    return root


def openimages(root: Path, photos: int = PHOTOS) -> Path:
    """Verified labels, keyed by MID; two MIDs share a name, one photo contradicts itself."""
    mids = {name: f"/m/0{place}" for place, name in enumerate(COLOURS)}
    root.mkdir(parents=True, exist_ok=True)
    twin = "/m/twin"
    (root / "classes-trainable.txt").write_text("\n".join([*(mids[n] for n in SEEN), twin]) + "\n")
    (root / "classes-unseen.txt").write_text("\n".join(mids[n] for n in UNSEEN) + "\n")
    with (root / "class-descriptions.csv").open("w", newline="") as out:
        csv.writer(out).writerows([*((mid, n.title()) for n, mid in mids.items()), (twin, "Red")])
    for kind, numbers in splits(photos, "train", "test"):
        with (root / f"{kind}-annotations-human-imagelabels.csv").open("w", newline="") as out:
            lines = csv.writer(out)
            lines.writerow(["ImageID", "Source", "LabelName", "Confidence"])
            for index in numbers:
                photo(root / kind / f"{index:016x}.jpg", index)
                own = colours_of(index)
                for place, name in enumerate(COLOURS):
                    if name in own or (place + index) % 2:
                        lines.writerow(
                            [f"{index:016x}", "verification", mids[name], int(name in own)]
                        )
                lines.writerow([f"{index:016x}", "verification", twin, int("red" in own)])
            first = f"{numbers[0]:016x}"
            for confidence in (0, 1):
                lines.writerow([first, "verification", mids["green"], confidence])
    return root


def coco(root: Path, photos: int = PHOTOS) -> Path:
    """Instances with boxes; ``unseen.txt`` beside them."""
    (root / "annotations").mkdir(parents=True)
    ids = {name: place * 3 + 1 for place, name in enumerate(COLOURS)}
    for kind, numbers in splits(photos, "train", "val"):
        images, annotations = [], []
        for index in numbers:
            name = f"{index:012}.jpg"
            photo(root / f"{kind}2017" / name, index)
            images.append({"id": index, "file_name": name, "width": 64, "height": 48})
            for colour in colours_of(index):
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": index,
                        "category_id": ids[colour],
                        "bbox": [0, 0, 8, 48],
                        "iscrowd": 0,
                    }
                )
        data = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": ids[name], "name": name} for name in COLOURS],
        }
        (root / "annotations" / f"instances_{kind}2017.json").write_text(json.dumps(data))
    (root / "unseen.txt").write_text("\n".join(UNSEEN) + "\n")
    return root


def voc(root: Path, photos: int = PHOTOS) -> Path:
    """VOC's own classes stand for the colours; some objects are difficult."""
    base = root / "VOCdevkit" / "VOC2007"
    called = dict(zip(COLOURS, ("bird", "boat", "bus", "car", "cat", "cow"), strict=True))
    for name in ("Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    for kind, numbers in splits(photos, "trainval", "test"):
        for index in numbers:
            photo(base / "JPEGImages" / f"{index:06}.jpg", index)
            objects = "".join(
                f"<object><name>{called[c]}</name><difficult>{int(place == 1)}</difficult></object>"
                for place, c in enumerate(colours_of(index))
            )
            (base / "Annotations" / f"{index:06}.xml").write_text(
                f"<annotation><filename>{index:06}.jpg</filename>{objects}</annotation>"
            )
        names = "".join(f"{index:06}\n" for index in numbers)
        (base / "ImageSets" / "Main" / f"{kind}.txt").write_text(names)
    (root / "unseen.txt").write_text("cat\ncow\n")
    return root


def folder(root: Path, photos: int = PHOTOS) -> Path:
    """A sub-folder a label."""
    for index in range(photos):
        photo(root / colours_of(index)[0] / f"{index}.jpg", index)
    (root / "unseen.txt").write_text("black\n")
    return root


def table(root: Path, photos: int = PHOTOS) -> Path:
    """labels.csv with absent labels and a split."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "labels.csv").open("w", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(["path", "labels", "split"])
        for index in range(photos):
            photo(root / "photos" / f"{index}.jpg", index)
            split = "test" if index % 3 == 2 else "train"
            lines.writerow([f"photos/{index}.jpg", " | ".join(colours_of(index)), split])
    (root / "unseen.txt").write_text("\n".join(UNSEEN) + "\n")
    return root


def jsonl(root: Path, photos: int = PHOTOS) -> Path:
    """The pool's format: photos in archives by source, words held out."""
    root.mkdir(parents=True, exist_ok=True)
    lines = []
    with zipfile.ZipFile(root / "striped.zip", "w") as archive:
        for index in range(photos):
            made = photo(root / "made.jpg", index)
            archive.write(made, f"{index}.jpg")
            own = colours_of(index)
            lines.append(
                {
                    "file": f"striped/{index}.jpg",
                    "source": "striped",
                    "labels": [name for name in own if name in SEEN],
                    "held_out": [name for name in own if name in UNSEEN],
                }
            )
    made.unlink()
    lines.append({"file": "other/1.jpg", "source": "other", "labels": ["red"]})
    (root / "photos.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    return root


def library(root: Path, photos: int = PHOTOS) -> Path:
    """Photos with the user's keywords in sidecars."""
    for index in range(photos):
        made = photo(root / f"{index}.jpg", index)
        words = "".join(f"<rdf:li>{name}</rdf:li>" for name in colours_of(index))
        made.with_name(made.name + ".xmp").write_text(
            '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
            '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:subject><rdf:Bag>{words}</rdf:Bag></dc:subject>"
            "</rdf:Description></rdf:RDF></x:xmpmeta>"
        )
    return root


def webdataset(root: Path, photos: int = PHOTOS, shards: int = 1) -> Path:
    """Archives of photos with a JSON beside each, some of them test photos."""
    root.mkdir(parents=True, exist_ok=True)
    parts = [
        (f"{kind}-{at:06}", numbers[at::shards])
        for kind, numbers in splits(photos, "train", "test")
        for at in range(shards)
    ]
    for name, numbers in parts:
        with tarfile.open(root / f"{name}.tar", "w") as archive:
            for index in numbers:
                made = photo(root / "made.jpg", index)
                archive.add(made, f"striped/{index:04}.jpg")
                text = json.dumps({"labels": colours_of(index)})
                (root / "made.json").write_text(text)
                archive.add(root / "made.json", f"striped/{index:04}.json")
    made.unlink()
    (root / "made.json").unlink()
    (root / "unseen.txt").write_text("\n".join(UNSEEN) + "\n")
    return root


MAKERS: dict[str, Callable[[Path], Path]] = {
    "nuswide": nuswide,
    "openimages": openimages,
    "coco": coco,
    "voc": voc,
    "folder": folder,
    "csv": table,
    "jsonl": jsonl,
    "webdataset": webdataset,
    "library": library,
}
