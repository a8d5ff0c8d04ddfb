"""Bring the vectors of words that the model was not taught towards those of words that it was.

Photos answer to the label vectors that were trained. A word that was not among them ("lorry")
points a little aside, mostly to where no photo was ever drawn. So it is brought half way to the
mean of the taught words next to it, and from there half way to the taught word that a dictionary
puts beside it, if one does; a taught word stays as it is. What fits those words need not be
what was meant ("pine tree" leans to "tree"), so its score counts as much as it is like the nearest
(docs/experiments/words.md).

Axes: C labels, T taught words, K the nearest of them, E label space (unit part and a constant).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qks_cli.similarity import unit
from qks_cli.types import Float32Array, IntArray

TAUGHT_FILE = "taught.npz"  # in a bundle
NEAREST = 10
SHARPNESS = 5.0  # of the weights exp(SHARPNESS * cosine)
SHARE = 0.5  # of the neighbours in an untaught word's vector
SAME = 0.05  # cosine distance up to which a word is on its way to being the taught one
TAUGHT = 0.95  # cosine from which on a word counts as taught
UNLIKE = 0.5  # cosine at which what is known of taught words says nothing any more
FADING = 6  # power with which words are believed less that are more unlike than that
RELATED = 0.5  # share of the word that a dictionary puts beside an untaught one
ALIKE = 0.4  # cosine below which that word is of another meaning
CHUNK = 1024  # labels at a time


_directions: list[
    tuple[Float32Array, Float32Array]
] = []  # of the arrays that were last asked about


def directions(taught_TE: Float32Array) -> Float32Array:
    """Unit vectors [T, E - 1] of taught words, made once for an array: a search asks eight times,
    and making them takes as long as all the rest of what it does with words. No caller changes
    what it gives or gets."""
    for array, found in _directions:
        if array is taught_TE:
            return found
    made = unit(taught_TE[:, :-1])
    _directions[:] = [*_directions[-3:], (taught_TE, made)]
    return made


def interpolate_to_known(labels_CE: Float32Array, taught_TE: Float32Array) -> Float32Array:
    """Label vectors [C, E] of ``labels_CE``'s length, untaught ones brought towards their
    neighbours; ``taught_TE`` may have any length. The last coordinate is left as it is."""
    taught = directions(taught_TE)
    out = labels_CE.copy()
    for at in range(0, len(labels_CE), CHUNK):
        part = labels_CE[at : at + CHUNK, :-1]
        own = unit(part)
        cosine_CT = own @ taught.T
        count = min(NEAREST, len(taught))
        nearest_CK = np.argpartition(-cosine_CT, count - 1, axis=1)[:, :count]
        near_CK = np.take_along_axis(cosine_CT, nearest_CK, axis=1)
        weight_CK = np.exp(SHARPNESS * (near_CK - near_CK.max(axis=1, keepdims=True)))
        mean = unit(np.einsum("ck,cke->ce", weight_CK, taught[nearest_CK]))
        far_C1 = 1 - near_CK.max(axis=1, keepdims=True)
        share_C1 = SHARE * np.clip(far_C1 / SAME, 0, 1)
        mixed = unit((1 - share_C1) * own + share_C1 * mean)
        out[at : at + CHUNK, :-1] = mixed * np.linalg.norm(part, axis=1, keepdims=True)
    return out


def bring_to_relatives(
    labels_CE: Float32Array,
    own_CE: Float32Array,
    taught_TE: Float32Array,
    relatives: Sequence[Sequence[int]],
) -> Float32Array:
    """``labels_CE``, each half way to the one of its ``relatives`` (rows of ``taught_TE``) that is
    most like ``own_CE``, what the label was embedded as; those without one stay as they are."""
    out = labels_CE.copy()
    for c, rows in enumerate(relatives):
        if not rows:
            continue
        related_KE = unit(taught_TE[list(rows), :-1])
        cosine_K = related_KE @ unit(own_CE[c, :-1])
        best = int(cosine_K.argmax())
        if cosine_K[best] < ALIKE:
            continue
        label_E = labels_CE[c, :-1]
        mixed_E = unit((1 - RELATED) * unit(label_E) + RELATED * related_KE[best])
        out[c, :-1] = mixed_E * np.linalg.norm(label_E)
    return out


def nearest(labels_CE: Float32Array, taught_TE: Float32Array) -> tuple[IntArray, Float32Array]:
    """For each label as it was embedded its nearest taught word [C], and their cosine [C]."""
    cosine_CT = unit(labels_CE[:, :-1]) @ directions(taught_TE).T
    nearest_C = cosine_CT.argmax(axis=1)
    return nearest_C, cosine_CT[np.arange(len(cosine_CT)), nearest_C]


def interpolated_from(
    labels_CE: Float32Array, taught_TE: Float32Array, count: int
) -> tuple[IntArray, Float32Array]:
    """For each label as it was embedded the taught words that weigh most in what it is brought
    towards, at most ``NEAREST``: rows [C, K], nearest first, and their cosines [C, K]."""
    cosine_CT = unit(labels_CE[:, :-1]) @ directions(taught_TE).T
    nearest_CK = np.argsort(-cosine_CT, axis=1, kind="stable")[:, : min(count, NEAREST)]
    return nearest_CK, np.take_along_axis(cosine_CT, nearest_CK, axis=1)


def carried_over(
    labels_CE: Float32Array, taught_TE: Float32Array, values_T: Float32Array
) -> Float32Array:
    """What is known of taught words, ``values_T``, for any labels [C]: a taught word's own value,
    else the mean of its neighbours', the less the farther the nearest is."""
    taught = directions(taught_TE)
    count = min(NEAREST, len(taught))
    out_C = np.empty(len(labels_CE), np.float32)
    for at in range(0, len(labels_CE), CHUNK):
        cosine_CT = unit(labels_CE[at : at + CHUNK, :-1]) @ taught.T
        near_CK = np.argpartition(-cosine_CT, count - 1, axis=1)[:, :count]
        cosine_CK = np.take_along_axis(cosine_CT, near_CK, axis=1)
        best_C = cosine_CK.max(axis=1)
        weight_CK = np.exp(SHARPNESS * (cosine_CK - best_C[:, None]))
        weight_CK /= weight_CK.sum(axis=1, keepdims=True)
        mean_C = (weight_CK * values_T[near_CK]).sum(axis=1)
        fades_C = np.clip((best_C - UNLIKE) / (TAUGHT - UNLIKE), 0, 1)
        own_C = values_T[cosine_CT.argmax(axis=1)]
        out_C[at : at + CHUNK] = np.where(best_C >= TAUGHT, own_C, fades_C * mean_C)
    return out_C


