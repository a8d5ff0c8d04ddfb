"""What a model is made of, read from the JSON of its bundle.

One dataclass per part; an architecture is data, never code.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from qks_cli.errors import ModelError

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """An open_clip image tower.

    ``vision`` is open_clip's own ``vision_cfg``; ``embed_dim`` its joint width. ``levels`` (timm
    towers only) names the feature maps whose cells become image tokens, finest first; empty means
    the last one alone.
    """

    vision: dict[str, Any]
    embed_dim: int
    levels: tuple[int, ...] = ()
    quick_gelu: bool = False


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The query decoder. ``kind`` is ``reference`` (the paper), ``compact`` (small models),
    ``linear`` (one token, a linear map of the mean image token: the probe that a head is held
    against) or ``zero-shot`` (none: an open_clip model without a trained head, of which only
    ``queries`` counts)."""

    kind: str = "reference"
    queries: int = 12  # M
    width: int = 768  # D
    layers: int = 7
    heads: int = 12
    ffn_ratio: float = 4.0
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class TextConfig:
    """The text tower of a small model: open_clip's text transformer.

    ``lexical`` is the width of a second embedding of every token that only the readout sees,
    ``readout`` the hidden width of the readout (network/text.py); 0 leaves them out.
    """

    vocab_size: int
    context_length: int = 24
    width: int = 256
    heads: int = 4
    layers: int = 4
    output_dim: int = 384
    mlp_ratio: float = 4.0
    lexical: int = 0
    readout: int = 0


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A whole model: pixels [B, H, W, 3] to query tokens [B, M, E].

    ``neck`` (small models) counts the convolution blocks that image tokens go through on their way
    to the query decoder.
    """

    name: str
    image_size: int  # pixels, square
    label_width: int  # E
    backbone: BackboneConfig
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    text: TextConfig | None = None
    clip: dict[str, Any] | None = None  # open_clip's own configuration, for ``zero-shot``
    head: DecoderConfig | None = None  # trained on the frozen rest (network/head.py)
    neck: int = 0
    mean: tuple[float, float, float] = CLIP_MEAN
    std: tuple[float, float, float] = CLIP_STD

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelConfig:
        """Raises ``ModelError`` naming the first key that is missing or unknown."""
        try:
            backbone = dict(data["backbone"])
            backbone["levels"] = tuple(backbone.get("levels", ()))
            text, head = data.get("text"), data.get("head")
            known = {f.name for f in fields(cls)} - {
                "backbone",
                "decoder",
                "text",
                "clip",
                "head",
                "neck",
                "mean",
                "std",
            }
            plain = {key: data[key] for key in known}
            return cls(
                **plain,
                backbone=BackboneConfig(**backbone),
                decoder=DecoderConfig(**data.get("decoder", {})),
                text=None if text is None else TextConfig(**text),
                clip=data.get("clip"),
                head=None if head is None else DecoderConfig(**head),
                neck=int(data.get("neck", 0)),
                mean=_triple(data.get("mean", CLIP_MEAN)),
                std=_triple(data.get("std", CLIP_STD)),
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"this model's configuration is not understood: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)


def _triple(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
