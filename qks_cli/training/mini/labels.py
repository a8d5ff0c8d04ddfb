"""The words that the small model is taught, and their vectors.

Axes: V variants of a label, T label names, E label space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qks_cli.model.bundle import Bundle
from qks_cli.model.onnx_engine import OnnxEngine
from qks_cli.training.label_space import SCALE, LabelSpace, SentenceTeacher
from qks_cli.training.mini.attributes import NAMES
from qks_cli.training.mini.batches import TrueLabels
from qks_cli.training.mini.teachers import Teachers
from qks_cli.training.mini.variants import Variants
from qks_cli.types import Float32Array
from qks_cli.vocabulary.embeddings import to_length
from qks_cli.vocabulary.plurals import singular
from qks_cli.vocabulary.prompts import SHORT_POOL

LABEL_SPACE_FILE = "label_space.npz"  # in a run's folder
Embed = Callable[[Sequence[str], Sequence[str]], Float32Array]


def label_names(teachers: Teachers, truth: TrueLabels) -> list[str]:
    """Every name that a teacher, the pool or the pixels' statistics use, once."""
    return list(
        dict.fromkeys(
            teachers.everyday_names
            + teachers.imagenet_names
            + teachers.group_names
            + teachers.coco_names
            + teachers.ade_names
            + truth.names
            + list(NAMES)
        )
    )


def label_vectors(
    names: list[str], out: Path, width: int, variants: Variants, tower: Bundle | None
) -> Float32Array:
    """The vectors [V, T, E] of ``names`` and of their variants, made once per run folder.

    Where the text tower of a bundle is kept (``tower``), they are what it says; else what the
    sentence encoder says that a text tower is trained to repeat, and the label space is written
    beside them.
    """
    named = out / LABEL_SPACE_FILE
    if named.is_file():
        stored = np.load(named)
        if stored["names"].tolist() == names and stored["labels"].shape[2:] == (width,):
            labels_VTE: Float32Array = stored["labels"]
            return labels_VTE
    space: dict[str, Any] = {}
    if tower is None:
        embed, space = _by_sentence_teacher(names, width)
    else:
        embed = _by_tower(tower)
    asked = [(names, SHORT_POOL), *variants.of(names)]
    labels_VTE = np.stack([embed(texts, templates) for texts, templates in asked])
    np.savez(named, names=names, labels=labels_VTE, **space)
    return labels_VTE


def _by_tower(tower: Bundle) -> Embed:
    engine = OnnxEngine(tower)

    def embed(names: Sequence[str], templates: Sequence[str]) -> Float32Array:
        asked = [template.format(singular(name)) for name in names for template in templates]
        vectors_CKE = engine.text_embeddings(asked).reshape(len(names), len(templates), -1)
        return to_length(vectors_CKE.mean(1, dtype=np.float32), SCALE)

    return embed


def _by_sentence_teacher(names: list[str], width: int) -> tuple[Embed, dict[str, Float32Array]]:
    teacher = SentenceTeacher()
    space = LabelSpace.fit(teacher.embed_names(names, SHORT_POOL), width)

    def embed(asked: Sequence[str], templates: Sequence[str]) -> Float32Array:
        return space.labels(teacher.embed_names(asked, templates))

    return embed, {"mean": space.mean_S, "whiten": space.whiten_SE}
