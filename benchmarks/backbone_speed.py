"""CPU seconds a photo of open_clip's image towers, on one core, with random weights.

    python benchmarks/backbone_speed.py ViT-B-32 ViT-B-16

Process time, not time on the wall: other work on the machine does not count.
"""

from __future__ import annotations

import logging
import sys
import time

import open_clip
import torch

from qks_cli.network.zero_shot import build_clip

PHOTOS, REPEATS = 2, 3


def main() -> None:
    """One line a model: parameters of both towers, pixels, seconds."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    for name in sys.argv[1:]:
        config = open_clip.get_model_config(name)
        model = build_clip(config).eval()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        side = config["vision_cfg"]["image_size"]
        pixels = torch.randn(PHOTOS, 3, side, side)
        with torch.inference_mode():
            model.visual(pixels)
            began = time.process_time()
            for _ in range(REPEATS):
                model.visual(pixels)
        seconds = (time.process_time() - began) / (PHOTOS * REPEATS)
        print(f"{name}: {parameters / 1e6:.1f} M, {side} px, {seconds:.3f} s", flush=True)


if __name__ == "__main__":
    main()
