"""The certificate of QDQ graphs: uint8 activations, int8 weights, every sum within float32's integers."""

import dataclasses

import numpy as np
from onnx import NodeProto, TensorProto

from runtime.predictor.metadata import Layer

from .intervals import (
    EXACT,
    GraphChecker,
    NotExact,
    Report,
    Value,
    float_weights,
    interval_product,
    is_power_of_two,
    require,
)

MAX_WEIGHT = 64  # pairs of uint8 * int8 products stay within int16 (AVX2's vpmaddubsw saturates)


class QuantisedChecker(GraphChecker):
    """Walk a quantised graph; see docs/determinism.md for the rules."""

    OPERATORS = ("DequantizeLinear", "QuantizeLinear", "Gemm", "Relu", "Round", "Cast")
    OPERATORS += ("Reshape", "Tile", "Concat", "ReduceMean")

    def run(self) -> Report:
        """Check inputs, all nodes, outputs.

        Raises
        ------
        NotExact
        """
        self.refuse_shadowed_constants(*self.graph.input)
        for tensor in self.graph.input:
            if tensor.type.tensor_type.elem_type != TensorProto.UINT8:
                raise NotExact(f"input {tensor.name}: must be uint8")
            width = tensor.type.tensor_type.shape.dim[-1].dim_value
            zero, top = np.zeros(width, np.int64), np.full(width, 255, np.int64)
            layers = () if tensor.name == "own" else None
            self.values[tensor.name] = Value(zero, top, 1.0, "quantised", dtype=np.uint8, layers=layers)
        report = self.walk()
        if not self.graph.output:
            raise NotExact("the graph has no output")
        for tensor in self.graph.output:
            value = self.values.get(tensor.name)
            if value is None or value.dtype is not np.int32:
                raise NotExact(f"output {tensor.name}: must come from a Cast to int32")
        return report

    def plain_layers(self) -> tuple[Layer, ...] | None:
        """Return the layers by which the graph computes `distribution` from `own`; None if it is no plain network."""
        value = self.values.get("distribution")
        return value.layers if value else None

    def scale(self, node: NodeProto, types: tuple[type, ...]) -> tuple[float, int]:
        """Return scale (a power of two) and zero point (0, or 128 for uint8) of a quantiser or dequantiser."""
        require(len(node.input) == 3, node, "scale and zero point must be given")
        scale, zero = (self.constants.get(n) for n in node.input[1:])
        require(scale is not None and zero is not None, node, "scale and zero point must be constants")
        require(scale.size == 1 and zero.size == 1, node, "one scale per tensor")
        scale, zero = scale.reshape(()), zero.reshape(())
        require(scale.dtype == np.float32 and is_power_of_two(scale), node, f"scale {scale} is not a power of two")
        require(zero.dtype.type in types, node, f"zero point of type {zero.dtype}")
        require(zero == 0 or (zero.dtype == np.uint8 and zero == 128), node, f"zero point {zero}")
        return float(scale), int(zero)

    def DequantizeLinear(self, node: NodeProto) -> Value:
        x = self.value(node, 0)
        scale, zero = self.scale(node, (np.uint8, np.int8, np.int32))
        if x.constant is not None:
            require(x.dtype in (np.int8, np.int32), node, "constants must be int8 weights or int32 biases")
            c = x.constant.astype(np.int64)
            limit = MAX_WEIGHT if x.dtype is np.int8 else EXACT - 1
            require(np.abs(c).max(initial=0) <= limit, node, f"a weight or bias is beyond {limit}")
            return Value(c, c, scale, "weights", constant=c, dtype=x.dtype)
        require(x.kind == "quantised", node, "input must be quantised")
        layers = x.layers if zero == (0 if x.layers else 128) else None
        return Value(x.low - zero, x.high - zero, scale, "dequantised", dtype=np.uint8, group=x.group, layers=layers)

    def QuantizeLinear(self, node: NodeProto) -> Value:
        x = self.value(node, 0)
        scale, zero = self.scale(node, (np.uint8,))
        require(x.kind != "dequantised", node, "quantises again right after a dequantiser")
        require(x.kind in ("sum", "mean"), node, "only the result of a quantised layer or a mean may be quantised")
        shift = scale / x.unit
        low, high = (np.clip(np.rint(v / shift).astype(np.int64) + zero, 0, 255) for v in (x.low, x.high))
        layers = divided(x.layers, shift) if zero == 0 else None
        return Value(low, high, 1.0, "quantised", dtype=np.uint8, layers=layers)

    def Gemm(self, node: NodeProto) -> Value:
        options = {a.name: a for a in node.attribute}
        for name in ("alpha", "beta"):
            require(name not in options or options[name].f == 1.0, node, f"{name} must be 1")
        require("transA" not in options or options["transA"].i == 0, node, "transA must be 0")
        require(len(node.input) == 3, node, "a bias is needed")
        x, w, b = (self.value(node, i) for i in range(3))
        require(x.kind == "dequantised", node, "input must come from a DequantizeLinear")
        require(not x.group, node, "two dimensions only: others are computed by other kernels")
        if w.kind == "weights":
            require(
                w.dtype is np.int8 and b.kind == "weights" and b.dtype is np.int32, node, "int8 weights, int32 bias"
            )
            require(b.unit == w.unit * x.unit, node, "the bias's scale must be that of the products")
            self.reaches_quantiser(node)
            kind, weight, unit, bias = "sum", w.constant, w.unit * x.unit, b.constant
        else:
            require(w.constant is not None and b.constant is not None, node, "weights and bias must be constants")
            kind, (weight, bias, unit) = "head", float_weights(node, w.constant, b.constant, x.unit)
            self.reaches_no_quantiser(node)
        if "transB" in options and options["transB"].i:
            weight = weight.T
        made = interval_product(node, x, weight, bias, unit, kind)
        if x.layers is not None:
            made.layers = (*x.layers, Layer(weight.astype(np.int32), bias.astype(np.int32), 0))
        return made

    def Relu(self, node: NodeProto) -> Value:
        x = self.value(node, 0)
        require(x.kind in ("sum", "head"), node, "only after a layer")
        layers = x.layers if x.kind == "sum" else None  # a quantiser to 0..255 is behind it, which does the same
        return Value(np.maximum(x.low, 0), np.maximum(x.high, 0), x.unit, x.kind, layers=layers)

    def Reshape(self, node: NodeProto) -> Value:
        """Accept integers only: to rows of the same size, to parts of rows, or rows to groups of rows."""
        x = self.quantised(node, 0)
        shape = self.constants.get(node.input[1])
        require(shape is not None and shape.shape in ((2,), (3,)), node, "to two or three dimensions, constant")
        require(shape[0] == -1 and (shape[1:] > 0).all(), node, "only the first dimension may be open")
        last = int(shape[-1])
        require(len(x.low) % last == 0, node, "rows must stay together or be cut into equal parts")
        low, high = x.low.reshape(-1, last).min(axis=0), x.high.reshape(-1, last).max(axis=0)
        return Value(low, high, 1.0, "quantised", dtype=np.uint8, group=int(shape[1]) if len(shape) == 3 else 0)

    def Tile(self, node: NodeProto) -> Value:
        x = self.quantised(node, 0)
        repeats = self.constants.get(node.input[1])
        require(repeats is not None and len(repeats) == 2 and repeats[0] == 1, node, "only along rows, constant")
        low, high = (np.tile(v, int(repeats[1])) for v in (x.low, x.high))
        return Value(low, high, 1.0, "quantised", dtype=np.uint8)

    def Concat(self, node: NodeProto) -> Value:
        """Accept integers only, so that no scales have to be brought together."""
        parts = [self.quantised(node, i) for i in range(len(node.input))]
        require(not any(p.group for p in parts), node, "two dimensions only")
        require([a.i for a in node.attribute if a.name == "axis"] == [1], node, "only along rows")
        low, high = (np.concatenate([getattr(p, side) for p in parts]) for side in ("low", "high"))
        return Value(low, high, 1.0, "quantised", dtype=np.uint8)

    def quantised(self, node: NodeProto, i: int) -> Value:
        """Return the value of an input that must be an integer tensor."""
        x = self.value(node, i)
        require(x.kind == "quantised", node, "only on quantised values")
        return x

    def ReduceMean(self, node: NodeProto) -> Value:
        """Average a power of two of rows: the sum is exact, and so is its quotient."""
        x = self.value(node, 0)
        options = {a.name: a for a in node.attribute}
        require(x.kind == "dequantised" and x.group, node, "only of groups of dequantised rows")
        right = list(options["axes"].ints) == [1] and options["keepdims"].i == 0 if len(options) == 2 else False
        require(right, node, "only over axis 1, which goes")
        require(is_power_of_two(x.group), node, f"of {x.group} rows; a power of two is needed")
        users = self.users.get(node.output[0], [])
        require(users and all(u.op_type == "QuantizeLinear" for u in users), node, "a mean without a quantiser")
        return Value(x.low * x.group, x.high * x.group, x.unit / x.group, "mean")

    def Round(self, node: NodeProto) -> Value:
        x = self.value(node, 0)
        require(x.kind == "head", node, "only after a float-weight layer without a quantiser")
        low, high = (np.rint(v * x.unit).astype(np.int64) for v in (x.low, x.high))
        return Value(low, high, 1.0, "rounded", layers=divided(x.layers, 1 / x.unit))

    def Cast(self, node: NodeProto) -> Value:
        x = self.value(node, 0)
        to = next(a.i for a in node.attribute if a.name == "to")
        require(to == TensorProto.INT32, node, "must be to int32")
        require(x.kind == "rounded", node, "only after a Round")
        return Value(x.low, x.high, 1.0, "integer", dtype=np.int32, layers=x.layers)

    def reaches_quantiser(self, node: NodeProto) -> None:
        """Require a quantiser behind a quantised layer, else runtimes pick inexact kernels (MatMulNBits)."""
        after = self.users.get(node.output[0], [])
        for user in after:
            last = self.users.get(user.output[0], []) if user.op_type == "Relu" else [user]
            require(last and all(n.op_type == "QuantizeLinear" for n in last), node, "int8 weights without a quantiser")
        require(after, node, "int8 weights without a quantiser behind them")

    def reaches_no_quantiser(self, node: NodeProto) -> None:
        """Refuse a quantiser behind float weights: runtimes would quantise these weights themselves."""
        for user in self.users.get(node.output[0], []):
            behind = [user, *(self.users.get(user.output[0], []) if user.op_type == "Relu" else [])]
            require(all(n.op_type != "QuantizeLinear" for n in behind), node, "float weights in front of a quantiser")


def divided(layers: tuple[Layer, ...] | None, divisor: float) -> tuple[Layer, ...] | None:
    """Return the layers with the divisor of the last one's sums, a power of two."""
    if layers is None or divisor < 1:
        return None
    return (*layers[:-1], dataclasses.replace(layers[-1], shift=round(np.log2(divisor))))
