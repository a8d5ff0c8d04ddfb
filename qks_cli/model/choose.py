"""Which engine for which device."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from qks_cli.errors import UsageError
from qks_cli.model.bundle import Bundle
from qks_cli.model.protocol import Engine

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
