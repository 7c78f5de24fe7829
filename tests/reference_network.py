"""The model file for `reference.py`: network, tables and known answers in integers (docs/format.md, sections 6, 9)."""

import base64
import zlib

import numpy as np
import onnx
import zstandard
from onnx import numpy_helper


class Model:
    """A model from the bytes of its file; ValueError where it is not as the format says."""

    def __init__(self, data):
        model = onnx.load_model_from_string(data)
        properties = {p.key: p.value for p in model.metadata_props}
        digits = properties["middleout.crc"].encode()
        if properties["middleout.format"] != "1" or data.count(digits) != 1:
            raise ValueError("not a model of format 1")
        if b"%08x" % zlib.crc32(data.replace(digits, b"0" * 8)) != digits:
            raise ValueError("the model's checksum is wrong")
        self.graph = model.graph
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.read_tables(unpack(properties["middleout.tables"]))
        sizes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim[1:]] for i in self.graph.input}
        self.has_messages, self.state = "messages" in sizes, sizes.get("state", [0])[0]
        self.read_answers(unpack(properties["middleout.answers"]))
        if self.outputs(*self.known) != self.expected:
            raise ValueError("the known answers come out differently")
        if "middleout.network" in properties:
            self.read_network(unpack(properties["middleout.network"]))
            if self.integers(self.known[0]) != self.expected[0]:
                raise ValueError("the network in integers is another than the graph")

    def read_answers(self, data):
        """Section 9: `known` inputs, rows and states, and the outputs `expected` for them."""
        count, at, parts = int.from_bytes(data[:4], "little"), 4, []
        kinds = [("u1", 52 if self.has_messages else 20), ("<f4", self.state), ("<i4", 2), ("<f4", self.state)]
        for kind, size in kinds:
            parts.append(np.frombuffer(data, kind, size * count, at).reshape(count, size))
            at += parts[-1].nbytes
        if at != len(data):
            raise ValueError("the known answers have the wrong size")
        rows, states, outputs, after = parts
        self.known, self.expected = (rows, states), (outputs.tolist(), after.tolist())

    def read_tables(self, data):
        levels = np.frombuffer(data, "<i4", 1025).tolist()
        self.shape = list(data[4100:4228])
        self.multiplier = np.frombuffer(data, "<i4", 128, 4228).tolist()
        count = int.from_bytes(data[4740:4744], "little")
        second = np.frombuffer(data, "<i4", count * 4096, 4744).reshape(count, 4096)
        self.tables = second.astype(np.int64).cumsum(axis=1).cumsum(axis=1).tolist()
        self.reconstruction = [levels[v] + levels[v + 1] >> 1 for v in range(1024)]
        self.implant_levels = [-(2**24), *levels[1:-1], 2**24]
        self.linear_levels = [-(2**24), *(64 * (v - 512) for v in range(1, 1024)), 2**24]

    def read_network(self, data):
        """Section 9: `layers`, each a tuple of weights [in][out], bias and shift."""
        numbers, self.layers = np.frombuffer(data, "<i4").astype(np.int64), []
        count, rest = numbers[0], numbers[1:]
        sizes, rest = rest[: count + 1].tolist(), rest[count + 1 :]
        for a, b in zip(sizes, sizes[1:]):
            shift, bias, weights = int(rest[0]), rest[1 : 1 + b], rest[1 + b : 1 + b + a * b]
            self.layers.append((weights.reshape(a, b), bias, shift))
            rest = rest[1 + b + a * b :]
        if len(rest) or sizes[0] != 20 or sizes[-1] != 2:
            raise ValueError("the network in integers has the wrong size")

    def integers(self, rows):
        """What `run` gives, from the network in integers."""
        x = np.asarray(rows, np.int64) - 128
        for weights, bias, shift in self.layers:
            out = half_even((x @ weights + bias, 0), shift)
            x = np.clip(out, 0, 255)
        return out.tolist()

    def find(self, slot, levels, location, scale):
        """Code, start and frequency of the interval that holds `slot`."""
        scale = min(max(scale, 0), 127)
        table, multiplier = self.tables[self.shape[scale]], self.multiplier[scale]

        def cumulative(v):
            z = (levels[v] - location) * multiplier >> 16
            return table[min(max(z, -2048), 2047) + 2048] + v

        low, high = 0, 1024  # cumulative(low) <= slot < cumulative(high)
        while high - low > 1:
            reconstruction = (low + high) // 2
            low, high = (reconstruction, high) if cumulative(reconstruction) <= slot else (low, reconstruction)
        start = cumulative(low)
        return low, start, cumulative(high) - start

    def run(self, rows):
        """Offset and scale index, [N][2], of features [N][20], with what is heard behind them [N][52]."""
        if self.state:
            raise ValueError("a network with a state needs one")
        return self.outputs(rows, np.zeros((len(rows), 0)))[0]

    def outputs(self, rows, states):
        """The same, and the next states [N][S], of rows and states [N][S] (S is 0 for networks without any)."""
        rows = np.asarray(rows, np.int64)
        values = {"own": (rows[:, :20], 0), "messages": (rows[:, 20:].reshape(len(rows), -1, 8), 0)}
        values |= {"state": exact(np.asarray(states, np.float32)), "next": (np.zeros((len(rows), 0), np.int64), 0)}
        for node in self.graph.node:
            inputs = [values[n] if n in values else exact(self.constants[n]) for n in node.input]
            made = OPERATORS[node.op_type](node, *inputs)
            values |= zip(node.output, made if isinstance(made, list) else [made])
        whole, exponent = values["distribution"]
        after, unit = values["next"]
        return (whole << exponent).tolist(), (after * 2.0**unit).tolist()


