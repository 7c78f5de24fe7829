"""A trained `Network` as a QDQ-int8 graph and in int64 arithmetic; see docs/format.md, section 9."""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto

from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.metadata import Layer

from .arithmetic import TIES, last_layer, quantised_layer, quotient, stage
from .graph_writer import GraphWriter
from .messages import add_messages, mean_message


def graph(layers: list[dict], head: dict) -> ModelProto:
    """Return the ONNX model of `Network.integers()`, without metadata."""
    g = GraphWriter()
    x = g.dequantise("own", "own", layers[0]["input"], np.uint8(128))
    inputs = {"own": (TensorProto.UINT8, layers[0]["weight"].shape[1])}
    quantised = None
    for i, layer in enumerate(layers):
        if "message" in layer:
            x = g.real(add_messages(g, quantised, f"layer{i - 1}", layer), f"layer{i - 1}")
            inputs["messages"] = (TensorProto.UINT8, REFERENCES, layer["reference"]["weight"].shape[1])
        else:
            quantised = g.gemm(x, f"layer{i}", layer)
            if "message" not in (layers[i + 1 :] or [{}])[0]:
                x = g.real(quantised, f"layer{i}")
    w, b = g.constant("head_weight", head["weight"]), g.constant("head_bias", head["bias"])
    x = g.node("Gemm", [x, w, b], "head", transB=1)
    x = g.node("Round", [x], "head_rounded")
    g.node("Cast", [x], "distribution", to=TensorProto.INT32)
    return g.model(inputs, {"distribution": (TensorProto.INT32, 2)})


def plain(layers: list[dict], head: dict) -> tuple[Layer, ...] | None:
    """Return the layers that stand in the model's metadata: None for a network with messages."""
    if any("message" in layer for layer in layers):
        return None
    return (*map(quantised_layer, layers), last_layer(head))


def width(layers: list[dict]) -> int:
    """Return the inputs of a row: the own features, and behind them those of all references."""
    references = [layer["reference"]["weight"].shape[1] * REFERENCES for layer in layers if "message" in layer]
    return layers[0]["weight"].shape[1] + sum(references)


def split(layers: list[dict], rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the graph's inputs by name from rows uint8 [N, F]."""
    own = layers[0]["weight"].shape[1]
    parts = {"own": rows[:, :own], "messages": rows[:, own:].reshape(len(rows), REFERENCES, -1)}
    return {name: np.ascontiguousarray(part) for name, part in parts.items() if part.size or name == "own"}


def roundings(layers: list[dict]) -> int:
    """Return how many stages of the network round, without the head."""
    return sum(3 if "message" in layer else 1 for layer in layers)


def prediction(layers: list[dict], head: dict, features: np.ndarray, ties: Sequence[str] = ()) -> np.ndarray:
    """Compute the same network in int64 arithmetic: uint8 [N, F] -> int32 [N, 2].

    `ties` names how each stage and the head divide, where it is not as the graph does: for `answers`.
    """
    ties = iter([*ties, *["even"] * (roundings(layers) + 1 - len(ties))])
    own = layers[0]["weight"].shape[1]
    x = features[:, :own].astype(np.int64) - 128
    for layer in layers:
        if "message" in layer:
            inputs = features[:, own:].reshape(len(features), REFERENCES, -1).astype(np.int64) - 128
            x = np.concatenate([x, mean_message(layer, x, inputs, ties)], axis=1)
        else:
            x = stage(layer, x, next(ties))
    return quotient(last_layer(head), x, next(ties)).astype(np.int32)


def answers(layers: list[dict], head: dict, real: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return known answers: real rows, extremes, rows that saturate a neuron, noise, rows with halves to round."""
    random = np.random.default_rng(seed)
    f = width(layers)
    extremes = [np.full(f, v) for v in (0, 127, 128, 129, 255)]
    first = np.pad(layers[0]["weight"], ((0, 0), (0, f - layers[0]["weight"].shape[1])))
    signs = [np.where(s * layer_row > 0, 255, 0) for layer_row in first for s in (1, -1)]
    noise = random.integers(0, 256, (16, f))
    rows = np.vstack([real, extremes, signs, noise, tied(layers, head, random)]).astype(np.uint8)
    return rows, prediction(layers, head, rows)


def tied(
    layers: list[dict], head: dict, random: np.random.Generator, each: int = 2, candidates: int = 1 << 17
) -> np.ndarray:
    """Return rows, uint8 [n, F], whose outputs tell each other rounding of halves in each layer and in the head."""
    deviation = 2.0 ** random.uniform(0, 6, (candidates, 1))
    shape = (candidates, width(layers))
    rows = np.clip(np.rint(128 + deviation * random.standard_normal(shape)), 0, 255).astype(np.uint8)
    right = prediction(layers, head, rows)
    found = []
    for number in range(roundings(layers) + 1):
        for ties in TIES:
            other = prediction(layers, head, rows, ["even"] * number + [ties])
            found.append(rows[np.flatnonzero((other != right).any(axis=1))[:each]])
    return np.concatenate(found)
