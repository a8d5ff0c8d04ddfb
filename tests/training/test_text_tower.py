from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from qks_cli.errors import TrainingError
from qks_cli.model.bundle import read_bundle
from qks_cli.model.weights import load_text_tower
from qks_cli.network.config import TextConfig
from qks_cli.network.text import TextTower
from qks_cli.training import checkpoints, text_tower
from qks_cli.training.text_corpus import Corpus, WordNet, make_corpus
from qks_cli.types import Float32Array

NOUNS = "dog cat boat river tree house car beach lamp chair".split()


class BagOfLetters:
    """Stands in for the sentence encoder: a text's vector is a projection of its letters."""

    def __init__(self) -> None:
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.pieces = ["[PAD]", "[UNK]", *letters, *(f"##{x}" for x in letters), *NOUNS, "œuf"]

    def embed(self, texts: Sequence[str]) -> Float32Array:
        letters = np.zeros((len(texts), 26), np.float32)
        for row, text in enumerate(texts):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    letters[row, ord(letter) - 97] += 1
        directions = np.random.default_rng(1).normal(0, 1, (26, 384)).astype(np.float32)
        vectors = letters @ directions + 0.01
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    folder = tmp_path / "wordnet"
    folder.mkdir()
    lines = {
        "noun": [*NOUNS, "police_dog", "abaya", "20_20"],
        "adj": ["red", "old"],
        "verb": ["run", "dance"],
    }
    for kind, lemmas in lines.items():
        # lemma, part of speech, senses, pointer kinds, the kinds, senses, senses seen in use
        rows = [f"{x} n 1 2 @ ~ 1 {9 if x == 'dog' else 1} 00012345" for x in lemmas]
        text = "\n".join(["  1 This software", *rows])
        (folder / f"index.{kind}").write_text(text, encoding="utf-8")
    gloss = '00001740 03 n 01 dog 0 000 | a tame animal; "he barks"'
    (folder / "data.noun").write_text(gloss, encoding="utf-8")
    return folder


def test_wordnet_is_read_by_use(wordnet: Path) -> None:
    words = WordNet.read(wordnet)
    assert words.nouns[0] == "dog"
    assert "police dog" in words.nouns
    assert "20 20" not in words.nouns
    assert words.glosses == ["a tame animal"]
    with pytest.raises(TrainingError) as missing:
        WordNet.read(wordnet / "nowhere")
    assert "wordnet-base" in str(missing.value.hint)


def test_held_out_phrases_are_not_learnt(wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qks_cli.training.text_corpus.PHRASES", 40)
    monkeypatch.setattr("qks_cli.training.text_corpus.HELD_OUT_PHRASES", 30)
    words = WordNet.read(wordnet)
    corpus = make_corpus(words, ["Hot Dog", "tree"], ["a dog runs"], nouns=100, seed=1)
    assert corpus.texts[0] == "hot dog"
    assert corpus.texts[: corpus.core].count("a photo of a tree") == 1
    assert "a dog runs" in corpus.texts
    assert corpus.held_out
    assert not set(corpus.held_out) & set(corpus.texts)
    assert make_corpus(words, ["Hot Dog", "tree"], ["a dog runs"], nouns=100, seed=1) == corpus


def test_the_tower_learns_what_its_teacher_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_tower, "SentenceTeacher", BagOfLetters)
    texts = [f"{a} {b}" for a in NOUNS for b in NOUNS if a != b]
    corpus = Corpus(texts[:80], 20, texts[80:])
    sentences = BagOfLetters().embed(texts)
    space = {
        "mean": sentences.mean(0),
        "whiten": np.random.default_rng(1).normal(0, 1, (384, 7)).astype(np.float32),
    }
    rows: list[dict[str, float]] = []
    text_tower.train_text_tower(
        corpus,
        space,
        tmp_path / "text",
        vocab_size=66,
        epochs=12,
        batch=8,
        learning_rate=2e-3,
        report=rows.append,
    )
    tokenizer = Tokenizer.from_file(str(tmp_path / "text" / "tokenizer.json"))
    assert tokenizer.encode("A Dog, boats.").tokens == ["a", "dog", "[UNK]", "boat", "##s"]
    assert tokenizer.token_to_id("[PAD]") == 0
    assert tokenizer.token_to_id("œuf") is None
    assert (tmp_path / "text" / "text_config.json").is_file()
    assert rows[-1]["held_out_cosine"] > 0.8


def test_the_tower_of_a_model_is_kept_as_it_is(tmp_path: Path) -> None:
    mini = read_bundle("mini")
    found = checkpoints.load(text_tower.keep_text_tower(mini, tmp_path / "text"))
    assert found is not None
    config = TextConfig(**json.loads((tmp_path / "text" / "text_config.json").read_text()))
    tower = TextTower(config, mini.config["model"]["label_width"])
    tower.load_state_dict(found[0]["tower"])
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        assert torch.equal(tower.eval()(ids), load_text_tower(mini)(ids))
    assert (tmp_path / "text" / "tokenizer.json").is_file()
