"""What a network may do, before it is run: known operators, and rows of bounded size at bounded cost.

A model may come from anybody. onnxruntime runs whatever a file holds, in as much time and memory as that takes. So the
file is read here first, by a strict reader: the operators are those of exported models, a row of inputs (one sample of
one channel) makes a row of outputs, and the values and products of a row are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from ...core.errors import ModelError
from .onnx_graph import FLOAT, INT32, INT64, Constant, Graph, Node

MAX_NODES = 256
MAX_VALUES = 1 << 13
"""Values that all nodes together compute for a row."""
MAX_PRODUCTS = 1 << 20
"""Multiplications for a row."""
MAX_CONSTANT_VALUES = 1 << 22
"""Values that all nodes together compute from constants alone."""


@dataclass(frozen=True)
class Tensor:
    """What is known of a tensor.

    Attributes
    ----------
    rows : int
        Its first dimension is so many times the number of the network's rows; 0 for one that is constant.
    shape : tuple of int
        The other dimensions, or all of a constant.
    constant : Constant or None
        Of constants that are in the file.
    """

    rows: int
    shape: tuple[int, ...]
    constant: Constant | None = None

    @property
    def values(self) -> int:
        """How many values it has for a row."""
        return self.rows * prod(self.shape)


def check(graph: Graph) -> None:
    """Refuse a network with operators, shapes or costs that models do not have. Raises `ModelError`."""
    if len(graph.nodes) > MAX_NODES:
        raise ModelError(f"{len(graph.nodes)} nodes; a model has at most {MAX_NODES}")
    found = {name: Tensor(0, constant.shape, constant) for name, constant in graph.constants.items()}
    for end in graph.inputs:
        if any(size < 1 for size in end.shape):
            raise ModelError(f"input {end.name!r} has rows of shape {end.shape}")
        _enter(found, end.name, Tensor(1, end.shape))
    made = [tensor for node in graph.nodes for tensor in _entered(node, found)]
    values = sum(prod(end.shape) for end in graph.inputs) + sum(tensor.values for tensor in made)
    products = sum(_products(node, found) for node in graph.nodes)
    constants = sum(prod(tensor.shape) for tensor in made if not tensor.rows)
    if values > MAX_VALUES or products > MAX_PRODUCTS or constants > MAX_CONSTANT_VALUES:
        raise ModelError(f"{values} values and {products} multiplications for a row are too many, which is refused")
    for end in graph.outputs:
        if end.name not in found or found[end.name].rows != 1 or found[end.name].shape != end.shape:
            raise ModelError(f"output {end.name!r} is not computed, or in another shape than {end.shape}")


def _enter(found: dict[str, Tensor], name: str, tensor: Tensor) -> None:
    if not name or name in found:
        raise ModelError(f"the name {name!r} is empty, or that of several tensors")
    found[name] = tensor


def _entered(node: Node, found: dict[str, Tensor]) -> list[Tensor]:
    made = _outputs(node, found)
    for name, tensor in zip(node.outputs, made):
        _enter(found, name, tensor)
    return made


def _outputs(node: Node, found: dict[str, Tensor]) -> list[Tensor]:
    if node.operator not in _OPERATORS:
        raise ModelError(f"operator {node.operator!r} is not on the list of models' operators")
    rule, names, allowed = _OPERATORS[node.operator]
    wrong = names is not None and len(node.inputs) != names
    if wrong or not node.inputs or any(name not in found for name in node.inputs):
        raise ModelError(f"a {node.operator} with inputs {node.inputs}: too few, too many, or not known yet")
    if any(value not in allowed.get(name, ()) for name, value in node.attributes.items()):
        raise ModelError(f"a {node.operator} with {node.attributes}, which models do not have")
    made = rule(node, [found[name] for name in node.inputs])
    if len(made) != len(node.outputs):
        raise ModelError(f"a {node.operator} with {len(node.outputs)} outputs")
    return made


def _products(node: Node, found: dict[str, Tensor]) -> int:
    if node.operator != "Gemm":
        return 0
    first, weights = (found[name] for name in node.inputs[:2])
    return first.rows * prod(weights.shape)


def _refuse(node: Node, parts: list[Tensor]) -> ModelError:
    shapes = ", ".join(str((*((f"{part.rows} N",) if part.rows else ()), *part.shape)) for part in parts)
    return ModelError(f"a {node.operator} of {shapes}, which models do not have")


def _numbers(node: Node, parts: list[Tensor]) -> tuple[int, ...]:
    """Return the integers that an operator's second input says."""
    constant = parts[1].constant
    if constant is None or constant.type != INT64 or len(constant.shape) != 1:
        raise _refuse(node, parts)
    return constant.integers()


