"""Let convolutions pad by themselves.

TensorFlow pads a stride of two on one side only, which torch says as a padding of its own before
the convolution. On a CPU that costs a copy of the map, twice turned between layouts; ONNX's
convolutions take uneven padding as an attribute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from onnx import GraphProto, ModelProto, helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn


@contextmanager
def fixed_padding(module: nn.Module, example: Tensor) -> Iterator[None]:
    """While it lasts, timm's TensorFlow-like convolutions in ``module`` pad for maps of the sizes
    that ``example`` leads to, instead of asking each map for its size."""
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.padding import get_same_padding

    convolutions = [one for one in module.modules() if isinstance(one, Conv2dSame)]
    sizes: dict[int, tuple[int, int]] = {}

    def note(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        sizes[id(conv)] = (int(inputs[0].shape[-2]), int(inputs[0].shape[-1]))

    hooks = [conv.register_forward_pre_hook(note) for conv in convolutions]
    with torch.inference_mode():
        module(example)
    for hook in hooks:
        hook.remove()
    for conv in convolutions:
        pads: list[int] = []
        places = (sizes[id(conv)], conv.kernel_size, conv.stride, conv.dilation)
        for size, kernel, stride, dilation in reversed(list(zip(*places, strict=True))):
            missing = int(get_same_padding(size, kernel, stride, dilation))
            pads += [missing // 2, missing - missing // 2]
        conv.forward = _Padded(conv, pads)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for conv in convolutions:
            del conv.forward


class _Padded:
    def __init__(self, conv: Any, pads: list[int]) -> None:
        self.conv = conv
        self.pads = pads

    def __call__(self, x: Tensor) -> Tensor:
        conv = self.conv
        return nn.functional.conv2d(
            nn.functional.pad(x, self.pads),
            conv.weight,
            conv.bias,
            conv.stride,
            (0, 0),
            conv.dilation,
            conv.groups,
        )


def fold_padding(model: ModelProto) -> int:
    """Move constant paddings with zeros into the convolutions behind them; returns how many."""
    graph = model.graph
    folded = 0
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        if len(readers) != 1 or readers[0].op_type != "Conv" or not _of_zeros(graph, pad):
            continue
        pads = _constant(graph, pad.input[1])
        if pads is None or pads[[0, 1, 4, 5]].any() or (pads < 0).any():
            continue
        _widen(readers[0], pads[[2, 3, 6, 7]])
        readers[0].input[0] = pad.input[0]
        graph.node.remove(pad)
        folded += 1
    _drop_unread(graph)
    return folded


def _of_zeros(graph: GraphProto, pad: Any) -> bool:
    modes = [attribute.s for attribute in pad.attribute if attribute.name == "mode"]
    value = _constant(graph, pad.input[2]) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
    return modes in ([], [b"constant"]) and value is not None and not value.any()


def _constant(graph: GraphProto, name: str) -> Any:
    """The value of a tensor that depends on no input; None for others."""
    made_by = {output: node for node in graph.node for output in node.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    used: list[Any] = []
    waiting, seen = [name], set()
    while waiting:
        wanted = waiting.pop()
        if wanted in seen or not wanted:
            continue
        seen.add(wanted)
        if wanted in stored:
            used.append(stored[wanted])
        elif wanted in made_by:
            nodes.append(made_by[wanted])
            waiting += made_by[wanted].input
        else:
            return None
    nodes = [node for node in graph.node if any(node is one for one in nodes)]
    output = helper.make_empty_tensor_value_info(name)
    part = helper.make_graph(nodes, "constant", [], [output], used)
    opset = [helper.make_opsetid("", 18)]
    (value,) = ReferenceEvaluator(helper.make_model(part, opset_imports=opset)).run(None, {})
    return np.asarray(value)


def _widen(conv: Any, extra: Any) -> None:
    for attribute in conv.attribute:
        if attribute.name == "pads":
            widened = [int(a + b) for a, b in zip(attribute.ints, extra, strict=True)]
            del attribute.ints[:]
            attribute.ints.extend(widened)
            return
    conv.attribute.append(helper.make_attribute("pads", [int(x) for x in extra]))


def _drop_unread(graph: GraphProto) -> None:
    """Take out nodes that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input}
        read |= {output.name for output in graph.output}
        unread = [node for node in graph.node if not any(name in read for name in node.output)]
        if not unread:
            return
        for node in unread:
            graph.node.remove(node)
