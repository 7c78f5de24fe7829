"""The small frozen model of the conformance vectors: 20 -> 8 -> 8, random but sensible, not trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from runtime.entropy.entropy_model import SCALES, TABLE, Tables
from training.export.model_file import export
from training.simulate import TRANSITION_LEVELS

UNIT = 2.0**-6
TOP = (1 << 20) - 1024


def layers(random):
    """Neuron 0 of each layer carries the level of the middle running mean, all others hear everything."""
    first, second = random.integers(-24, 25, (8, 20)), random.integers(-20, 21, (8, 8))
    first[0], second[0] = 0, random.integers(-2, 3, 8)
    first[0, 18] = second[0, 0] = 64
    first_bias, second_bias = random.integers(-4000, 4000, 8), random.integers(-2000, 4000, 8)
    first_bias[0], second_bias[0] = 64 * (128 - 56), 0
    return [_layer(first, first_bias), _layer(second, second_bias)]


def messages(random):
    """Peers' latents of 4 and messages of 3; and the second layer with weights for these."""
    their = _layer(random.integers(-40, 41, (4, 8)), random.integers(-2000, 3000, 4))
    message = _layer(random.integers(-30, 31, (3, 12)), random.integers(-2000, 3000, 3), output=2 * UNIT)
    return {"reference": their, "message": message, "output": UNIT}


def _layer(weight, bias, output=UNIT):
    return {
        "weight": weight.astype(np.int8),
        "bias": bias.astype(np.int32),
        "input": UNIT,
        "step": UNIT,
        "output": output,
    }


def head(random):
    """Offset from neurons 1 to 7; the scale index is neuron 0 and a little of the others."""
    weight = random.integers(-1024, 1025, (2, 8)) / 2.0**8
    weight[1] /= 4
    weight[0, 0], weight[1, 0] = 0, 64
    return {"weight": weight.astype(np.float32), "bias": np.array([0.25, -3.5], np.float32), "input": UNIT}


def tables():
    """Logistic distributions of two widths and a mixture, over levels like the converter's."""
    u = (np.arange(TABLE) - TABLE // 2 + 0.5) / 64
    logistic = lambda width: 1 / (1 + np.exp(-u / width))  # noqa: E731
    rows = [logistic(0.9), 0.9 * logistic(0.8) + 0.1 * logistic(2.5), 0.8 * logistic(1) + 0.2 * logistic(4)]
    multiplier = np.rint(2.0 ** (16 + 3 - np.arange(SCALES) / 16)).astype(np.int32)  # scale i is 2^(i/16 - 3) codes
    cumulative = np.rint(np.array(rows) * TOP).astype(np.int32)
    cumulative[:, 0], cumulative[:, -1] = 0, TOP
    shape = np.repeat(np.arange(3, dtype=np.uint8), [40, 50, SCALES - 90])
    return Tables(np.rint(TRANSITION_LEVELS * 64).astype(np.int32), shape, multiplier, cumulative)


def recurrent(random):
    """Three cells, then 4 neurons. Cell 0 carries the level of the middle running mean, which neuron 0 and the scale
    index follow; the others forget slowly."""
    gates, candidate = random.integers(-16, 17, (9, 23)) / 16, random.integers(-24, 25, (3, 23)) / 4
    gates_bias = np.repeat([128.0, 235.0, 128.0], 3) - 128 * gates[:, :20].sum(axis=1)
    candidate_bias = -128 * candidate[:, :20].sum(axis=1)
    gates[::3], gates_bias[::3] = 0, [256, 0, 256]
    candidate[0], candidate[0, 18], candidate_bias[0] = 0, 32, -4096
    layer, bias = random.integers(-64, 65, (4, 3)) / 64, random.integers(0, 64, 4) * 1.0
    layer[0], bias[0] = [1, 0, 0], 72
    head = random.integers(-64, 65, (2, 4)) / 2**6
    head[0, 0], head[1] = 0, [1, *random.integers(-8, 9, 3) / 2**6]
    pairs = [(gates, gates_bias), (candidate, candidate_bias), (layer, bias), (head, np.array([0.25, -3.5]))]
    gates, candidate, layer, head = [tuple(part.astype(np.float32) for part in pair) for pair in pairs]
    return {"cells": 3, "gates": gates, "candidate": candidate, "layers": [layer], "head": head}


def write_recurrent(path: Path) -> None:
    """Write the model file of a network with a state, with its certificate."""
    random = np.random.default_rng(4)
    parts = recurrent(random)
    network = SimpleNamespace(integers=lambda: parts, cells=parts["cells"])
    real = np.clip(np.rint(128 + 8 * random.standard_normal((40, 20))), 0, 255).astype(np.uint8)
    export(path, network, tables(), "recurrent-v1", real)


def write(path: Path, with_messages: bool = False) -> None:
    """Write the model file, with its certificate."""
    random = np.random.default_rng(1)
    integers = layers(random), head(random)
    if with_messages:
        first, second = integers[0]
        second["weight"] = np.pad(second["weight"], ((0, 0), (0, 3)))
        second["weight"][1:, 8:] = random.integers(-30, 31, (7, 3))
        integers = [first, messages(random), second], integers[1]
    network = SimpleNamespace(integers=lambda: integers)
    real = np.clip(np.rint(128 + 8 * random.standard_normal((64, 52 if with_messages else 20))), 0, 255).astype(
        np.uint8
    )
    export(path, network, tables(), "messages-v1" if with_messages else "vectors-v1", real)
