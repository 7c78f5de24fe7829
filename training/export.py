"""Write a trained network as a QDQ-int8 ONNX file with its tables and known answers inside.

The bytes depend on the checkpoint alone: no time stamps, no tool versions. See docs/format.md, section 9.
"""

import base64
import zlib
from pathlib import Path

import numpy as np
import zstandard
from onnx import TensorProto, helper, numpy_helper

from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.model import CRC_FIELD

OPSET, IR_VERSION, LEVEL = 17, 8, 19


class GraphWriter:
    """Collects nodes and initialisers; methods return the name of their output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def dequantise(self, x, name, scale, zero):
        """x is the name of an integer tensor; zero a numpy scalar whose type is the tensor's."""
        s = self.constant(f"{name}_scale", np.float32(scale))
        z = self.constant(f"{name}_zero", zero)
        return self.node("DequantizeLinear", [x, s, z], f"{name}_real")

    def gemm(self, x, name, layer):
        """Gemm with int8 weights and int32 bias, Relu, quantised to uint8."""
        weight = self.constant(f"{name}_weight", layer["weight"])
        bias = self.constant(f"{name}_bias", layer["bias"])
        w = self.dequantise(weight, weight, layer["step"], np.int8(0))
        b = self.dequantise(bias, bias, layer["step"] * layer["input"], np.int32(0))
        x = self.node("Gemm", [x, w, b], f"{name}_sum", transB=1)
        x = self.node("Relu", [x], f"{name}_relu")
        return self.quantise(x, name, layer["output"])

    def quantise(self, x, name, scale):
        """x as uint8; `real` turns it back."""
        s = self.constant(f"{name}_scale", np.float32(scale))
        z = self.constant(f"{name}_zero", np.uint8(0))
        return self.node("QuantizeLinear", [x, s, z], f"{name}_quantised")

    def real(self, x, name):
        """Real numbers of an integer tensor that has the scale of what was quantised under this name."""
        return self.node("DequantizeLinear", [x, f"{name}_scale", f"{name}_zero"], x.removesuffix("_quantised"))

    def reshape(self, x, name, *shape):
        return self.node("Reshape", [x, self.constant(f"{name}_shape", np.array(shape, np.int64))], name)

    def messages(self, latent, latent_name, layer):
        """MiddleOut: latents uint8 [N, own] and the input `peers` to uint8 [N, own + message], on the latents' scale.

        Peers become rows, so that every layer is a Gemm of two dimensions; latents are joined as integers.
        """
        their, message = layer["their"], layer["message"]
        own = message["weight"].shape[1] - their["weight"].shape[0]
        x = self.reshape("peers", "reference_rows", -1, their["weight"].shape[1])
        x = self.gemm(self.dequantise(x, "reference", their["input"], np.uint8(128)), "their", their)
        repeats = self.constant("repeats", np.array([1, REFERENCES], np.int64))
        own_rows = self.reshape(self.node("Tile", [latent, repeats], "latent_tiled"), "latent_rows", -1, own)
        x = self.node("Concat", [own_rows, x], "both_quantised", axis=1)
        x = self.gemm(self.real(x, latent_name), "message", message)
        x = self.reshape(x, "message_by_reference_quantised", -1, REFERENCES, message["weight"].shape[0])
        x = self.node("ReduceMean", [self.real(x, "message")], "message_mean", axes=[1], keepdims=0)
        return self.node("Concat", [latent, self.quantise(x, "mean", layer["output"])], "heard_quantised", axis=1)


