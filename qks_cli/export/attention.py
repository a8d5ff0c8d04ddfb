"""Let an exported image graph tell where its query tokens looked.

The attention of the decoder's last layer over the image tokens becomes a second output. ONNX
Runtime computes the outputs that are asked for: whoever wants tokens alone pays nothing.
"""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper

OUTPUT = "attention"
_SCOPE = "/cross_attention/"
_BASE = "/source/"  # the model below a trained head, whose own queries are not the head's


def expose_attention(model: ModelProto) -> bool:
    """Add the output ``attention``, float32 [B, heads, M, P], where the graph has a decoder with
    cross-attention. Returns whether it has."""
    graph = model.graph
    softmaxes = [
        node
        for node in graph.node
        if node.op_type == "Softmax" and _SCOPE in node.name and _BASE not in node.name
    ]
    if not softmaxes:
        return False
    shape = ["batch", "heads", "queries", "places"]
    # An output of its own name: the layer's own is read inside the graph.
    graph.node.append(helper.make_node("Identity", [softmaxes[-1].output[0]], [OUTPUT]))
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))
    return True
