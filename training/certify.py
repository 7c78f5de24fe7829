"""The exactness certificate: proof that a graph computes the same integers on every machine.

An entropy decoder needs the encoder's network outputs bit for bit. Where every intermediate value is exactly
representable, no order of summation, fusion, instruction set or version can change it. `certify` follows a graph by
interval arithmetic on multiples of powers of two and checks the rules of docs/determinism.md, which keep runtimes from
replacing exact nodes by inexact ones. It accepts a small set of node patterns and refuses all else.
"""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, numpy_helper

EXACT = 1 << 24  # float32 holds all integers up to here
OPERATORS = ("DequantizeLinear", "QuantizeLinear", "Gemm", "Relu", "Round", "Cast", *("Reshape", "Tile", "Concat"))
OPERATORS += ("ReduceMean",)
MAX_WEIGHT = 64  # pairs of uint8 * int8 products stay within int16 (AVX2's vpmaddubsw saturates)


class NotExact(ValueError):
    """A graph that may compute different values on different machines; the message names the node and the rule."""


@dataclass
class Value:
    """Integers `low..high` times `unit` per element of the last axis.

    `kind` tells what the tensor is: `real` or `dequantised` (float32), `sum` (the float32 result of a Gemm over
    quantised inputs, which must reach a quantiser), `mean` (that of a ReduceMean, which must as well), `head` (that of
    a float-weight Gemm), `quantised` (integer tensor). `group` is the size of the axis before the last one of a
    tensor of three dimensions.
    """

    low: np.ndarray
    high: np.ndarray
    unit: float
    kind: str
    constant: np.ndarray = None
    type: type = None
    source: str = ""
    group: int = 0


