"""A stand-in for rclip's downloaded model, where there is no network to download it by.

Untrained networks of the same architecture take the same time. Writes what rclip 3.3.0 looks for
under RCLIP_DATADIR: open_clip's ViT-B-32-256 as two ONNX graphs, and the tokenizer's vocabulary.

    python benchmarks/stand_in_for_rclip.py DATADIR
"""

from __future__ import annotations

import argparse
import shutil
import warnings
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn


class Text(nn.Module):
    """rclip feeds token ids and reads text features."""

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, ids: Tensor) -> Tensor:
        return self.clip.encode_text(ids)  # type: ignore[no-any-return, operator]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datadir", type=Path)
    given = parser.parse_args()
    folder = given.datadir / "ViT-B-32-256-datacomp_s34b_b86k"
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    clip = open_clip.create_model("ViT-B-32-256", pretrained=None).eval()
    # The fused path of nn.MultiheadAttention has no ONNX form.
    torch.backends.mha.set_fastpath_enabled(False)
    parts = {
        "visual.onnx": (clip.visual, torch.zeros(1, 3, 256, 256)),
        "textual.onnx": (Text(clip), torch.zeros(1, 77, dtype=torch.int64)),
    }
    for name, (module, example) in parts.items():
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                str(folder / name),
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
                opset_version=17,
                dynamo=False,
            )
    words = Path(open_clip.__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
    (given.datadir / "tokenizer").mkdir(exist_ok=True)
    shutil.copyfile(words, given.datadir / "tokenizer" / words.name)
    print(f"ready: RCLIP_DATADIR={given.datadir}")


if __name__ == "__main__":
    main()
