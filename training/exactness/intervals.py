"""Interval arithmetic on integers times powers of two, and what every certificate shares."""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, numpy_helper

from runtime.predictor.metadata import Layer

EXACT = 1 << 24  # float32 holds all integers up to here

Report = list[tuple[str, str, float, int]]
"""Node name, operator, unit and largest magnitude in units, for every node."""


class NotExact(ValueError):
    """A graph that may compute different values on different machines; the message names the node and the rule."""


@dataclass
class Value:
    """Integers `low..high` times `unit` per element of the last axis.

    `kind` tells what the tensor is: `real` or `dequantised` (float32), `sum` (the float32 result of a Gemm over
    quantised inputs, which must reach a quantiser), `mean` (that of a ReduceMean, which must as well), `head` (that of
    a float-weight Gemm), `rounded` (right after a Round), `quantised` (integer tensor). `group` is the size of the axis
    before the last one of a tensor of three dimensions. `layers` is how a plain network computes the value from `own`,
    as far as it is followed: None where it is computed in another way.
    """

    low: np.ndarray | None
    high: np.ndarray | None
    unit: float
    kind: str = "real"
    constant: np.ndarray | None = None
    dtype: type | None = None
    group: int = 0
    layers: tuple[Layer, ...] | None = None


class GraphChecker:
    """Hold a graph's constants and the values found so far; subclasses have one method per operator."""

    OPERATORS: tuple[str, ...] = ()

    def __init__(self, model: ModelProto):
        self.graph = model.graph
        self.values: dict[str, Value] = {}
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.users: dict[str, list[NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def walk(self) -> Report:
        """Check all nodes in order."""
        report = []
        for node in self.graph.node:
            known = node.op_type in self.OPERATORS and node.domain in ("", "ai.onnx")
            require(known, node, "operator is not on the list")
        for node in self.graph.node:
            made = getattr(self, node.op_type)(node)
            made = made if isinstance(made, list) else [made]
            require(len(made) == len(node.output), node, f"{len(made)} outputs expected")
            for name, value in zip(node.output, made):
                require(name not in self.values, node, "output is written twice")
                bound = int(np.abs([value.low, value.high]).max())
                require(bound < EXACT, node, f"values may reach {bound} units of {value.unit}; the limit is 2^24")
                self.values[name] = value
                report.append((name if len(made) > 1 else node.name, node.op_type, value.unit, bound))
        return report

    def value(self, node: NodeProto, i: int) -> Value:
        """Return the value of input i of a node."""
        name = node.input[i]
        if name in self.values:
            return self.values[name]
        require(name in self.constants, node, f"input {name} is unknown")
        c = self.constants[name]
        return Value(None, None, 1.0, "constant", constant=c, dtype=c.dtype.type)

    def refuse_shadowed_constants(self, *tensors) -> None:
        """Refuse inputs or outputs that have a constant's name."""
        for tensor in tensors:
            if tensor.name in self.constants:
                raise NotExact(f"{tensor.name}: would replace a constant")


def require(condition: bool, node: NodeProto, message: str) -> None:
    """Raise `NotExact` with the node's name unless the condition holds."""
    if not condition:
        raise NotExact(f"node {node.name or node.output[0]} ({node.op_type}): {message}")


def is_power_of_two(x: float) -> bool:
    """Return whether x is a power of two."""
    return x > 0 and float(np.frexp(float(x))[0]) == 0.5


def float_step(values: np.ndarray) -> float:
    """Return the largest power of two, at most 1, of which all values are multiples."""
    values = np.abs(values.astype(np.float64).ravel())
    step = 1.0
    while (values % step).any():
        step /= 2
    return step


def float_weights(
    node: NodeProto, weight: np.ndarray, bias: np.ndarray, unit: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what `whole_weights` does for the constants of a node."""
    require(weight.dtype == bias.dtype == np.float32, node, "float weights must be float32")
    return whole_weights(weight, bias, unit)


def whole_weights(weight: np.ndarray, bias: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Return float weights and bias as integers, and the unit of the result; `unit` is the input's."""
    step = float_step(weight)
    total = min(step * unit, float_step(bias))
    whole = weight.astype(np.float64) / (total / unit)
    return np.rint(whole).astype(np.int64), np.rint(bias.astype(np.float64) / total).astype(np.int64), total


def interval_product(
    node: NodeProto, x: Value, weight: np.ndarray, bias: np.ndarray, unit: float, kind: str = "real"
) -> Value:
    """Bound x @ weight + bias; every order of partial sums must stay exact, so magnitudes are added."""
    require(weight.ndim == 2 and weight.shape[0] == len(x.low), node, "shapes do not fit")
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    worst = (np.maximum(np.abs(x.low), np.abs(x.high)) @ np.abs(weight) + np.abs(bias)).max()
    require(worst < EXACT, node, f"partial sums may reach {worst} units of {unit}; the limit is 2^24")
    low = x.low @ positive + x.high @ negative + bias
    high = x.high @ positive + x.low @ negative + bias
    return Value(low, high, unit, kind)
