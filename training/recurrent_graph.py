"""A trained `lstm.Recurrent` as an ONNX graph of floats that are integers times powers of two, and in int64.

Inputs `own` uint8 [N, 20] and `state` float32 [N, 2 cells] (cells, then what they show); outputs `distribution` int32
[N, 2] and `next`, the state of the next step. See docs/determinism.md, and docs/format.md, section 9.
"""

import itertools

import numpy as np
from onnx import TensorProto, helper

from .export import IR_VERSION, OPSET, GraphWriter, divide
from .lstm import CELL, GATE, HIDDEN, LIMIT

ONE = 1 << 30  # of weights as integers
SHOWN = GATE * CELL // HIDDEN


class FloatWriter(GraphWriter):
    """Collects nodes of floats."""

    def number(self, value):
        name = f"number_{value:g}"
        if name not in {c.name for c in self.constants}:
            self.constant(name, np.float32(value))
        return name

    def clip(self, x, name, low, high):
        return self.node("Clip", [x, self.number(low), self.number(high)], name)

    def layer(self, x, name, parts, low, high):
        """Gemm, clipped and rounded."""
        w, b = self.constant(f"{name}_weight", parts[0]), self.constant(f"{name}_bias", parts[1])
        x = self.node("Gemm", [x, w, b], f"{name}_sum", transB=1)
        return self.node("Round", [self.clip(x, f"{name}_clipped", low, high)], name)

    def split(self, x, names, size):
        sizes = self.constant(f"{names[0]}_sizes", np.full(len(names), size, np.int64))
        self.nodes.append(helper.make_node("Split", [x, sizes], names, name=f"{x}_parts", axis=1))
        return names

    def scaled(self, x, name, factor):
        """Times a power of two, and rounded."""
        return self.node("Round", [self.node("Mul", [x, self.number(factor)], f"{name}_scaled")], name)


def graph(parts):
    """The ONNX model of `Recurrent.integers()`, without metadata."""
    g, n = FloatWriter(), parts["cells"]
    own = g.node("Cast", ["own"], "own_real", to=TensorProto.FLOAT)
    cell, shown = g.split("state", ["cell", "shown"], n)
    seen = g.node("Concat", [own, shown], "seen", axis=1)
    gates = g.layer(seen, "gates", parts["gates"], 0, GATE)
    enter, keep, out = g.split(gates, ["enter", "keep", "out"], n)
    new = g.layer(seen, "candidate", parts["candidate"], -CELL, CELL)
    kept, entered = g.node("Mul", [keep, cell], "kept"), g.node("Mul", [enter, new], "entered")
    cell = g.scaled(g.node("Add", [kept, entered], "cell_sum"), "cell_rounded", 1 / GATE)
    cell = g.clip(cell, "cell_next", -LIMIT, LIMIT)
    shown = g.node("Mul", [out, g.clip(cell, "cell_clipped", -CELL, CELL)], "shown_product")
    x = g.scaled(shown, "shown_next", 1 / SHOWN)
    g.node("Concat", [cell, x], "next", axis=1)
    for i, layer in enumerate(parts["layers"]):
        x = g.layer(x, f"layer{i}", layer, 0, 255)
    w, b = g.constant("head_weight", parts["head"][0]), g.constant("head_bias", parts["head"][1])
    x = g.node("Round", [g.node("Gemm", [x, w, b], "head", transB=1)], "head_rounded")
    g.node("Cast", [x], "distribution", to=TensorProto.INT32)
    features = parts["gates"][0].shape[1] - n
    ends = [("own", TensorProto.UINT8, features), ("state", TensorProto.FLOAT, 2 * n)]
    ends += [("distribution", TensorProto.INT32, 2), ("next", TensorProto.FLOAT, 2 * n)]
    ends = [helper.make_tensor_value_info(name, kind, ["N", size]) for name, kind, size in ends]
    body = helper.make_graph(g.nodes, "middleout", ends[:2], ends[2:], g.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="middleout")
    model.ir_version = IR_VERSION
    return model


