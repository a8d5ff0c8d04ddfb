"""Teach the bundled text tower to stand in for the sentence encoder.

The tokenizer is the sentence encoder's own, with the word pieces that the corpus
(``training/text_corpus.py``) uses most, so that both read a rare word as the same pieces; every
token's embedding begins as what the sentence encoder says of the token alone, so that known words
are near their place from the first step and the tower learns how words go together.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from torch import Tensor, nn

from qks_cli.errors import TrainingError
from qks_cli.model.bundle import Bundle
from qks_cli.model.weights import load_text_tower
from qks_cli.network.config import TextConfig
from qks_cli.network.text import TextTower
from qks_cli.training import checkpoints
from qks_cli.training.label_space import SentenceTeacher, fast_halves
from qks_cli.training.run import Clock, RunFolder, set_learning_rate
from qks_cli.training.text_corpus import Corpus
from qks_cli.types import Float32Array, IntArray

TOWER = "text"  # the checkpoint, inside the run's folder
SAVE_EVERY = 120.0  # seconds
REPORT_EVERY, WARM_UP = 400, 500  # steps
CORE_SHARE = 0.3  # of the draws, for label names in the templates that are used when tagging


def word_pieces(pieces: Sequence[str], texts: Sequence[str], limit: int) -> Tokenizer:
    """The sentence encoder's own tokenizer with the ``limit`` pieces that ``texts`` use most.

    Lower-casing WordPiece; id 0 pads, 1 stands for the unknown. Single characters always stay, so
    that a word without a piece is spelt. A full stop behind a word is dropped: most templates end
    with one, and it says nothing.
    """
    every = _word_piece_tokenizer(pieces)
    counts = Counter(piece for coded in every.encode_batch(list(texts)) for piece in coded.tokens)
    spelling = [x for x in pieces if len(x.removeprefix("##")) == 1 and x.isascii()]
    used = [x for x, _ in counts.most_common(limit) if x != "[UNK]" and x.isascii()]
    kept = list(dict.fromkeys(spelling + used))[: limit - 2]
    return _word_piece_tokenizer(["[PAD]", "[UNK]", *kept])


def _word_piece_tokenizer(pieces: Sequence[str]) -> Tokenizer:
    vocab = {piece: row for row, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.BertNormalizer(lowercase=True),
            normalizers.Replace(Regex(r"(?<=\w\w)\.\s*$"), ""),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def train_text_tower(
    corpus: Corpus,
    space: dict[str, Float32Array],
    out: Path,
    *,
    vocab_size: int = 20_000,
    epochs: float = 8.0,
    batch: int = 256,
    learning_rate: float = 1e-3,
    seed: int = 1,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:
    """Train (or resume) in ``out``: tokenizer.json, text_config.json, ``text`` checkpoint.

    ``space`` holds ``mean`` and ``whiten`` of the label space. The loss is one minus the cosine to
    the teacher, plus the same after whitening, where labels are compared.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    lesson = _Lesson.prepare(corpus, out, vocab_size)
    learner = _Learner(_first_tower(lesson, space, out), learning_rate, RunFolder(out))
    steps = int(epochs * lesson.count / batch)
    clock = Clock(SAVE_EVERY)
    while learner.step < steps:
        for rows in lesson.batches(corpus.core, batch, (seed, learner.step)):
            share = max(0.0, 1 - learner.step / steps)
            learner.learn(lesson, rows, min(1.0, (learner.step + 1) / WARM_UP, share * 1.5))
        if learner.step % REPORT_EVERY == 0:
            speed = clock.speed(REPORT_EVERY * batch)
            row = {"step": learner.step, "steps": steps, "loss": learner.loss, "speed": speed}
            report(row)
        if learner.step >= steps or clock.due():
            report(learner.save(lesson))
    return out / TOWER