def graph(layers, head):
    """The ONNX model of `Network.integers()`, without metadata."""
    g = GraphWriter()
    x = g.dequantise("own", "own", layers[0]["input"], np.uint8(128))
    inputs = [helper.make_tensor_value_info("own", TensorProto.UINT8, ["N", layers[0]["weight"].shape[1]])]
    quantised = None
    for i, layer in enumerate(layers):
        if "their" in layer:
            x = g.real(g.messages(quantised, f"layer{i - 1}", layer), f"layer{i - 1}")
            size = layer["their"]["weight"].shape[1]
            inputs.append(helper.make_tensor_value_info("peers", TensorProto.UINT8, ["N", REFERENCES, size]))
        else:
            quantised = g.gemm(x, f"layer{i}", layer)
            if "their" not in (layers[i + 1 :] or [{}])[0]:
                x = g.real(quantised, f"layer{i}")
    w, b = g.constant("head_weight", head["weight"]), g.constant("head_bias", head["bias"])
    x = g.node("Gemm", [x, w, b], "head", transB=1)
    x = g.node("Round", [x], "head_rounded")
    g.node("Cast", [x], "distribution", to=TensorProto.INT32)
    outputs = [helper.make_tensor_value_info("distribution", TensorProto.INT32, ["N", 2])]
    body = helper.make_graph(g.nodes, "middleout", inputs, outputs, g.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="middleout")
    model.ir_version = IR_VERSION
    return model


def width(layers):
    """Inputs of a row: the own features, and behind them those of all peers."""
    references = [layer["their"]["weight"].shape[1] * REFERENCES for layer in layers if "their" in layer]
    return layers[0]["weight"].shape[1] + sum(references)


def split(layers, rows):
    """The graph's inputs from rows."""
    own = layers[0]["weight"].shape[1]
    parts = {"own": rows[:, :own], "peers": rows[:, own:].reshape(len(rows), REFERENCES, -1)}
    return {name: np.ascontiguousarray(part) for name, part in parts.items() if part.size or name == "own"}


def roundings(layers):
    """How many stages of the network round, without the head."""
    return sum(3 if "their" in layer else 1 for layer in layers)


def prediction(layers, head, features, ties=()):
    """The same network in int64 arithmetic: uint8 [N, F] -> int32 [N, 2].

    `ties` says how each stage and the head divide, where it is not as the graph does: for `answers`.
    """
    ties = iter([*ties, *["even"] * (roundings(layers) + 1 - len(ties))])
    own = layers[0]["weight"].shape[1]
    x = features[:, :own].astype(np.int64) - 128
    for layer in layers:
        if "their" in layer:
            said = features[:, own:].reshape(len(features), REFERENCES, -1).astype(np.int64) - 128
            x = np.concatenate([x, mean_message(layer, x, said, ties)], axis=1)
        else:
            x = stage(layer, x, next(ties))
    unit = 2.0**-30 * head["input"]
    weight, bias = (head["weight"] * 2.0**30).astype(np.int64), (head["bias"] / unit).astype(np.int64)
    return divide(x @ weight.T + bias, 1 / unit, next(ties)).astype(np.int32)


def stage(layer, x, ties):
    """One layer over int64 [..., in]."""
    total = x @ layer["weight"].T.astype(np.int64) + layer["bias"]
    return np.clip(divide(total, layer["output"] / (layer["step"] * layer["input"]), ties), 0, 255)


def mean_message(layer, latent, said, ties):
    """MiddleOut over int64: latents [N, own] and what peers say [N, 4, 8] -> [N, message]."""
    their = stage(layer["their"], said, next(ties))
    both = np.concatenate([np.repeat(latent[:, None], REFERENCES, axis=1), their], axis=2)
    total = stage(layer["message"], both, next(ties)).sum(axis=1)
    return np.clip(divide(total, REFERENCES * layer["output"] / layer["message"]["output"], next(ties)), 0, 255)


def divide(x, divisor, ties="even"):
    """round(x / divisor) for int64 x and a power of two; halves to even, as Round and QuantizeLinear do, or as said."""
    shift = round(np.log2(divisor))
    if shift <= 0:
        return x << -shift
    low = x & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    q = x >> shift
    up = {"even": q & 1 == 1, "up": True, "down": False, "away": x > 0, "zero": x < 0}[ties]
    return q + ((low > half) | ((low == half) & up))