def order(phrase_1E: Float32Array, taught_TE: Float32Array) -> IntArray:
    """Rows [T] of taught words, those nearest to a phrase first."""
    cosine_T = (unit(taught_TE[:, :-1]) @ unit(phrase_1E[:, :-1])[0]).ravel()
    return np.argsort(-cosine_T)


def trust(labels_CE: Float32Array, taught_TE: Float32Array) -> Float32Array:
    """What a label's score is worth [C], 0 to 1: 1 for taught words, less the farther it is."""
    _, cosine_C = nearest(labels_CE, taught_TE)
    return np.asarray(np.clip(cosine_C / TAUGHT, 0, 1), np.float32)


def familiarity(labels_CE: Float32Array, taught_TE: Float32Array) -> Float32Array:
    """How far a search believes that labels, as they were embedded, are something that photos show
    [C], 0 to 1: less where no taught word is like them ("philosophy", "tax law")."""
    _, cosine_C = nearest(labels_CE, taught_TE)
    return np.asarray(np.clip(cosine_C / UNLIKE, 0, 1) ** FADING, np.float32)


def write_taught(path: Path, names: list[str], taught_TE: Float32Array) -> None:
    """The words that a model was taught, in half precision."""
    np.savez(path, names=np.array(names), vectors=taught_TE.astype(np.float16))


def read_taught(path: Path) -> Float32Array:
    """Vectors [T, E] of what ``write_taught`` wrote."""
    with np.load(path) as stored:
        return np.asarray(stored["vectors"], np.float32)


def read_names(path: Path) -> list[str]:
    """The words [T] of what ``write_taught`` wrote."""
    with np.load(path) as stored:
        names: list[str] = stored["names"].tolist()
    return names
