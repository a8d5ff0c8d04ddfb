"""What runs a model's networks: one small protocol, and which engine for which device.

Two engines answer with nearly the same scores: ONNX Runtime on the CPU, where most of mini computes
in 8-bit integers, and torch on GPUs. A third, for tests, has known tokens for a few pictures and
words (model/fake.py).

Axes: B photos, H×W pixels, M query tokens, P image tokens, E label space, N texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from qks_cli.errors import UsageError
from qks_cli.model.bundle import Bundle
from qks_cli.types import Float32Array, UInt8Array


class Engine(Protocol):
    """A loaded model. ``name`` says which engine and device, for people."""

    name: str

    def query_tokens(self, pixels_BHW3: UInt8Array) -> Float32Array:
        """Upright sRGB pixels in the bundle's size to query tokens [B, M, E]."""
        ...

    def text_embeddings(self, texts: Sequence[str]) -> Float32Array:
        """Texts to vectors of the label space, not normalised: [N, E]."""
        ...

    def stay(self) -> None:
        """From now on make what is asked often faster, where that takes time at first: for whoever
        stays open and embeds a few texts many times."""
        ...

    def attention(self, pixels_BHW3: UInt8Array) -> Float32Array | None:
        """Where each query token looked [B, M, P]: the last layer's attention over P image tokens
        in a square grid, row by row from the top left, the mean over its heads. Each row sums to
        1. None where the model has no such attention, or its graph does not tell."""
        ...


DEVICES = ("auto", "cpu", "cuda", "mps")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def open_engine(bundle: Bundle, device: str = "auto", *, threads: int = 0) -> Engine:
    """An engine for ``device``; ``auto`` takes CUDA where a driver is present, else the CPU.

    On the CPU a bundle without exported graphs (one that was pulled) runs in torch.

    torch is imported only where a GPU is asked for or seems to be there; ``auto`` does without it
    where it is not installed. Raises ``UsageError`` for a device that is not there, ``ModelError``
    for a bundle that cannot run on it.
    """
    if device not in DEVICES:
        raise UsageError(f"no device '{device}'", hint=f"one of {', '.join(DEVICES)}")
    if bundle.config.get("engine") == "fake" and device in ("auto", "cpu"):
        from qks_cli.model.fake import FakeEngine

        return FakeEngine(bundle)
    exported = bundle.has("image.onnx")
    if exported and (device == "cpu" or (device == "auto" and not _gpu_usable())):
        from qks_cli.model.onnx_engine import OnnxEngine

        return OnnxEngine(bundle, threads=threads)
    from qks_cli.model.torch_engine import TorchEngine, available

    if device == "auto":
        device = "cuda" if available("cuda") else "cpu"
        if device == "cpu" and exported:
            return open_engine(bundle, device, threads=threads)
    target = device
    if not available(target):
        raise UsageError(f"torch finds no {target} device here", hint="use --device cpu")
    return TorchEngine(bundle, target)


def _gpu_usable() -> bool:
    """Whether it is worth importing torch: there is an NVIDIA driver, and torch is installed."""
    return NVIDIA_DRIVER.exists() and find_spec("torch") is not None
