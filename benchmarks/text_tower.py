"""How well a bundle's text tower stands in for its teacher, and how fast it is; one JSON line.

Needs the ``train`` extra (the teacher is the sentence encoder of training) and WordNet.
``names_cosine``, ``held_out_cosine``: mean cosine of sentence vectors, label names of the pool and
phrases that the tower never read. ``*_white_cosine``: the same in the label space, where labels are
compared. ``nearest_10``: of each name's ten nearest names by the teacher, how many the tower finds.
``embed_s`` and ``embed_cpu_s``: seconds, on the clock and of processor time, for 85 templates of
1,000 labels.

    python benchmarks/text_tower.py --pool POOL --teachers TEACHERS
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from qks_cli.model.bundle import read_bundle
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.model.weights import load_text_tower
from qks_cli.network.text import TextTower
from qks_cli.training.label_space import SentenceTeacher
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.labels import label_names
from qks_cli.training.mini.pool import read_photos
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.text_corpus import WordNet, make_corpus
from qks_cli.training.text_tower import token_ids
from qks_cli.types import Float32Array
from qks_cli.vocabulary.prompts import POOL, fill


def cosine(one: Float32Array, other: Float32Array) -> float:
    """Mean cosine of rows."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return round(float(((one * other).sum(1) / lengths).mean()), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--teachers", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    given = parser.parse_args()
    bundle = read_bundle(given.model)
    tower = load_text_tower(bundle)
    assert isinstance(tower, TextTower)
    photos = read_photos(given.pool)
    names = label_names(Teachers(given.teachers), TrueLabels(photos))
    captions = [caption for photo in photos for caption in photo.captions]
    corpus = make_corpus(WordNet.read(given.wordnet), names, captions, nouns=120_000, seed=1)
    tokenizer = Tokenizer.from_file(str(bundle.file("tokenizer.json")))
    teacher = SentenceTeacher()
    mean, whiten = tower.mean_S.numpy(), tower.whiten_SE.numpy()
    report: dict[str, float] = {"names": len(names), "held_out": len(corpus.held_out)}
    white: dict[str, list[Float32Array]] = {}
    for kind, texts in (("names", names), ("held_out", corpus.held_out)):
        ids_NT = torch.from_numpy(token_ids(tokenizer, texts, bundle.context_length))
        with torch.inference_mode():
            said = torch.cat([tower.sentences(part) for part in ids_NT.split(256)]).numpy()
        goal = teacher.embed(texts)
        white[kind] = [(vectors - mean) @ whiten for vectors in (said, goal)]
        report[f"{kind}_cosine"] = cosine(said, goal)
        report[f"{kind}_white_cosine"] = cosine(*white[kind])
    near = [nearest(vectors) for vectors in white["names"]]
    shared = [len(set(a) & set(b)) for a, b in zip(*near, strict=True)]
    report["nearest_10"] = round(float(np.mean(shared)), 2)
    prompts = [fill(template, name) for name in names[:1000] for template in POOL]
    engine = OnnxEngine(bundle)
    engine.text_embeddings(["warm"])
    began, busy = time.perf_counter(), time.process_time()
    engine.text_embeddings(prompts)
    report["embed_s"] = round(time.perf_counter() - began, 1)
    report["embed_cpu_s"] = round(time.process_time() - busy, 1)
    print(json.dumps(report))


def nearest(vectors: Float32Array) -> list[list[int]]:
    """Each row's ten nearest others by cosine."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -1)
    return np.argsort(-alike, axis=1)[:, :10].tolist()  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
