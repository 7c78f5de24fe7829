"""A trained `lstm.Recurrent` as an ONNX graph of floats that are integers times powers of two, and in int64.

Inputs `own` uint8 [N, 20] and `state` float32 [N, 2 cells] (cells, then hidden units); outputs `distribution` int32
[N, 2] and `next`, the state of the next step. See docs/determinism.md, and docs/format.md, section 9.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from ..networks.units import CELL_LIMIT, CELL_SCALE, GATE_SCALE, HIDDEN_SCALE
from .arithmetic import TIES, divide
from .graph_writer import GraphWriter

ONE = 1 << 30  # of weights as integers
HIDDEN_DIVISOR = GATE_SCALE * CELL_SCALE // HIDDEN_SCALE


class FloatWriter(GraphWriter):
    """Collect nodes of floats; methods return the name of their output."""

    def number(self, value: float) -> str:
        """Add a constant once."""
        name = f"number_{value:g}"
        if name not in {c.name for c in self.constants}:
            self.constant(name, np.float32(value))
        return name

    def clip(self, x: str, name: str, low: float, high: float) -> str:
        """Add a Clip."""
        return self.node("Clip", [x, self.number(low), self.number(high)], name)

    def layer(self, x: str, name: str, parts: tuple, low: float, high: float) -> str:
        """Add a Gemm, clipped and rounded."""
        w, b = self.constant(f"{name}_weight", parts[0]), self.constant(f"{name}_bias", parts[1])
        x = self.node("Gemm", [x, w, b], f"{name}_sum", transB=1)
        return self.node("Round", [self.clip(x, f"{name}_clipped", low, high)], name)

    def split(self, x: str, names: list[str], size: int) -> list[str]:
        """Add a Split of rows into parts of one size."""
        sizes = self.constant(f"{names[0]}_sizes", np.full(len(names), size, np.int64))
        self.nodes.append(helper.make_node("Split", [x, sizes], names, name=f"{x}_parts", axis=1))
        return names

    def scaled(self, x: str, name: str, factor: float) -> str:
        """Add a product with a power of two, rounded."""
        return self.node("Round", [self.node("Mul", [x, self.number(factor)], f"{name}_scaled")], name)


def graph(parts: dict) -> ModelProto:
    """Return the ONNX model of `Recurrent.integers()`, without metadata."""
    g, n = FloatWriter(), parts["cells"]
    own = g.node("Cast", ["own"], "own_real", to=TensorProto.FLOAT)
    cell, hidden = g.split("state", ["cell", "shown"], n)
    both = g.node("Concat", [own, hidden], "seen", axis=1)
    gates = g.layer(both, "gates", parts["gates"], 0, GATE_SCALE)
    input_gate, forget_gate, output_gate = g.split(gates, ["enter", "keep", "out"], n)
    candidate = g.layer(both, "candidate", parts["candidate"], -CELL_SCALE, CELL_SCALE)
    kept, added = g.node("Mul", [forget_gate, cell], "kept"), g.node("Mul", [input_gate, candidate], "entered")
    cell = g.scaled(g.node("Add", [kept, added], "cell_sum"), "cell_rounded", 1 / GATE_SCALE)
    cell = g.clip(cell, "cell_next", -CELL_LIMIT, CELL_LIMIT)
    clipped = g.clip(cell, "cell_clipped", -CELL_SCALE, CELL_SCALE)
    x = g.scaled(g.node("Mul", [output_gate, clipped], "shown_product"), "shown_next", 1 / HIDDEN_DIVISOR)
    g.node("Concat", [cell, x], "next", axis=1)
    for i, layer in enumerate(parts["layers"]):
        x = g.layer(x, f"layer{i}", layer, 0, 255)
    w, b = g.constant("head_weight", parts["head"][0]), g.constant("head_bias", parts["head"][1])
    x = g.node("Round", [g.node("Gemm", [x, w, b], "head", transB=1)], "head_rounded")
    g.node("Cast", [x], "distribution", to=TensorProto.INT32)
    inputs = {"own": (TensorProto.UINT8, parts["gates"][0].shape[1] - n), "state": (TensorProto.FLOAT, 2 * n)}
    return g.model(inputs, {"distribution": (TensorProto.INT32, 2), "next": (TensorProto.FLOAT, 2 * n)})


def roundings(parts: dict) -> int:
    """Return how many stages of the network round, without the head."""
    return 4 + len(parts["layers"])


def prediction(
    parts: dict, own: np.ndarray, state: np.ndarray, ties: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the same network in int64: uint8 [N, 20] and int [N, 2 cells] -> int32 [N, 2] and the next state.

    `ties` names how each stage and the head divide, where it is not as the graph does: for `answers`.
    """
    ties = iter([*ties, *["even"] * (roundings(parts) + 1 - len(ties))])
    n = parts["cells"]
    own, state = own.astype(np.int64), state.astype(np.int64)
    cell, both = state[:, :n], np.concatenate([own, state[:, n:]], axis=1)
    gates = stage(parts["gates"], both, next(ties), 0, GATE_SCALE)
    input_gate, forget_gate, output_gate = np.split(gates, 3, axis=1)
    candidate = stage(parts["candidate"], both, next(ties), -CELL_SCALE, CELL_SCALE)
    cell = divide(forget_gate * cell + input_gate * candidate, GATE_SCALE, next(ties))
    cell = np.clip(cell, -CELL_LIMIT, CELL_LIMIT)
    x = hidden = divide(output_gate * np.clip(cell, -CELL_SCALE, CELL_SCALE), HIDDEN_DIVISOR, next(ties))
    for layer in parts["layers"]:
        x = stage(layer, x, next(ties), 0, 255)
    return stage(parts["head"], x, next(ties)).astype(np.int32), np.concatenate([cell, hidden], axis=1)