@dataclass(frozen=True, slots=True)
class _Lesson:
    """Texts as ids [N, T] and as what the teacher says of them [N, S]; those from ``count`` on are
    held out."""

    teacher: SentenceTeacher
    tokenizer: Tokenizer
    config: TextConfig
    ids_NT: Any
    sentences_NS: Float32Array
    count: int

    @classmethod
    def prepare(cls, corpus: Corpus, out: Path, vocab_size: int) -> _Lesson:
        """Embed the texts and make the tokenizer, or find both in ``out``."""
        texts = corpus.texts + corpus.held_out
        teacher = SentenceTeacher()
        sentences_NS = _embedded(teacher, texts, out / "sentences.npy")
        if not (out / "tokenizer.json").is_file():
            pieces = word_pieces(teacher.pieces, corpus.texts, vocab_size)
            pieces.save(str(out / "tokenizer.json"))
        tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        config = TextConfig(vocab_size=tokenizer.get_vocab_size(), lexical=128, readout=1024)
        values = {name: getattr(config, name) for name in config.__slots__}
        (out / "text_config.json").write_text(json.dumps(values), encoding="utf-8")
        ids_NT = token_ids(tokenizer, texts, config.context_length)
        return cls(teacher, tokenizer, config, ids_NT, sentences_NS, len(corpus.texts))

    def batches(self, core: int, batch: int, seed: tuple[int, int]) -> Iterator[IntArray]:
        """Rows of eight batches; ``CORE_SHARE`` of them are of the first ``core`` texts."""
        rng = np.random.default_rng(seed)
        # Texts of like length go together, so that a short one is not padded to the longest.
        chunk = rng.integers(0, self.count, batch * 8)
        chosen = rng.random(len(chunk)) < CORE_SHARE
        chunk[chosen] = rng.integers(0, core, chosen.sum())
        lengths = (self.ids_NT[chunk] != 0).sum(1)
        yield from chunk[np.argsort(lengths)].reshape(8, batch)[rng.permutation(8)]


class _Learner:
    """The tower with all that changes while it learns: what a checkpoint holds."""

    def __init__(self, tower: TextTower, learning_rate: float, folder: RunFolder) -> None:
        self.tower, self.learning_rate, self.folder = tower, learning_rate, folder
        self.optimiser = torch.optim.AdamW(tower.parameters(), lr=learning_rate, weight_decay=0.01)
        self.half = torch.autocast("cpu", torch.bfloat16, enabled=fast_halves())
        self.step, self.loss = 0, float("nan")
        found = folder.load(TOWER)
        if found is not None:
            tower.load_state_dict(found[0]["tower"])
            self.optimiser.load_state_dict(found[0]["optimiser"])
            self.step = int(found[1]["step"])

    def learn(self, lesson: _Lesson, rows: IntArray, share: float) -> None:
        """One step, at a share of the learning rate."""
        set_learning_rate(self.optimiser, self.learning_rate * share)
        ids_NT = lesson.ids_NT[rows]
        ids = torch.from_numpy(ids_NT[:, : int((ids_NT != 0).sum(1).max())])
        with self.half:
            loss = _loss(self.tower, ids, torch.from_numpy(lesson.sentences_NS[rows]))
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.tower.parameters(), 1.0)
        self.optimiser.step()
        self.step, self.loss = self.step + 1, float(loss.detach())

    def save(self, lesson: _Lesson) -> dict[str, Any]:
        """Write a checkpoint; returns how far the tower is and how near to its teacher."""
        apart = slice(lesson.count, None)
        cosine = held_out_cosine(self.tower, lesson.ids_NT[apart], lesson.sentences_NS[apart])
        row = {"step": self.step, "held_out_cosine": cosine}
        state = {"tower": self.tower.state_dict(), "optimiser": self.optimiser.state_dict()}
        self.folder.save(TOWER, state, row)
        return row


def _first_tower(lesson: _Lesson, space: dict[str, Float32Array], out: Path) -> TextTower:
    tower = TextTower(lesson.config, space["whiten"].shape[1] + 1)
    tower.mean_S.copy_(torch.from_numpy(space["mean"]))
    tower.whiten_SE.copy_(torch.from_numpy(space["whiten"]))
    _start_from_words(tower, lesson.tokenizer, lesson.teacher, out / "tokens.npy")
    return tower