def roundings(parts):
    """How many stages of the network round, without the head."""
    return 4 + len(parts["layers"])


def prediction(parts, own, state, ties=()):
    """The same network in int64 arithmetic: uint8 [N, 20] and int [N, 2 cells] -> int32 [N, 2] and the next state.

    `ties` says how each stage and the head divide, where it is not as the graph does: for `answers`.
    """
    ties = iter([*ties, *["even"] * (roundings(parts) + 1 - len(ties))])
    n = parts["cells"]
    own, state = own.astype(np.int64), state.astype(np.int64)
    cell, seen = state[:, :n], np.concatenate([own, state[:, n:]], axis=1)
    enter, keep, out = np.split(stage(parts["gates"], seen, next(ties), 0, GATE), 3, axis=1)
    new = stage(parts["candidate"], seen, next(ties), -CELL, CELL)
    cell = np.clip(divide(keep * cell + enter * new, GATE, next(ties)), -LIMIT, LIMIT)
    x = shown = divide(out * np.clip(cell, -CELL, CELL), SHOWN, next(ties))
    for layer in parts["layers"]:
        x = stage(layer, x, next(ties), 0, 255)
    return stage(parts["head"], x, next(ties)).astype(np.int32), np.concatenate([cell, shown], axis=1)


def stage(layer, x, ties, low=-(2**31), high=2**31 - 1):
    """One layer over int64 [N, in]."""
    weight, bias = ((p.astype(np.float64) * ONE).astype(np.int64) for p in layer)
    return np.clip(divide(x @ weight.T + bias, ONE, ties), low, high)


def answers(parts, real, seed=0):
    """Known answers (own, state, distribution, next): real rows in sequence, extremes, noise, ties; see `export`."""
    random, n = np.random.default_rng(seed), parts["cells"]
    state, made = np.zeros((1, 2 * n), np.int64), []
    for row in real[:, None]:
        made.append((row, state))
        state = prediction(parts, row, state)[1]
    for value, cells, shown in itertools.product((0, 127, 128, 255), (-LIMIT, LIMIT), (-HIDDEN, HIDDEN)):
        made.append((np.full((1, real.shape[1]), value), np.repeat([[cells, shown]], n, axis=1)))
    made.append(noise(random, 32, parts))
    made.append(tied(parts, random))
    own, state = (np.concatenate(column) for column in zip(*made))
    return own.astype(np.uint8), state, *prediction(parts, own, state)


def noise(random, count, parts):
    """Random inputs, and states within their bounds."""
    n = parts["cells"]
    initial_scale = 2.0 ** random.uniform(0, 6, (count, 1))
    own = np.clip(
        np.rint(128 + initial_scale * random.standard_normal((count, parts["gates"][0].shape[1] - n))), 0, 255
    )
    cells = LIMIT * 2.0 ** -random.uniform(0, 8, (count, 1)) * random.uniform(-1, 1, (count, n))
    shown = random.integers(-HIDDEN, HIDDEN + 1, (count, n))
    return own.astype(np.int64), np.concatenate([np.rint(cells).astype(np.int64), shown], axis=1)


def tied(parts, random, each=2, candidates=1 << 15, rounds=8):
    """Rows whose outputs or next states tell each other rounding of halves in each stage and in the head."""
    kinds = itertools.product(range(roundings(parts) + 1), ("up", "down", "away", "zero"))
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


def prepare(net, real, seed=1):
    """What `export.export` needs: graph, arrays of known answers, inputs, and the outputs that they must give."""
    parts = net.integers()
    own, state, distribution, after = answers(parts, real)
    known = [own, state.astype(np.float32), distribution, after.astype(np.float32)]
    more_own, more_state = noise(np.random.default_rng(seed), 10000, parts)
    own, state = np.concatenate([own, more_own]).astype(np.uint8), np.concatenate([state, more_state])
    outputs = prediction(parts, own, state)
    return graph(parts), known, {"own": own, "state": state.astype(np.float32)}, outputs
