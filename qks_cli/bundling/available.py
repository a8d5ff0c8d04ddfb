"""Backbones that are worth fetching, each checked: a list, not a limit.

``imagenet`` is zero-shot top-1 on ImageNet as open_clip's authors measured it
(docs/openclip_results.csv of open_clip); ``seconds`` are CPU seconds a photo, measured with
``benchmarks/backbone_speed.py`` on one core of an AMD EPYC in single precision; licences are those
that the weights' publishers state.
"""

from __future__ import annotations

from dataclasses import dataclass

BYTES = 2  # a weight takes in a bundle


@dataclass(frozen=True, slots=True)
class Available:
    """``parameters`` in millions, image and text tower together; ``pixels`` a side."""

    name: str
    parameters: float
    pixels: int
    licence: str
    imagenet: float
    seconds: float
    note: str

    @property
    def size_mb(self) -> int:
        """On the disk, once fetched."""
        return round(self.parameters * BYTES)


AVAILABLE = (
    Available(
        "ViT-B-32/laion2b_s34b_b79k", 151.3, 224, "MIT", 0.666, 0.13, "the quickest; coarse patches"
    ),
    Available(
        "ViT-B-32-256/datacomp_s34b_b86k",
        151.3,
        256,
        "MIT",
        0.728,
        0.17,
        "nearly as quick and much better: start here",
    ),
    Available("ViT-B-16/openai", 149.6, 224, "MIT", 0.683, 0.43, "what most papers compare with"),
    Available("ViT-B-16/datacomp_xl_s13b_b90k", 149.6, 224, "MIT", 0.735, 0.43, "finer patches"),
    Available(
        "EVA02-B-16/merged2b_s8b_b131k", 149.7, 224, "MIT", 0.747, 0.50, "the best of this size"
    ),
    Available("ViT-L-14/openai", 427.6, 224, "MIT", 0.755, 2.1, "large; wants a GPU"),
    Available(
        "ViT-L-14/datacomp_xl_s13b_b90k", 427.6, 224, "MIT", 0.792, 2.1, "the best; wants a GPU"
    ),
)
