"""Make an exported graph small: half precision, and no weight twice in a bundle.

The graphs are made of the weights that the bundle's safetensors file holds. Where a weight of a
graph is one of those, as it is or turned, the graph names its place in that file (ONNX's external
data) instead of holding a copy.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALL = 256  # values; what is smaller stays as it is


def use_external_weights(graph_file: Path, weights: Path) -> None:
    """Rewrite ``graph_file``; ``weights`` is a half-precision safetensors file in the same folder,
    or is not there. Weights are cast to single precision as the graph is loaded."""
    places = _places(weights) if weights.is_file() else {}
    model = onnx.load(str(graph_file))
    graph = model.graph
    fronts: list[Any] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size <= SMALL:
            continue
        name, half = tensor.name, values.astype(np.float16)
        turned = False
        place = places.get(_name_of(half))
        if place is None and half.ndim == 2:
            place = places.get(_name_of(half.T))
            turned = place is not None
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        if place is not None:
            _elsewhere(tensor, weights.name, *place, shape=half.T.shape if turned else half.shape)
        source, target = f"{name}_half", f"{name}_turned" if turned else name
        if not turned and _rows_only(graph, name):
            _cast_rows(graph, name, source)
            continue
        fronts.append(helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT))
        if turned:
            fronts.append(helper.make_node("Transpose", [target], [name], perm=[1, 0]))
    for at, node in enumerate(fronts):
        graph.node.insert(at, node)
    onnx.save(model, str(graph_file))


def _places(weights: Path) -> dict[bytes, tuple[int, int]]:
    """Offset and length in the file of every half-precision tensor, by what it holds."""
    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F16":
            begin, end = entry["data_offsets"]
            key = hashlib.sha256(data[start + begin : start + end]).digest()
            found[key] = (start + begin, end - begin)
    return found


def _name_of(values: np.ndarray[Any, Any]) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).digest()


def _elsewhere(tensor: Any, file: str, offset: int, length: int, *, shape: tuple[int, ...]) -> None:
    tensor.ClearField("raw_data")
    tensor.dims[:] = shape
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", str(offset)), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)


def _rows_only(graph: Any, name: str) -> bool:
    """Whether a weight is a table that rows are taken from, and nothing else."""
    uses = [node for node in graph.node if name in node.input]
    return bool(uses) and all(
        node.op_type == "Gather" and node.input[0] == name and name not in node.input[1:]
        for node in uses
    )


def _cast_rows(graph: Any, name: str, source: str) -> None:
    """Cast the rows that are taken instead of the whole table: loading is quicker."""
    for at in reversed(range(len(graph.node))):
        node = graph.node[at]
        if name not in node.input:
            continue
        wanted = node.output[0]
        node.input[0], node.output[0] = source, f"{wanted}_half"
        cast = helper.make_node("Cast", [f"{wanted}_half"], [wanted], to=TensorProto.FLOAT)
        graph.node.insert(at + 1, cast)