def _same(node: Node, parts: list[Tensor]) -> list[Tensor]:
    """Keep the first input's shape; the others are single numbers."""
    if any(part.rows or part.shape for part in parts[1:]):
        raise _refuse(node, parts)
    return [Tensor(parts[0].rows, parts[0].shape)]


def _pairs(node: Node, parts: list[Tensor]) -> list[Tensor]:
    """Take two inputs of one shape, or numbers and a single number."""
    first, second = parts
    if (first.rows, first.shape) == (second.rows, second.shape):
        return [Tensor(first.rows, first.shape)]
    return _same(node, parts)


def _gemm(node: Node, parts: list[Tensor]) -> list[Tensor]:
    inputs, weights, bias = parts
    fits = inputs.rows and len(inputs.shape) == 1 and not weights.rows and not bias.rows and len(weights.shape) == 2
    if (
        not fits
        or weights.shape[1:] != inputs.shape
        or bias.shape != weights.shape[:1]
        or "transB" not in node.attributes
    ):
        raise _refuse(node, parts)
    return [Tensor(inputs.rows, weights.shape[:1])]


def _concat(node: Node, parts: list[Tensor]) -> list[Tensor]:
    if "axis" not in node.attributes or any(not p.rows or p.rows != parts[0].rows or len(p.shape) != 1 for p in parts):
        raise _refuse(node, parts)
    return [Tensor(parts[0].rows, (sum(part.shape[0] for part in parts),))]


def _split(node: Node, parts: list[Tensor]) -> list[Tensor]:
    sizes = _numbers(node, parts)
    fits = parts[0].rows and "axis" in node.attributes and min(sizes) > 0
    if not fits or parts[0].shape != (sum(sizes),):
        raise _refuse(node, parts)
    return [Tensor(parts[0].rows, (size,)) for size in sizes]


def _reshape(node: Node, parts: list[Tensor]) -> list[Tensor]:
    first, *shape = _numbers(node, parts)
    size = prod(shape)
    if first != -1 or not 1 <= len(shape) <= 2 or min(shape) < 1 or not parts[0].rows or parts[0].values % size:
        raise _refuse(node, parts)
    return [Tensor(parts[0].values // size, tuple(shape))]


def _tile(node: Node, parts: list[Tensor]) -> list[Tensor]:
    repeats = _numbers(node, parts)
    if not parts[0].rows or len(repeats) != 1 + len(parts[0].shape) or repeats[0] != 1 or min(repeats) < 1:
        raise _refuse(node, parts)
    return [Tensor(parts[0].rows, tuple(size * times for size, times in zip(parts[0].shape, repeats[1:])))]


def _mean(node: Node, parts: list[Tensor]) -> list[Tensor]:
    if not parts[0].rows or len(parts[0].shape) != 2 or len(node.attributes) != 2:
        raise _refuse(node, parts)
    return [Tensor(parts[0].rows, parts[0].shape[1:])]


_OPERATORS: dict[str, tuple[Callable[[Node, list[Tensor]], list[Tensor]], int | None, dict[str, tuple]]] = {
    "Add": (_pairs, 2, {}),
    "Cast": (_same, 1, {"to": (FLOAT, INT32)}),
    "Clip": (_same, 3, {}),
    "Concat": (_concat, None, {"axis": (1,)}),
    "DequantizeLinear": (_same, 3, {}),
    "Gemm": (_gemm, 3, {"transB": (1,)}),
    "Mul": (_pairs, 2, {}),
    "QuantizeLinear": (_same, 3, {}),
    "ReduceMean": (_mean, 1, {"axes": ([1],), "keepdims": (0,)}),
    "Relu": (_same, 1, {}),
    "Reshape": (_reshape, 2, {}),
    "Round": (_same, 1, {}),
    "Split": (_split, 2, {"axis": (1,)}),
    "Tile": (_tile, 2, {}),
}
"""By operator: the shapes of its outputs, its number of inputs, and the values that its attributes may have."""