class Checker:
    """Walks a graph's nodes in order; one method per operator."""

    def __init__(self, model):
        self.graph = model.graph
        self.values = {}
        self.constants = {t.name: numpy_helper.to_array(t) for t in self.graph.initializer}
        self.users = {}
        for node in self.graph.node:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def run(self):
        """Check all nodes; returns a report: one line of name, operator, unit and largest magnitude per node."""
        self.inputs()
        for node in self.graph.node:
            require(node.op_type in OPERATORS and node.domain in ("", "ai.onnx"), node, "operator is not on the list")
            require(len(node.output) == 1, node, "one output expected")
        report = []
        for node in self.graph.node:
            require(node.output[0] not in self.values, node, "output is written twice")
            value = getattr(self, node.op_type)(node)
            bound = int(np.abs([value.low, value.high]).max())
            require(bound < EXACT, node, f"values may reach {bound} units of {value.unit}; the limit is 2^24")
            self.values[node.output[0]] = value
            report.append((node.name, node.op_type, value.unit, bound))
        self.outputs()
        return report

    def inputs(self):
        for tensor in self.graph.input:
            if tensor.name in self.constants:
                raise NotExact(f"input {tensor.name}: would replace a constant")
            if tensor.type.tensor_type.elem_type != TensorProto.UINT8:
                raise NotExact(f"input {tensor.name}: must be uint8")
            width = tensor.type.tensor_type.shape.dim[-1].dim_value
            zero, top = np.zeros(width, np.int64), np.full(width, 255, np.int64)
            self.values[tensor.name] = Value(zero, top, 1.0, "quantised", type=np.uint8)

    def outputs(self):
        if not self.graph.output:
            raise NotExact("the graph has no output")
        for tensor in self.graph.output:
            value = self.values.get(tensor.name)
            if value is None or value.type is not np.int32:
                raise NotExact(f"output {tensor.name}: must come from a Cast to int32")

    def value(self, node, i):
        """Value of input i of a node."""
        name = node.input[i]
        if name in self.values:
            return self.values[name]
        require(name in self.constants, node, f"input {name} is unknown")
        c = self.constants[name]
        return Value(None, None, 1.0, "constant", constant=c, type=c.dtype.type)

    def scale(self, node, types):
        """Scale (a power of two) and zero point (0, or 128 for uint8) of a quantiser or dequantiser."""
        require(len(node.input) == 3, node, "scale and zero point must be given")
        scale, zero = (self.constants.get(n) for n in node.input[1:])
        require(scale is not None and zero is not None, node, "scale and zero point must be constants")
        require(scale.size == 1 and zero.size == 1, node, "one scale per tensor")
        scale, zero = scale.reshape(()), zero.reshape(())
        require(scale.dtype == np.float32 and is_power_of_two(scale), node, f"scale {scale} is not a power of two")
        require(zero.dtype.type in types, node, f"zero point of type {zero.dtype}")
        require(zero == 0 or (zero.dtype == np.uint8 and zero == 128), node, f"zero point {zero}")
        return float(scale), int(zero)

    def DequantizeLinear(self, node):
        x = self.value(node, 0)
        scale, zero = self.scale(node, (np.uint8, np.int8, np.int32))
        if x.constant is not None:
            require(x.type in (np.int8, np.int32), node, "constants must be int8 weights or int32 biases")
            c = x.constant.astype(np.int64)
            limit = MAX_WEIGHT if x.type is np.int8 else EXACT - 1
            require(np.abs(c).max(initial=0) <= limit, node, f"a weight or bias is beyond {limit}")
            return Value(c, c, scale, "weights", constant=c, type=x.type)
        require(x.kind == "quantised", node, "input must be quantised")
        return Value(x.low - zero, x.high - zero, scale, "dequantised", type=np.uint8, source=node.name, group=x.group)

    def QuantizeLinear(self, node):
        x = self.value(node, 0)
        scale, zero = self.scale(node, (np.uint8,))
        require(x.kind != "dequantised", node, "quantises again right after a dequantiser")
        require(x.kind in ("sum", "mean"), node, "only the result of a quantised layer or a mean may be quantised")
        shift = scale / x.unit
        low, high = (np.clip(np.rint(v / shift).astype(np.int64) + zero, 0, 255) for v in (x.low, x.high))
        return Value(low, high, 1.0, "quantised", type=np.uint8)

    def Gemm(self, node):
        options = {a.name: a for a in node.attribute}
        for name in ("alpha", "beta"):
            require(name not in options or options[name].f == 1.0, node, f"{name} must be 1")
        require("transA" not in options or options["transA"].i == 0, node, "transA must be 0")
        require(len(node.input) == 3, node, "a bias is needed")
        x, w, b = (self.value(node, i) for i in range(3))
        require(x.kind == "dequantised", node, "input must come from a DequantizeLinear")
        require(not x.group, node, "two dimensions only: others are computed by other kernels")
        if w.kind == "weights":
            require(w.type is np.int8 and b.kind == "weights" and b.type is np.int32, node, "int8 weights, int32 bias")
            require(b.unit == w.unit * x.unit, node, "the bias's scale must be that of the products")
            self.reaches_quantiser(node)
            kind, weight, unit, bias = "sum", w.constant, w.unit * x.unit, b.constant
        else:
            require(w.constant is not None and b.constant is not None, node, "weights and bias must be constants")
            kind, (weight, bias, unit) = "head", self.float_weights(node, w.constant, b.constant, x.unit)
            self.reaches_no_quantiser(node)
        if "transB" in options and options["transB"].i:
            weight = weight.T
        require(weight.ndim == 2 and weight.shape[0] == len(x.low), node, "shapes do not fit")
        return interval_product(node, x, weight, bias, unit, kind)

    def float_weights(self, node, weight, bias, unit):
        """Float weights and bias as integers, and the unit of the result."""
        require(weight.dtype == bias.dtype == np.float32, node, "float weights must be float32")
        step = float_step(weight)
        total = min(step * unit, float_step(bias))
        whole = weight.astype(np.float64) / (total / unit)
        return np.rint(whole).astype(np.int64), np.rint(bias.astype(np.float64) / total).astype(np.int64), total

    def Relu(self, node):
        x = self.value(node, 0)
        require(x.kind in ("sum", "head"), node, "only after a layer")
        return Value(np.maximum(x.low, 0), np.maximum(x.high, 0), x.unit, x.kind)

    def Reshape(self, node):
        """Integers only: to rows of the same size, to parts of rows, or rows to groups of rows."""
        x = self.quantised(node, 0)
        shape = self.constants.get(node.input[1])
        require(shape is not None and shape.shape in ((2,), (3,)), node, "to two or three dimensions, constant")
        require(shape[0] == -1 and (shape[1:] > 0).all(), node, "only the first dimension may be open")
        last = int(shape[-1])
        require(len(x.low) % last == 0, node, "rows must stay together or be cut into equal parts")
        low, high = x.low.reshape(-1, last).min(axis=0), x.high.reshape(-1, last).max(axis=0)
        return Value(low, high, 1.0, "quantised", type=np.uint8, group=int(shape[1]) if len(shape) == 3 else 0)

    def Tile(self, node):
        x = self.quantised(node, 0)
        repeats = self.constants.get(node.input[1])
        require(repeats is not None and len(repeats) == 2 and repeats[0] == 1, node, "only along rows, constant")
        low, high = (np.tile(v, int(repeats[1])) for v in (x.low, x.high))
        return Value(low, high, 1.0, "quantised", type=np.uint8)

    def Concat(self, node):
        """Integers only, so that no scales have to be brought together."""
        parts = [self.quantised(node, i) for i in range(len(node.input))]
        require(not any(p.group for p in parts), node, "two dimensions only")
        require([a.i for a in node.attribute if a.name == "axis"] == [1], node, "only along rows")
        low, high = (np.concatenate([getattr(p, side) for p in parts]) for side in ("low", "high"))
        return Value(low, high, 1.0, "quantised", type=np.uint8)

    def quantised(self, node, i):
        """Value of an input that must be an integer tensor."""
        x = self.value(node, i)
        require(x.kind == "quantised", node, "only on quantised values")
        return x

    def ReduceMean(self, node):
        """Over a power of two of rows: the sum is exact, and so is dividing it."""
        x = self.value(node, 0)
        options = {a.name: a for a in node.attribute}
        require(x.kind == "dequantised" and x.group, node, "only of groups of dequantised rows")
        right = list(options["axes"].ints) == [1] and options["keepdims"].i == 0 if len(options) == 2 else False
        require(right, node, "only over axis 1, which goes")
        require(is_power_of_two(x.group), node, f"of {x.group} rows; a power of two is needed")
        users = self.users.get(node.output[0], [])
        require(users and all(u.op_type == "QuantizeLinear" for u in users), node, "a mean without a quantiser")
        return Value(x.low * x.group, x.high * x.group, x.unit / x.group, "mean")

    def Round(self, node):
        x = self.value(node, 0)
        require(x.kind == "head", node, "only after a float-weight layer without a quantiser")
        low, high = (np.rint(v * x.unit).astype(np.int64) for v in (x.low, x.high))
        return Value(low, high, 1.0, "rounded")

    def Cast(self, node):
        x = self.value(node, 0)
        to = next(a.i for a in node.attribute if a.name == "to")
        require(to == TensorProto.INT32, node, "must be to int32")
        require(x.kind == "rounded", node, "only after a Round")
        return Value(x.low, x.high, 1.0, "integer", type=np.int32)

    def reaches_quantiser(self, node):
        """A quantised layer must end in one, else runtimes pick inexact kernels (MatMulNBits)."""
        after = self.users.get(node.output[0], [])
        for user in after:
            last = self.users.get(user.output[0], []) if user.op_type == "Relu" else [user]
            require(last and all(n.op_type == "QuantizeLinear" for n in last), node, "int8 weights without a quantiser")
        require(after, node, "int8 weights without a quantiser behind them")

    def reaches_no_quantiser(self, node):
        """Runtimes quantise the weights of a float layer between a dequantiser and a quantiser themselves."""
        for user in self.users.get(node.output[0], []):
            behind = [user, *(self.users.get(user.output[0], []) if user.op_type == "Relu" else [])]
            require(all(n.op_type != "QuantizeLinear" for n in behind), node, "float weights in front of a quantiser")