def keep_text_tower(bundle: Bundle, out: Path) -> Path:
    """The tower of a bundle as if ``train_text_tower`` had ended with it in ``out``.

    Raises ``ModelError`` for a model that has none of its own, ``TrainingError`` for one of another
    kind."""
    tower = load_text_tower(bundle)
    if not isinstance(tower, TextTower):
        raise TrainingError(f"the text tower of {bundle.name} is not a small model's")
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(bundle.file("tokenizer.json"), out / "tokenizer.json")
    config = json.dumps(bundle.config["model"]["text"])
    (out / "text_config.json").write_text(config, encoding="utf-8")
    checkpoints.save(out / "text", {"tower": tower.state_dict()}, {"step": 0})
    return out / "text"


def held_out_cosine(tower: TextTower, ids_NT: Any, sentences_NS: Float32Array) -> float:
    """Mean cosine between the tower's sentence vectors and the teacher's."""
    with torch.inference_mode():
        parts = [
            (
                tower.sentences(torch.from_numpy(ids_NT[at : at + 512]))
                * torch.from_numpy(sentences_NS[at : at + 512])
            ).sum(1)
            for at in range(0, len(ids_NT), 512)
        ]
    return float(torch.cat(parts).mean())


def _loss(tower: TextTower, ids_NT: Tensor, goal_NS: Tensor) -> Tensor:
    said_NS = tower.sentences(ids_NT).float()
    cosine = 1 - (said_NS * goal_NS).sum(1).mean()
    with torch.autocast("cpu", enabled=False):
        white = torch.nn.functional.cosine_similarity(
            (said_NS - tower.mean_S) @ tower.whiten_SE, (goal_NS - tower.mean_S) @ tower.whiten_SE
        )
    return cosine + 1 - white.mean()


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> Any:
    """Ids [N, length], int64, padded with 0."""
    tokenizer.enable_truncation(length)
    ids_NT = np.zeros((len(texts), length), np.int64)
    for row, coded in enumerate(tokenizer.encode_batch(list(texts))):
        ids_NT[row, : len(coded.ids)] = coded.ids
    return ids_NT


def _embedded(teacher: SentenceTeacher, texts: Sequence[str], cache: Path) -> Float32Array:
    if cache.is_file():
        stored: Float32Array = np.load(cache).astype(np.float32)
        if len(stored) == len(texts):
            return stored
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_halves()):
        sentences_NS = teacher.embed(texts)
    np.save(cache, sentences_NS.astype(np.float16))
    return sentences_NS


def _start_from_words(
    tower: TextTower, tokenizer: Tokenizer, teacher: SentenceTeacher, cache: Path
) -> None:
    """Token embeddings and the last projection from the teacher's vectors of the tokens.

    The strongest axes of those vectors go to the transformer, the next to the readout's words.
    """
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [piece.removeprefix("##") for piece, _ in pieces]
    vectors_VS = _embedded(teacher, words, cache)
    vectors_VS = vectors_VS - vectors_VS.mean(0)
    width = tower.transformer.token_embedding.weight.shape[1]
    _, _, axes_SS = np.linalg.svd(vectors_VS.T @ vectors_VS)
    axes_WS = axes_SS[:width]
    start_VW = torch.from_numpy(vectors_VS @ axes_WS.T).float()
    readout = tower.readout
    with torch.no_grad():
        if readout is not None:
            nn.init.zeros_(readout.output.weight)
            nn.init.zeros_(readout.output.bias)
        if readout is not None and readout.words is not None:
            axes_LS = axes_SS[width : width + readout.words.embedding_dim]
            start_VL = torch.from_numpy(vectors_VS @ axes_LS.T).float()
            readout.words.weight.copy_(start_VL * (0.5 / start_VL.std()))
        tower.transformer.token_embedding.weight.copy_(start_VW * (0.5 / start_VW.std()))
        tower.transformer.text_projection.copy_(torch.from_numpy(axes_WS).float())