def stage(layer: tuple, x: np.ndarray, ties: str, low: int = -(2**31), high: int = 2**31 - 1) -> np.ndarray:
    """Return one layer's output for int64 [N, in]."""
    weight, bias = ((p.astype(np.float64) * ONE).astype(np.int64) for p in layer)
    return np.clip(divide(x @ weight.T + bias, ONE, ties), low, high)


def answers(parts: dict, real: np.ndarray, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return known answers (own, state, distribution, next): real rows in sequence, extremes, noise, ties."""
    random, n = np.random.default_rng(seed), parts["cells"]
    state, made = np.zeros((1, 2 * n), np.int64), []
    for row in real[:, None]:
        made.append((row, state))
        state = prediction(parts, row, state)[1]
    for value, cell, hidden in itertools.product(
        (0, 127, 128, 255), (-CELL_LIMIT, CELL_LIMIT), (-HIDDEN_SCALE, HIDDEN_SCALE)
    ):
        made.append((np.full((1, real.shape[1]), value), np.repeat([[cell, hidden]], n, axis=1)))
    made.append(noise(random, 32, parts))
    made.append(tied(parts, random))
    own, state = (np.concatenate(column) for column in zip(*made))
    return own.astype(np.uint8), state, *prediction(parts, own, state)


def noise(random: np.random.Generator, count: int, parts: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return random inputs, and states within their bounds."""
    n = parts["cells"]
    deviation, shape = 2.0 ** random.uniform(0, 6, (count, 1)), (count, parts["gates"][0].shape[1] - n)
    own = np.clip(np.rint(128 + deviation * random.standard_normal(shape)), 0, 255)
    cells = CELL_LIMIT * 2.0 ** -random.uniform(0, 8, (count, 1)) * random.uniform(-1, 1, (count, n))
    hidden = random.integers(-HIDDEN_SCALE, HIDDEN_SCALE + 1, (count, n))
    return own.astype(np.int64), np.concatenate([np.rint(cells).astype(np.int64), hidden], axis=1)


def tied(
    parts: dict, random: np.random.Generator, each: int = 2, candidates: int = 1 << 15, rounds: int = 8
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows whose outputs or next states tell each other rounding of halves in each stage and in the head."""
    kinds = itertools.product(range(roundings(parts) + 1), TIES)
    wanted, found = dict.fromkeys(kinds, each), []
    for _ in range(rounds):
        own, state = noise(random, candidates, parts)
        right = np.concatenate(prediction(parts, own, state), axis=1)
        for number, ties in [kind for kind, missing in wanted.items() if missing]:
            other = np.concatenate(prediction(parts, own, state, ["even"] * number + [ties]), axis=1)
            rows = np.flatnonzero((other != right).any(axis=1))[: wanted[number, ties]]
            found.append((own[rows], state[rows]))
            wanted[number, ties] -= len(rows)
    return tuple(np.concatenate(column) for column in zip(*found))
