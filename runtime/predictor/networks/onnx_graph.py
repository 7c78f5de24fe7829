"""The parts of an ONNX file that models have (docs/format.md section 9); a file with any other part is refused."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from typing import Any

from ...core.errors import ModelError
from ...core.limits import MAX_MODEL_BYTES
from .strict_protobuf import Field, parse

IR_VERSION, OPSET = 8, 17
FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
"""Types of tensors, by ONNX's numbers."""
_WIDTHS = {FLOAT: 4, UINT8: 1, INT8: 1, INT32: 4, INT64: 8}
_TYPES = {FLOAT: "tensor(float)", UINT8: "tensor(uint8)", INT32: "tensor(int32)"}
_NUMBER, _NUMBERS = 2, 7
"""Types of attributes."""
MAX_CONSTANT_BYTES = 1 << 22
"""Of all constants of a model together."""
_PROPERTIES = {f"middleout.{key}" for key in ("format", "name", "tables", "answers", "network", "crc")}
_OUTSIDE = "data outside of its file"

_DIMENSION = {1: Field("size", int), 2: Field("text", str)}
_SHAPE = {1: Field("dimension", _DIMENSION, many=True)}
_TENSOR_TYPE = {1: Field("type", int), 2: Field("shape", _SHAPE)}
_END = {1: Field("name", str), 2: Field("kind", {1: Field("tensor", _TENSOR_TYPE)})}
_TENSOR = {
    1: Field("dimensions", int, many=True),
    2: Field("type", int),
    8: Field("name", str),
    9: Field("data"),
    13: Field("external", refused=_OUTSIDE),
    14: Field("location", refused=_OUTSIDE),
}
_ATTRIBUTE = {
    1: Field("name", str),
    3: Field("number", int),
    6: Field("graph", refused="a graph of its own"),
    8: Field("numbers", int, many=True),
    11: Field("graphs", refused="graphs of its own"),
    20: Field("type", int),
}
_NODE = {
    1: Field("inputs", str, many=True),
    2: Field("outputs", str, many=True),
    3: Field("name", str),
    4: Field("operator", str),
    5: Field("attribute", _ATTRIBUTE, many=True),
    7: Field("domain", refused="a domain of operators"),
}
_GRAPH = {
    1: Field("node", _NODE, many=True),
    2: Field("name", str),
    5: Field("constant", _TENSOR, many=True),
    11: Field("input", _END, many=True),
    12: Field("output", _END, many=True),
}
_OPSET = {1: Field("domain", str), 2: Field("version", int)}
_PROPERTY = {1: Field("key", str), 2: Field("value", str)}
_MODEL = {
    1: Field("ir_version", int),
    2: Field("producer", str),
    7: Field("graph", _GRAPH),
    8: Field("opset", _OPSET, many=True),
    14: Field("property", _PROPERTY, many=True),
    25: Field("functions", refused="functions of its own"),
}


@dataclass(frozen=True)
class Constant:
    """A tensor in a file: its type by ONNX's number, its shape, its bytes."""

    type: int
    shape: tuple[int, ...]
    data: bytes

    def integers(self) -> tuple[int, ...]:
        """Return the values of one of type INT64."""
        return struct.unpack(f"<{len(self.data) // 8}q", self.data)


@dataclass(frozen=True)
class End:
    """An input or an output: name, type in ONNX's words, and the shape of a row."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """An operator with the names of its tensors.

    Attributes
    ----------
    attributes : dict of str to int or list of int
    """

    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, int | list[int]]


@dataclass(frozen=True)
class Graph:
    """A network as it is in a file, and the file's properties."""

    nodes: list[Node]
    constants: dict[str, Constant]
    inputs: list[End]
    outputs: list[End]
    properties: dict[str, str]


def read(data: bytes) -> Graph:
    """Return the graph in the bytes of a model file.

    Raises
    ------
    ModelError
        The file is not of this format, or has parts that models do not have.
    """
    if len(data) > MAX_MODEL_BYTES:
        raise ModelError(f"{len(data)} bytes; a model has at most {MAX_MODEL_BYTES}")
    model = parse(data, _MODEL)
    graph, opsets = model["graph"], [(entry["domain"], entry["version"]) for entry in model["opset"]]
    if model["ir_version"] != IR_VERSION or opsets != [("", OPSET)]:
        raise ModelError(
            f"versions {model['ir_version']}, {opsets}; models have IR version {IR_VERSION}, opset {OPSET}"
        )
    constants = _by_name((tensor["name"], _constant(tensor)) for tensor in graph["constant"])
    if sum(len(constant.data) for constant in constants.values()) > MAX_CONSTANT_BYTES:
        raise ModelError(f"constants of more than {MAX_CONSTANT_BYTES} bytes")
    properties = _by_name((entry["key"], entry["value"]) for entry in model["property"])
    if unknown := properties.keys() - _PROPERTIES:
        raise ModelError(f"it is not a middleout model: properties {', '.join(sorted(unknown))}")
    inputs, outputs = (list(map(_end, graph[part])) for part in ("input", "output"))
    return Graph(list(map(_node, graph["node"])), constants, inputs, outputs, properties)


def _by_name(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ModelError(f"the name {name!r} comes twice")
        found[name] = value
    return found


def _constant(tensor: dict[str, Any]) -> Constant:
    kind, shape, data = tensor["type"], tuple(tensor["dimensions"]), tensor["data"]
    if kind not in _WIDTHS or any(not 0 < size <= MAX_CONSTANT_BYTES for size in shape):
        raise ModelError(f"constant {tensor['name']!r} has type {kind} and shape {shape}, which models do not have")
    if len(shape) > 2 or prod(shape) * _WIDTHS[kind] != len(data):
        raise ModelError(f"constant {tensor['name']!r} of shape {shape} has {len(data)} bytes")
    return Constant(kind, shape, data)


def _end(end: dict[str, Any]) -> End:
    tensor = end["kind"]["tensor"]
    first, *row = tensor["shape"]["dimension"] or [{"size": 0, "text": ""}]
    if tensor["type"] not in _TYPES or first["size"] or not row or any(part["text"] for part in row):
        raise ModelError(f"{end['name']!r} is not made of rows")
    return End(end["name"], _TYPES[tensor["type"]], tuple(part["size"] for part in row))


def _node(node: dict[str, Any]) -> Node:
    pairs = ((part["name"], _attribute(part)) for part in node["attribute"])
    return Node(node["operator"], node["inputs"], node["outputs"], _by_name(pairs))


def _attribute(part: dict[str, Any]) -> int | list[int]:
    number, numbers = part["number"], part["numbers"]
    if part["type"] != (_NUMBERS if numbers else _NUMBER) or (number and numbers):
        raise ModelError(f"the attribute {part['name']!r} is not a number or numbers")
    return numbers or number
