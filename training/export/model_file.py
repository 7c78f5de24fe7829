"""Write a trained network as an ONNX file with its tables and known answers inside.

The bytes depend on the checkpoint alone: no time stamps, no tool versions. See docs/format.md, section 9.
"""

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zstandard
from onnx import ModelProto, helper

from runtime.core.imports import onnxruntime
from runtime.entropy.entropy_model import Tables
from runtime.predictor.metadata import Layer
from runtime.predictor.model import CRC_FIELD

from ..exactness.certificate import certify
from ..exactness.intervals import NotExact, Report
from ..exactness.lint import lint
from . import feedforward, recurrent

ort = onnxruntime()

ZSTD_LEVEL = 19
NOISE = 10000  # random rows on which graph and integer arithmetic are compared


@dataclass
class Exported:
    """A graph and what it must give.

    known : arrays of the known answers
    inputs, outputs : of the comparison with integer arithmetic
    layers : of a plain network, in integers
    """

    model: ModelProto
    known: list[np.ndarray]
    inputs: dict[str, np.ndarray]
    outputs: Sequence[np.ndarray]
    layers: Sequence[Layer] | None = None


def prepare(net, real: np.ndarray, seed: int = 1) -> Exported:
    """Return the graph of a network without a state; `real` are rows from recordings, uint8 [N, F]."""
    layers, head = net.integers()
    rows, outputs = feedforward.answers(layers, head, real)
    noise = np.random.default_rng(seed).integers(0, 256, (NOISE, rows.shape[1])).astype(np.uint8)
    many = np.vstack([rows, noise])
    model, expected = feedforward.graph(layers, head), feedforward.prediction(layers, head, many)
    plain = feedforward.plain(layers, head)
    return Exported(model, [rows, outputs], feedforward.split(layers, many), [expected], plain)


def prepare_recurrent(net, real: np.ndarray, seed: int = 1) -> Exported:
    """Return the graph of an LSTM."""
    parts = net.integers()
    own, state, distribution, after = recurrent.answers(parts, real)
    known = [own, state.astype(np.float32), distribution, after.astype(np.float32)]
    more_own, more_state = recurrent.noise(np.random.default_rng(seed), NOISE, parts)
    own, state = np.concatenate([own, more_own]).astype(np.uint8), np.concatenate([state, more_state])
    inputs = {"own": own, "state": state.astype(np.float32)}
    return Exported(recurrent.graph(parts), known, inputs, recurrent.prediction(parts, own, state))


def pack(*arrays: np.ndarray) -> str:
    """Return one zstd frame of the arrays' bytes, little-endian, in Base64."""
    raw = b"".join(np.ascontiguousarray(a).astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)
    return base64.b64encode(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(raw)).decode()


def pack_tables(t: Tables) -> str:
    """Return the value of `middleout.tables`."""
    second = np.diff(t.cumulative, n=2, axis=1, prepend=np.zeros((len(t.cumulative), 2), np.int32)).astype(np.int32)
    return pack(t.levels, t.shape, t.multiplier, np.array([len(t.cumulative)], np.uint32), second)


def pack_network(layers: Sequence[Layer]) -> str:
    """Return the value of `middleout.network`."""
    sizes = [len(layers), len(layers[0].weights), *(len(layer.bias) for layer in layers)]
    parts = [np.concatenate([[layer.shift], layer.bias, layer.weights.ravel()]) for layer in layers]
    return pack(np.concatenate([sizes, *parts]).astype(np.int32))


def export(path: str | Path, net, integer_tables: Tables, name: str, real: np.ndarray) -> Report:
    """Write the model file, after its certificate and a run against int64 arithmetic; return the certificate.

    Parameters
    ----------
    net : Network or Recurrent
    real : uint8 [N, F]
        Rows from recordings, for the known answers.

    Raises
    ------
    NotExact
        If an intermediate value of the graph might not be exactly representable, the graph does not compute what the
        integers in the metadata do, or the installed onnxruntime makes something else of it.
    """
    made = (prepare_recurrent if getattr(net, "cells", 0) else prepare)(net, real)
    properties = {
        "middleout.format": "1",
        "middleout.name": name,
        "middleout.tables": pack_tables(integer_tables),
        "middleout.answers": pack(np.array([len(made.known[0])], np.uint32), *made.known),
        "middleout.crc": "0" * 8,
    }
    if made.layers is not None:
        properties["middleout.network"] = pack_network(made.layers)
    helper.set_model_props(made.model, properties)
    certificate = certify(made.model)
    data = seal(made.model.SerializeToString(deterministic=True))
    check(data, made.inputs, made.outputs)
    if found := lint(data):
        raise NotExact("; ".join(found))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data)
    return certificate


def seal(data: bytes) -> bytes:
    """Put the checksum of a model file into its property `middleout.crc`."""
    return data.replace(CRC_FIELD + b"0" * 8, CRC_FIELD + b"%08x" % zlib.crc32(data))


def check(data: bytes, inputs: dict[str, np.ndarray], outputs: Sequence[np.ndarray]) -> None:
    """Compare the graph at every optimisation level with int64 arithmetic; RuntimeError if they differ."""
    rows = len(outputs[0])
    for level in ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL"):
        options = ort.SessionOptions()
        options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
        session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        for size in (1, 7, rows):
            found = session.run(None, {name: array[:size] for name, array in inputs.items()})
            if not all(np.array_equal(got, expected[:size]) for got, expected in zip(found, outputs)):
                raise RuntimeError(f"the graph at {level}, {size} rows, differs from integer arithmetic")
