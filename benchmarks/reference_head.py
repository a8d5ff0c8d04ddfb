"""Throughput of the reference head on ViT-B/16 with random weights, and what NUS-WIDE would take.

``forward``: backbone and head, as when tagging; ``head``: a training step of the head over kept
tokens; ``both``: the same with the backbone run forward. Images a second, medians, one JSON line;
hours for one epoch of NUS-WIDE's 161,789 training photos; the share of the peak that a large matrix
product reaches on the same device in the same precision.

    python benchmarks/reference_head.py --device cuda --batch 64
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch

from qks_cli.network.config import DecoderConfig
from qks_cli.network.decoder import ReferenceDecoder
from qks_cli.network.head import ClipSource
from qks_cli.network.model import scores
from qks_cli.network.zero_shot import build_clip
from qks_cli.training.losses import asymmetric

PHOTOS, LABELS = 161_789, 925
BACKBONE, HEAD = 17.6e9, 2.35e9  # multiply-adds an image, 7 layers of 12 queries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    import open_clip

    device = torch.device(given.device)
    kind = torch.bfloat16 if device.type == "cuda" else torch.float32
    torch.manual_seed(1)
    source = ClipSource(build_clip(open_clip.get_model_config("ViT-B-16"))).eval().to(device)
    source.requires_grad_(False)
    head = ReferenceDecoder(DecoderConfig(), 768, 512, source.projection_WE).to(device)
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-5)
    labels_CE = torch.randn(LABELS, 512, device=device)
    pixels = torch.randn(given.batch, 3, 224, 224, device=device)
    present = (torch.rand(given.batch, LABELS, device=device) < 0.01).float()
    cast = torch.autocast(device.type, kind, enabled=kind is not torch.float32)

    @torch.no_grad()
    def read() -> torch.Tensor:
        with cast:
            memory: torch.Tensor = source(pixels)
        return memory

    def forward() -> None:
        with torch.no_grad(), cast:
            scores(head(source(pixels)), labels_CE)

    kept = read().float()

    def step(memory: torch.Tensor) -> None:
        with cast:
            said = scores(head(memory), labels_CE)[0]
        loss = asymmetric(said.float(), present, torch.ones_like(present))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimiser.step()

    speeds = {
        "forward": speed(forward, given),
        "head": speed(lambda: step(kept), given),
        "both": speed(lambda: step(read()), given),
    }
    peak = matmul_peak(device, kind)
    work = {"forward": BACKBONE + HEAD, "head": 3 * HEAD, "both": BACKBONE + 3 * HEAD}
    row = {f"{name}_images_per_second": round(value, 2) for name, value in speeds.items()}
    row |= {
        f"{name}_share_of_peak": round(speeds[name] * work[name] * 2 / peak, 3) for name in work
    }
    row |= {f"{name}_hours_per_epoch": round(PHOTOS / speeds[name] / 3600, 2) for name in work}
    print(json.dumps(row | {"peak_tflops": round(peak / 1e12, 3), "batch": given.batch}))


def speed(work: Callable[[], None], given: argparse.Namespace) -> float:
    """Images a second, the median of several."""
    seconds = []
    for _ in range(given.repeats + 1):
        began = time.perf_counter()
        work()
        if given.device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return float(given.batch / np.median(seconds[1:]))


def matmul_peak(device: torch.device, kind: torch.dtype) -> float:
    """Operations a second of a large matrix product."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        _ = a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    main()