def require(condition, node, message):
    if not condition:
        raise NotExact(f"node {node.name or node.output[0]} ({node.op_type}): {message}")


def is_power_of_two(x):
    return x > 0 and float(np.frexp(float(x))[0]) == 0.5


def float_step(values):
    """Largest power of two, at most 1, of which all values are multiples."""
    values = np.abs(values.astype(np.float64).ravel())
    step = 1.0
    while (values % step).any():
        step /= 2
    return step


def interval_product(node, x, weight, bias, unit, kind):
    """Bounds of x @ weight + bias; every order of partial sums must stay exact, so magnitudes are added."""
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    worst = (np.maximum(np.abs(x.low), np.abs(x.high)) @ np.abs(weight) + np.abs(bias)).max()
    require(worst < EXACT, node, f"partial sums may reach {worst} units of {unit}; the limit is 2^24")
    low = x.low @ positive + x.high @ negative + bias
    high = x.high @ positive + x.low @ negative + bias
    return Value(low, high, unit, kind)


def certify(model):
    """Prove a model exact.

    Parameters
    ----------
    model : onnx.ModelProto

    Returns
    -------
    list of (node name, operator, unit, largest magnitude in units)

    Raises
    ------
    NotExact
    """
    for entry in model.opset_import:
        if entry.domain not in ("", "ai.onnx"):
            raise NotExact(f"operator set {entry.domain} is not on the list")
    if any(t.data_location == TensorProto.EXTERNAL for t in model.graph.initializer):
        raise NotExact("external data is not allowed")
    if any(t.type.tensor_type.elem_type == TensorProto.FLOAT for t in model.graph.input):
        from .certify_floats import FloatChecker

        return FloatChecker(model).run()
    return Checker(model).run()
