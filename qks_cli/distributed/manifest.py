"""What a Parquet data set was made with: ``manifest.json`` beside its rows."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from qks_cli import __version__
from qks_cli.distributed.table import Shape
from qks_cli.types import Float32Array

FORMAT = 1  # of the columns and of this file


@dataclass(frozen=True)
class Manifest:
    """The model, the words and the cut-offs of every row; two data sets with the same of them can
    be put together. ``selection`` names the way that tags were chosen as a library does, ``basis``
    holds the directions of the compact vectors."""

    model: str
    model_version: str
    model_hash: str
    queries: int
    width: int
    vocabulary_digest: str
    vocabulary: str  # the text of the labels file
    selection: str
    min_score: float | None
    top: int | None
    basis: str
    partition_size: int  # photos of a partition
    photos: int | None = None  # None while they are being listed
    format: int = FORMAT
    qks: str = __version__

    @cached_property
    def shape(self) -> Shape:
        """How the rows are laid out."""
        flat = np.frombuffer(base64.b64decode(self.basis), "<f4")
        return Shape(self.queries, self.width, flat.reshape(self.width, -1))

    def to_json(self) -> str:
        """Text that ``from_json`` reads."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Raises ``ValueError`` for what is no manifest, or one of a newer format."""
        stored = json.loads(text)
        if not isinstance(stored, dict) or not isinstance(stored.get("format"), int):
            raise ValueError("it is no manifest of qks")
        if stored["format"] > FORMAT:
            raise ValueError(f"it was made by a newer qks ({stored.get('qks')})")
        try:
            found = cls(**stored)
            found.shape  # noqa: B018 - damaged where it cannot be made
        except (TypeError, ValueError) as error:
            raise ValueError("it is damaged") from error
        return found


def stored_basis(basis_ED: Float32Array) -> str:
    """Directions [E, D] as a manifest holds them."""
    return base64.b64encode(basis_ED.astype("<f4").tobytes()).decode()
