"""The certificate of recurrent graphs: floats only, every value an integer times a power of two.

What such a graph carries from step to step is bounded by induction: a lane's state begins with zeros, and the state
that follows any of an interval lies in it again. The interval is found from the zeros: what one step gives is added to
it until nothing new comes. A state that no Clip holds grows until a node breaks the limit, and that one is named.
"""

import numpy as np
from onnx import NodeProto, TensorProto, helper

from .intervals import GraphChecker, NotExact, Report, Value, float_weights, interval_product, is_power_of_two, require

STATE, NEXT = "state", "next"
ROUNDS = 100  # of the search for the state's interval


class RecurrentChecker(GraphChecker):
    """Walk a recurrent graph until the interval of its state stays as it is."""

    OPERATORS = ("Cast", "Concat", "Split", "Gemm", "Clip", "Round", "Mul", "Add")

    def run(self) -> Report:
        """Check all nodes under the interval of the state that holds.

        Raises
        ------
        NotExact
        """
        features, width = self.interface()
        own = Value(np.zeros(features, np.int64), np.full(features, 255), 1.0, "quantised", dtype=np.uint8)
        state = Value(np.zeros(width, np.int64), np.zeros(width, np.int64), 1.0)
        for _ in range(ROUNDS):
            self.values = {"own": own, STATE: state}
            report = self.walk()
            grown = union(state, self.next_state(width))
            if grown.unit == state.unit and (grown.low == state.low).all() and (grown.high == state.high).all():
                return report
            state = grown
        raise NotExact(f"output {NEXT}: no interval of the state holds after {ROUNDS} steps")

    def plain_layers(self) -> None:
        """Return None: a network with a state is no plain one."""

    def next_state(self, width: int) -> Value:
        """Check the outputs of a step; return the state behind it."""
        distribution, after = (self.values.get(name) for name in ("distribution", NEXT))
        if distribution is None or distribution.dtype is not np.int32:
            raise NotExact("output distribution: must come from a Cast to int32")
        if after is None or after.kind not in ("real", "rounded") or len(after.low) != width:
            raise NotExact(f"output {NEXT}: must be {width} floats, as {STATE}")
        return after

    def interface(self) -> tuple[int, int]:
        """Check inputs and outputs by name and type; return the widths of features and state."""
        self.refuse_shadowed_constants(*self.graph.input, *self.graph.output)
        kinds = [{t.name: t.type.tensor_type for t in part} for part in (self.graph.input, self.graph.output)]
        expected = [{"own": TensorProto.UINT8, STATE: TensorProto.FLOAT}]
        expected += [{"distribution": TensorProto.INT32, NEXT: TensorProto.FLOAT}]
        for kind, types in zip(kinds, expected):
            found = {name: t.elem_type for name, t in kind.items()}
            if found != types:
                raise NotExact(f"{', '.join(found)}: a recurrent graph has exactly {', '.join(types)}, of their types")
        return tuple(kinds[0][name].shape.dim[-1].dim_value for name in ("own", STATE))

    def real(self, node: NodeProto, i: int) -> Value:
        """Return the value of an input that must be a float tensor of the graph."""
        x = self.value(node, i)
        require(x.kind in ("real", "rounded"), node, f"input {node.input[i]} must be a float tensor")
        return x

    def number(self, node: NodeProto, i: int) -> float:
        """Return an input that must be a float32 constant of one value."""
        given = len(node.input) > i and node.input[i]
        require(given, node, "two bounds are needed")
        c = self.constants.get(node.input[i])
        require(c is not None and c.size == 1 and c.dtype == np.float32, node, f"{node.input[i]} must be a constant")
        return float(c.reshape(()))

    def Cast(self, node: NodeProto) -> Value:
        to, x = node.attribute[0].i, self.value(node, 0)
        if x.kind == "quantised":
            require(to == TensorProto.FLOAT, node, "of uint8 must be to float")
            return Value(x.low, x.high, 1.0)
        require(x.kind == "rounded", node, "only after a Round")
        require(to == TensorProto.INT32, node, "must be to int32")
        return Value(x.low, x.high, 1.0, "integer", dtype=np.int32)

    def Concat(self, node: NodeProto) -> Value:
        require([a.i for a in node.attribute if a.name == "axis"] == [1], node, "only along rows")
        parts = [self.real(node, i) for i in range(len(node.input))]
        unit = min(p.unit for p in parts)
        low, high = (np.concatenate([in_units(p, unit)[side] for p in parts]) for side in (0, 1))
        return Value(low, high, unit)

    def Split(self, node: NodeProto) -> list[Value]:
        x, sizes = self.real(node, 0), self.constants.get(node.input[1]) if len(node.input) == 2 else None
        require([a.i for a in node.attribute if a.name == "axis"] == [1], node, "only along rows")
        fine = sizes is not None and (sizes > 0).all() and sizes.sum() == len(x.low)
        require(fine, node, "constant sizes are needed that make up the row")
        cuts = np.cumsum(sizes)[:-1]
        return [Value(*part, x.unit, x.kind) for part in zip(np.split(x.low, cuts), np.split(x.high, cuts))]

    def Gemm(self, node: NodeProto) -> Value:
        options = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        fine = options.get("alpha", 1.0) == options.get("beta", 1.0) == 1.0
        require(fine, node, "alpha and beta must be 1")
        require(not options.get("transA", 0) and len(node.input) == 3, node, "transA must be 0, and a bias is needed")
        x, (w, b) = self.real(node, 0), (self.constants.get(name) for name in node.input[1:])
        require(w is not None and b is not None, node, "weights and bias must be constants")
        weight, bias, unit = float_weights(node, w, b, x.unit)
        weight = weight.T if options.get("transB", 0) else weight
        return interval_product(node, x, weight, bias, unit)

    def Clip(self, node: NodeProto) -> Value:
        x, bounds = self.real(node, 0), [self.number(node, i) for i in (1, 2)]
        require(bounds[0] <= bounds[1], node, "bounds are in the wrong order")
        whole = [bound / x.unit for bound in bounds]
        require(all(bound == np.rint(bound) for bound in whole), node, f"a bound is no multiple of {x.unit}")
        low, high = (np.clip(v, *map(int, whole)) for v in (x.low, x.high))
        return Value(low, high, x.unit, x.kind)

    def Round(self, node: NodeProto) -> Value:
        x = self.real(node, 0)
        low, high = (np.rint(v * x.unit).astype(np.int64) for v in (x.low, x.high))
        return Value(low, high, 1.0, "rounded")

    def Mul(self, node: NodeProto) -> Value:
        x = self.real(node, 0)
        if node.input[1] in self.constants:
            factor = self.number(node, 1)
            require(is_power_of_two(factor), node, f"factor {factor} is not a power of two")
            return Value(x.low, x.high, x.unit * factor)
        y = self.real(node, 1)
        require(len(x.low) == len(y.low), node, "shapes do not fit")
        corners = [a * b for a in (x.low, x.high) for b in (y.low, y.high)]
        return Value(np.min(corners, axis=0), np.max(corners, axis=0), x.unit * y.unit)

    def Add(self, node: NodeProto) -> Value:
        x, y = self.real(node, 0), self.real(node, 1)
        require(len(x.low) == len(y.low), node, "shapes do not fit")
        unit = min(x.unit, y.unit)
        sums = [a + b for a, b in zip(in_units(x, unit), in_units(y, unit))]
        return Value(*sums, unit)


def in_units(x: Value, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of a value in a unit that divides its own."""
    times = round(x.unit / unit)
    return x.low * times, x.high * times


def union(x: Value, y: Value) -> Value:
    """Return the interval and unit that hold both."""
    unit = min(x.unit, y.unit)
    (low, high), (other_low, other_high) = in_units(x, unit), in_units(y, unit)
    return Value(np.minimum(low, other_low), np.maximum(high, other_high), unit)