def unpack(text):
    return zstandard.ZstdDecompressor().decompress(base64.b64decode(text))


# A value is a pair of int64 array n and exponent e: n * 2^e.


def exact(constant):
    """A constant as such a pair; floats must be multiples of a power of two."""
    if constant.dtype != np.float32:
        return constant.astype(np.int64), 0
    wide, exponent = constant.astype(np.float64), 0
    while (wide != np.rint(wide)).any():
        wide, exponent = wide * 2, exponent - 1
    while wide.any() and not (wide % 2).any():
        wide, exponent = wide / 2, exponent + 1
    return wide.astype(np.int64), exponent


def align(x, y):
    """Two values with one exponent."""
    exponent = min(x[1], y[1])
    return x[0] << (x[1] - exponent), y[0] << (y[1] - exponent), exponent


def half_even(value, exponent):
    """n * 2^e in units of 2^exponent, rounded; halves to even."""
    n, shift = value[0], exponent - value[1]
    if shift <= 0:
        return n << -shift
    rest, quotient = n & (1 << shift) - 1, n >> shift
    half = 1 << (shift - 1)
    return quotient + ((rest > half) | (rest == half) & (quotient & 1 == 1))


def power_of_two(scale):
    """Exponent of a scale that is one."""
    n, exponent = scale
    if n.size != 1 or int(n.reshape(())) != 1:
        raise ValueError("a scale is no power of two")
    return exponent


def dequantise(node, x, scale, zero):
    return x[0] - zero[0], x[1] + power_of_two(scale)


def quantise(node, x, scale, zero):
    return np.clip(half_even(x, power_of_two(scale)) + zero[0], 0, 255), 0


def gemm(node, x, weight, bias):
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if attributes != {"transB": 1}:
        raise ValueError(f"Gemm with {attributes}")
    total, bias, exponent = align((x[0] @ weight[0].T, x[1] + weight[1]), bias)
    return total + bias, exponent


def reduce_mean(node, x):
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    rows = x[0].shape[1]
    if attributes != {"axes": [1], "keepdims": 0} or rows & (rows - 1):
        raise ValueError(f"ReduceMean with {attributes} over {rows}")
    return x[0].sum(axis=1), x[1] - rows.bit_length() + 1


def concat(node, *parts):
    finest = min(exponent for _, exponent in parts)
    return np.concatenate([whole << (exponent - finest) for whole, exponent in parts], axis=1), finest


def clip(node, x, low, high):
    n, low, exponent = align(x, low)
    n, high, finer = align((n, exponent), high)
    return np.clip(n, low << (exponent - finer), high), finer


def add(node, x, y):
    n, m, exponent = align(x, y)
    return n + m, exponent


def split(node, x, sizes):
    return [(part, x[1]) for part in np.split(x[0], np.cumsum(sizes[0])[:-1], axis=1)]


OPERATORS = {
    "Clip": clip,
    "Add": add,
    "Mul": lambda node, x, y: (x[0] * y[0], x[1] + y[1]),
    "Split": split,
    "Reshape": lambda node, x, shape: (x[0].reshape(shape[0]), x[1]),
    "Tile": lambda node, x, repeats: (np.tile(x[0], repeats[0]), x[1]),
    "ReduceMean": reduce_mean,
    "Concat": concat,
    "DequantizeLinear": dequantise,
    "QuantizeLinear": quantise,
    "Gemm": gemm,
    "Relu": lambda node, x: (np.maximum(x[0], 0), x[1]),
    "Round": lambda node, x: (half_even(x, 0), 0),
    "Cast": lambda node, x: x,
}
