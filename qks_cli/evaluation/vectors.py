"""Labels as vectors: what a model compares with, and what its training-free baselines do.

Labels stand in the prompts as they are written: two labels of a data set never become one.

Axes: C labels, N texts, E label space.
"""

from __future__ import annotations

from collections.abc import Sequence

from qks_cli.model.model import Model
from qks_cli.similarity import unit
from qks_cli.types import Float32Array
from qks_cli.vocabulary.embeddings import embed_labels
from qks_cli.vocabulary.labels_file import Label


def own_vectors(model: Model, names: Sequence[str]) -> Float32Array:
    """What the model itself compares its query tokens with [C, E]."""
    return model.label_vectors([Label(name) for name in names], as_written=True)


def baseline_vectors(model: Model, names: Sequence[str]) -> Float32Array:
    """Unit vectors [C, E'] as zero-shot CLIP makes them (arXiv 2103.00020, section 3.1.4): the
    mean over the prompt pool of unit text embeddings, brought to unit length.

    They are the same for a backbone and for a head trained on it, whose text tower gives vectors
    that are not of unit length. Of a small model's vectors the last coordinate, a constant, is left
    out.
    """
    return unit_vectors(model, [Label(name) for name in names], as_written=True)


def unit_vectors(
    model: Model, labels: Sequence[Label], *, as_written: bool = False
) -> Float32Array:
    """The same of labels that say how they are asked; ``as_written`` as for ``embed_labels``."""
    bundle = model.bundle
    clip = bundle.config["model"].get("clip") is not None

    def embed(texts: Sequence[str]) -> Float32Array:
        vectors_NE = model.engine.text_embeddings(texts)
        return unit(vectors_NE) if clip else vectors_NE

    raw_CE = embed_labels(
        labels,
        templates=bundle.templates,
        embed=embed,
        model_hash=bundle.hash[:12] + "base",
        cache=model.cache,
        length=bundle.label_length,
        as_written=as_written,
    )
    return unit(raw_CE if bundle.label_length is None else raw_CE[:, :-1])
