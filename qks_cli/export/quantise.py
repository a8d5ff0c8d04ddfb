"""Turn most of an image graph's backbone into 8-bit integer arithmetic.

Weights are quantised per output channel and activations per map, with ranges that sample photos
give (ONNX Runtime's static quantisation, as quantise and dequantise nodes). A processor with 8-bit
dot products reads a photo in two thirds of the time.

The first block, the last one and everything behind the backbone stay in floating point: they cost
the tokens more accuracy than all other blocks together (docs/experiments/image-model.md).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from qks_cli.export.external_weights import use_external_weights
from qks_cli.model.bundle import WEIGHTS
from qks_cli.types import UInt8Array

INTEGER = ("Conv", "Clip", "Relu", "Add")
_BLOCK = re.compile(r"/blocks\.(\d+)/")
BATCH = 16


def quantise_backbone(path: Path, pixels_BSS3: UInt8Array) -> int:
    """Rewrite the graph at ``path`` and return how many of its convolutions became integer.

    ``pixels_BSS3`` are photos at the graph's size, uint8 [B, S, S, 3]; a few hundred give stable
    ranges. A graph without a backbone of numbered blocks stays as it is (0).
    """
    graph = onnx.load(str(path)).graph
    nodes = _inner_blocks(graph)
    integer = sum(node.op_type == "Conv" for node in nodes)
    if not integer:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        plain, quantised = Path(folder, "plain.onnx"), Path(folder, "quantised.onnx")
        # Shapes as numbers and constants folded: the ranges belong to the graph as it runs.
        quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
        quantize_static(
            str(plain),
            str(quantised),
            _Photos(graph.input[0].name, pixels_BSS3),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[node.name for node in _inner_blocks(onnx.load(str(plain)).graph)],
            op_types_to_quantize=list(INTEGER),
            calibrate_method=CalibrationMethod.MinMax,
        )
        onnx.save(onnx.load(str(quantised)), str(path))
    use_external_weights(path, path.with_name(WEIGHTS))
    return integer


def _inner_blocks(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes of all backbone blocks but the first and the last."""
    numbered = [(_BLOCK.search(node.name), node) for node in graph.node]
    found = [(int(match[1]), node) for match, node in numbered if match is not None]
    if not found:
        return []
    last = max(block for block, _ in found)
    return [node for block, node in found if 0 < block < last and node.op_type in INTEGER]


class _Photos(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, pixels_BSS3: UInt8Array) -> None:
        self.name = name
        self.left = [pixels_BSS3[at : at + BATCH] for at in range(0, len(pixels_BSS3), BATCH)]

    def get_next(self) -> dict[str, UInt8Array] | None:
        return {self.name: self.left.pop(0)} if self.left else None
