"""SPARC: compound prompts and their fusion, without training (arXiv 2502.16911, sections 3 and 4).

Prompts that name several labels ("a dog and a frisbee") are scored too. A photo's bias and a
prompt's bias are taken off by standardising; then, for every label, the scores of the prompts that
name it are put in order, and the ordered scores and the label's own are summed with the weights of
their first principal component over the photos. The paper's second maximum is one of the ordered
scores. The result is averaged with the label's own.

The paper lets a language model write the compound prompts; ``read_compounds`` takes such a list.
Without one, every label is paired with the labels whose text is most like its own.

Axes: N photos, C labels, K compound prompts, E label space, R prompts that name one label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qks_cli.errors import UsageError
from qks_cli.types import BoolArray, Float32Array
from qks_cli.vocabulary.plurals import plural, singular

NEIGHBOURS = 4  # labels that each is paired with, where no prompts are given


def read_compounds(path: Path) -> list[str]:
    """Prompts, one a line. Raises ``UsageError``."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))


def neighbour_pairs(names: Sequence[str], labels_CE: Float32Array) -> list[str]:
    """ "a and b" of each label and its ``NEIGHBOURS`` by the cosine of their unit vectors."""
    near_CC = labels_CE @ labels_CE.T
    np.fill_diagonal(near_CC, -np.inf)
    count = min(NEIGHBOURS, len(names) - 1)
    if count < 1:
        return []
    best_CN = np.argpartition(-near_CC, count - 1, axis=1)[:, :count]
    pairs = {tuple(sorted((c, int(other)))) for c, row in enumerate(best_CN) for other in row}
    return [f"{names[a]} and {names[b]}" for a, b in sorted(pairs)]


def members(texts: Sequence[str], names: Sequence[str]) -> BoolArray:
    """Which labels each prompt names [K, C]: as whole words, in the singular or plural; a longer
    label goes before one that is a part of it."""
    forms = {
        form: c
        for c, name in enumerate(names)
        for form in (singular(_words(name)), plural(singular(_words(name))), _words(name))
    }
    ordered = sorted(forms, key=len, reverse=True)
    out_KC = np.zeros((len(texts), len(names)), bool)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, ordered))})\b") if ordered else None
    for row, text in enumerate(texts):
        for found in pattern.findall(_words(text)) if pattern else ():
            out_KC[row, forms[found]] = True
    return out_KC


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^\w]+", " ", text.casefold()).split())


def fuse(
    own_NC: Float32Array,
    simple_NC: Float32Array,
    compound_NK: Float32Array,
    members_KC: BoolArray,
) -> Float32Array:
    """SPARC's scores [N, C]. ``own_NC`` are the labels' scores over the prompt pool, ``simple_NC``
    those of their bare names, ``compound_NK`` the compound prompts'."""
    fusion = Fusion.of(own_NC, simple_NC, compound_NK, members_KC)
    return fusion(own_NC, simple_NC, compound_NK)


@dataclass(frozen=True, slots=True)
class Fusion:
    """What the fusion takes from many photos: means and deviations of the scores over them, and of
    each label the weights [R] of its ordered prompts and its own score."""

    members_KC: BoolArray
    own: Spread
    compound: Spread
    weights: tuple[Float32Array, ...]

    @classmethod
    def of(
        cls,
        own_NC: Float32Array,
        simple_NC: Float32Array,
        compound_NK: Float32Array,
        members_KC: BoolArray,
    ) -> Fusion:
        """Measured on photos; scores as for ``fuse``."""
        own_NC = _over_labels(own_NC, own_NC)
        compound_NK = _over_labels(compound_NK, simple_NC)
        spread, other = Spread.of(own_NC), Spread.of(compound_NK)
        parts = _parts(spread(own_NC), other(compound_NK), members_KC)
        return cls(members_KC, spread, other, tuple(map(_first_component, parts)))

    def __call__(
        self, own_NC: Float32Array, simple_NC: Float32Array, compound_NK: Float32Array
    ) -> Float32Array:
        """SPARC's scores [N, C] of these or other photos."""
        own_NC, compound_NK = _over_labels(own_NC, own_NC), _over_labels(compound_NK, simple_NC)
        out_NC = self.own(own_NC)
        parts = _parts(out_NC, self.compound(compound_NK), self.members_KC)
        for c, (both_NR, weights_R) in enumerate(zip(parts, self.weights, strict=True)):
            out_NC[:, c] = 0.5 * (both_NR @ weights_R) + 0.5 * both_NR[:, -1]
        return out_NC


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and deviation of each column [C] over photos."""

    mean_C: Float32Array
    deviation_C: Float32Array

    @classmethod
    def of(cls, scores_NC: Float32Array) -> Spread:
        """Of some photos."""
        return cls(scores_NC.mean(0), np.maximum(scores_NC.std(0), 1e-9))

    def __call__(self, scores_NC: Float32Array) -> Float32Array:
        """Standardised [N, C]."""
        return np.asarray((scores_NC - self.mean_C) / self.deviation_C, np.float32)


def _parts(
    own_NC: Float32Array, compound_NK: Float32Array, members_KC: BoolArray
) -> Iterator[Float32Array]:
    """Of each label its prompts' scores in order, its own behind them [N, R]."""
    for c in range(own_NC.shape[1]):
        ordered_NR = np.sort(compound_NK[:, members_KC[:, c]], axis=1)
        yield np.concatenate([ordered_NR, own_NC[:, c : c + 1]], axis=1)


def _over_labels(scores_NC: Float32Array, reference_NC: Float32Array) -> Float32Array:
    """Less each photo's mean, over its deviation across the reference prompts."""
    mean_N1 = reference_NC.mean(1, keepdims=True)
    spread_N1 = reference_NC.std(1, keepdims=True)
    return np.asarray((scores_NC - mean_N1) / np.maximum(spread_N1, 1e-9), np.float32)


def _first_component(values_NR: Float32Array) -> Float32Array:
    """The direction of the most variance [R], its absolute values summing to 1, pointing up."""
    centred_NR = values_NR - values_NR.mean(0)
    _, vectors = np.linalg.eigh(centred_NR.T @ centred_NR)
    first_R = vectors[:, -1]
    first_R = -first_R if first_R.mean() < 0 else first_R
    return np.asarray(first_R / np.abs(first_R).sum(), np.float32)
