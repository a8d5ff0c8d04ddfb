"""Heads that were learned from a user's own verdicts, one a label, blended with the text match.

A head is linear in what it reads of a photo and in the logit of the text match; it gives a logit.
numpy only. Axes: B photos, M query tokens, E label space, C labels, F features, H heads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from qks_cli.folding import fold
from qks_cli.types import Float32Array, IntArray
from qks_cli.vocabulary.labels_file import Label, Vocabulary

LEAST = 1e-6  # scores are held this far from 0 and 1, where logits have no end


@dataclass(frozen=True, slots=True)
class Head:
    """``gain`` times the logit of the text match, ``weights_F`` times the features of a photo, and
    ``bias``. ``alone``: the label is known by examples, not by its words (its gain is 0)."""

    label: str
    alone: bool
    gain: float
    weights_F: Float32Array
    bias: float

    def to_bytes(self) -> bytes:
        """The numbers, float32, little-endian: gain, bias, weights."""
        return np.concatenate([[self.gain, self.bias], self.weights_F]).astype("<f4").tobytes()

    @classmethod
    def from_bytes(cls, label: str, alone: bool, stored: bytes) -> Head:
        """Raises ``ValueError`` for what cannot be a head."""
        numbers = np.frombuffer(stored, "<f4").astype(np.float32)
        if len(numbers) < 3 or not np.isfinite(numbers).all():
            raise ValueError(f"the head of '{label}' is damaged")
        return cls(label, alone, float(numbers[0]), numbers[2:], float(numbers[1]))


@dataclass(frozen=True)
class Learned:
    """The heads of one model."""

    heads: tuple[Head, ...]

    @cached_property
    def digest(self) -> str:
        """Tells these heads from all others: hexadecimal text."""
        found = hashlib.sha256()
        for head in sorted(self.heads, key=lambda head: head.label):
            found.update(f"{head.label}\0{head.alone}\0".encode() + head.to_bytes())
        return found.hexdigest()[:16]

    def over(self, vocabulary: Vocabulary) -> Placed | None:
        """Those that say something about these labels, with the labels that are known by examples
        alone; None where none does."""
        column_of = {name: column for column, name in enumerate(vocabulary.names)}
        columns: list[int] = []
        heads: list[Head] = []
        extra: list[Label] = []
        for head in self.heads:
            known = vocabulary.by_word.get(fold(head.label))
            if known is not None:
                columns.append(column_of[known.name])
            elif head.alone:
                columns.append(len(column_of) + len(extra))
                extra.append(Label(head.label))
            else:
                continue
            heads.append(head)
        if not heads:
            return None
        return Placed(
            Learned(tuple(heads)).digest,
            np.array(columns, np.intp),
            tuple(extra),
            np.array([head.gain for head in heads], np.float32),
            np.stack([head.weights_F for head in heads]).astype(np.float32),
            np.array([head.bias for head in heads], np.float32),
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """Heads with the columns that they write to. ``extra`` labels stand after the vocabulary's."""

    digest: str
    columns_H: IntArray
    extra: Sequence[Label]
    gain_H: Float32Array
    weights_HF: Float32Array
    bias_H: Float32Array

    def applied(self, tokens_BME: Float32Array, text_BC: Float32Array) -> Float32Array:
        """Scores of the vocabulary [B, C], 0 to 1, with those of the heads in their place, and of
        the extra labels after them. Other columns are as they were, to the last bit."""
        extra_BX = np.zeros((len(text_BC), len(self.extra)), np.float32)
        scores_BC = np.concatenate([text_BC, extra_BX], axis=1)
        logits_BH = features(tokens_BME) @ self.weights_HF.T + self.bias_H
        logits_BH += self.gain_H * logit(scores_BC[:, self.columns_H])
        scores_BC[:, self.columns_H] = probability(logits_BH)
        return scores_BC


def features(tokens_BME: Float32Array) -> Float32Array:
    """What a head reads of photos [B, F]: the mean and the maximum over their query tokens."""
    return np.concatenate([tokens_BME.mean(1), tokens_BME.max(1)], axis=1, dtype=np.float32)


def logit(scores: Float32Array) -> Float32Array:
    """Of scores of any shape, 0 to 1."""
    held = np.clip(scores, LEAST, 1 - LEAST)
    return np.asarray(np.log(held / (1 - held)), np.float32)


def probability(logits: Float32Array) -> Float32Array:
    """The inverse of ``logit``."""
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float32)
