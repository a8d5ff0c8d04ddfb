"""What a run of `qks train` depends on beside data and base model, and whether it can be."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from qks_cli.errors import TrainingError
from qks_cli.network.config import DecoderConfig
from qks_cli.training import losses

PRECISIONS = ("fp32", "bf16", "fp16")
UNKNOWN = ("masked", "absent")
_Range = tuple[Callable[[Any], bool], str]
_POSITIVE: _Range = (lambda x: x > 0, "above 0")
_COUNT: _Range = (lambda x: x >= 1, "1 or more")
_NOT_NEGATIVE: _Range = (lambda x: x >= 0, "0 or more")
_SHARE: _Range = (lambda x: 0 <= x < 1, "at least 0 and below 1")
_RANGES: dict[str, _Range] = {
    "gamma_present": _NOT_NEGATIVE,
    "gamma_absent": _NOT_NEGATIVE,
    "margin": _SHARE,
    "epochs": _COUNT,
    "batch": _COUNT,
    "rate": (lambda x: 0 < x <= 10, "above 0 and at most 10"),
    "weight_decay": _NOT_NEGATIVE,
    "patience": _NOT_NEGATIVE,
    "factor": (lambda x: 0 < x < 1, "between 0 and 1"),
    "stop_after": _COUNT,
    "validation_photos": (lambda x: 0 < x < 1, "between 0 and 1"),
    "validation_labels": _SHARE,
    "gradient_clip": _NOT_NEGATIVE,
    "seed": _NOT_NEGATIVE,
    "head.queries": _COUNT,
    "head.width": _COUNT,
    "head.layers": _COUNT,
    "head.heads": _COUNT,
    "head.ffn_ratio": _POSITIVE,
    "head.dropout": _SHARE,
}


@dataclass(frozen=True, slots=True)
class HeadConfig:
    """Everything a run depends on beside data and base model; the defaults are the paper's
    (arXiv 2401.01181, section 4).

    ``stop_after`` epochs without a better validation end the run. ``validation_photos`` and
    ``validation_labels`` are the shares of the training photos and seen labels kept out.
    ``unknown`` is ``masked``, or ``absent`` as in the released code. ``unfreeze`` trains the
    backbone too, at a tenth of the rate. ``precision`` is ``fp32`` as in the release, ``bf16`` or
    ``fp16``. Raises ``TrainingError`` for a value that cannot be.
    """

    head: DecoderConfig = field(default_factory=DecoderConfig)
    loss: str = "asl"
    gamma_present: float = 0.0
    gamma_absent: float = 4.0
    margin: float = 0.0
    unknown: str = "masked"
    epochs: int = 60
    batch: int = 64
    rate: float = 1e-5
    weight_decay: float = 1e-4
    patience: int = 1
    factor: float = 0.1
    stop_after: int = 4
    validation_photos: float = 0.1
    validation_labels: float = 0.1
    gradient_clip: float = 0.0
    unfreeze: bool = False
    precision: str = "fp32"
    seed: int = 1

    def __post_init__(self) -> None:
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values |= {f"head.{one.name}": getattr(self.head, one.name) for one in fields(self.head)}
        for name, (fits, range_) in _RANGES.items():
            value = values[name]
            if not math.isfinite(value) or not fits(value):
                raise TrainingError(f"{name} cannot be {value!r}: it is {range_}")
        for name, known in (("unknown", UNKNOWN), ("precision", PRECISIONS)):
            if values[name] not in known:
                raise TrainingError(f"{name} cannot be {values[name]!r}: {' or '.join(known)}")
        losses.choose(self.loss)
        if self.head.width % self.head.heads:
            raise TrainingError(
                f"head.width {self.head.width} cannot be shared by {self.head.heads} heads"
            )

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HeadConfig:
        """Raises ``TrainingError`` naming a key that is not known, or not of its kind."""
        head = data.get("head", {})
        if not isinstance(head, dict):
            raise TrainingError("in the configuration head is not an object of values")
        _check_kinds(DecoderConfig, head)
        _check_kinds(cls, data)
        return cls(**(data | {"head": DecoderConfig(**head)}))


def _check_kinds(kind: type[HeadConfig] | type[DecoderConfig], data: dict[str, Any]) -> None:
    """Every value has to be what its default is; whole numbers serve as fractions."""
    defaults = {one.name: one.default for one in fields(kind)}
    wrong = set(data) - set(defaults)
    if wrong:
        raise TrainingError(f"unknown in the configuration: {', '.join(sorted(wrong))}")
    for name, value in data.items():
        wanted = type(defaults[name])
        fits = (int, float) if wanted is float else wanted
        boolean = isinstance(value, bool) and wanted is not bool
        if name != "head" and (boolean or not isinstance(value, fits)):
            raise TrainingError(f"in the configuration {name} cannot be {value!r}")