def answers(layers, head, real, seed=0):
    """Known answers: real rows, extremes, rows that saturate a neuron, noise, and rows that tell how halves round."""
    random = np.random.default_rng(seed)
    f = width(layers)
    extremes = [np.full(f, v) for v in (0, 127, 128, 129, 255)]
    first = np.pad(layers[0]["weight"], ((0, 0), (0, f - layers[0]["weight"].shape[1])))
    signs = [np.where(s * layer_row > 0, 255, 0) for layer_row in first for s in (1, -1)]
    noise = random.integers(0, 256, (16, f))
    rows = np.vstack([real, extremes, signs, noise, tied(layers, head, random)]).astype(np.uint8)
    return rows, prediction(layers, head, rows)


def tied(layers, head, random, each=2, candidates=1 << 17):
    """Rows, uint8 [n, F], whose outputs tell each other rounding of halves in each layer and in the head."""
    initial_scale = 2.0 ** random.uniform(0, 6, (candidates, 1))
    shape = (candidates, width(layers))
    rows = np.clip(np.rint(128 + initial_scale * random.standard_normal(shape)), 0, 255).astype(np.uint8)
    right = prediction(layers, head, rows)
    found = []
    for number in range(roundings(layers) + 1):
        for ties in ("up", "down", "away", "zero"):
            other = prediction(layers, head, rows, ["even"] * number + [ties])
            found.append(rows[np.flatnonzero((other != right).any(axis=1))[:each]])
    return np.concatenate(found)


def pack(*arrays):
    """Base64 of one zstd frame of the arrays' bytes, little-endian."""
    raw = b"".join(np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)
    return base64.b64encode(zstandard.ZstdCompressor(level=LEVEL).compress(raw)).decode()


def pack_tables(t):
    """The value of `middleout.tables`."""
    second = np.diff(t.cumulative, n=2, axis=1, prepend=np.zeros((len(t.cumulative), 2), np.int32)).astype(np.int32)
    return pack(t.levels, t.shape, t.multiplier, np.array([len(t.cumulative)], np.uint32), second)


def export(path, net, integer_tables, name, real):
    """Write the model file, after its certificate and a run against int64 arithmetic.

    Parameters
    ----------
    net : Network or Recurrent
    integer_tables : Tables
    real : uint8 [N, F]
        Rows from recordings, for the known answers.

    Raises
    ------
    certify.NotExact
        If an intermediate value of the graph might not be exactly representable, or the installed onnxruntime makes
        something else of it.
    """
    from .certify import NotExact, certify
    from .lint import lint

    make = prepare
    if getattr(net, "cells", 0):
        from .recurrent_graph import prepare as make
    model, known, inputs, outputs = make(net, real)
    properties = {
        "middleout.format": "1",
        "middleout.name": name,
        "middleout.tables": pack_tables(integer_tables),
        "middleout.answers": pack(np.array([len(known[0])], np.uint32), *known),
        "middleout.crc": "0" * 8,
    }
    helper.set_model_props(model, properties)
    certificate = certify(model)
    data = seal(model.SerializeToString(deterministic=True))
    check(data, inputs, outputs)
    if found := lint(data):
        raise NotExact("; ".join(found))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)
    return certificate


def seal(data):
    """Put the checksum of a model file into its property `middleout.crc`."""
    return data.replace(CRC_FIELD + b"0" * 8, CRC_FIELD + b"%08x" % zlib.crc32(data))


def prepare(net, real, seed=1):
    """Graph, arrays of known answers, inputs by name, and the outputs that the graph must give for them."""
    layers, head = net.integers()
    rows, outputs = answers(layers, head, real)
    noise = np.random.default_rng(seed).integers(0, 256, (10000, rows.shape[1])).astype(np.uint8)
    many = np.vstack([rows, noise])
    return graph(layers, head), [rows, outputs], split(layers, many), (prediction(layers, head, many),)


def check(data, inputs, outputs):
    """Compare the graph at every optimisation level with int64 arithmetic; RuntimeError if they differ."""
    import onnxruntime as ort

    rows = len(outputs[0])
    for level in ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL"):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        for size in (1, 7, rows):
            found = session.run(None, {name: array[:size] for name, array in inputs.items()})
            if not all(np.array_equal(got, expected[:size]) for got, expected in zip(found, outputs)):
                raise RuntimeError(f"the graph at {level}, {size} rows, differs from integer arithmetic")
