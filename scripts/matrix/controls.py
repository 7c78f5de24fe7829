"""The negative control of scripts/determinism: the same network, exported as everybody does it. Needs onnx.

`tensor` and `channel` have scales by range instead of powers of two, weights up to 127, and int8 weights in the last
layer; `floats` has weights as training leaves them, and `recurrent` those of a network with a state. They are graphs
that runtimes are free to compute a little differently each, and do: where the matrix shows no difference for them, it
could show none for anything.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def read(model):
    """Return real weights and biases of an exported model's layers, and the largest activation of each."""
    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    layers = []
    while f"layer{len(layers)}_weight" in constants:
        name = f"layer{len(layers)}"
        parts = [constants[f"{name}_{k}"] * constants[f"{name}_{k}_scale"] for k in ("weight", "bias")]
        layers.append([*(p.astype(np.float64) for p in parts), float(constants[f"{name}_scale"]) * 255])
    head = [constants["head_weight"].astype(np.float64), constants["head_bias"].astype(np.float64), None]
    return [*layers, head]


def trained(layers):
    """Return weights that are no multiples of anything: a little noise below the quantisation step."""
    random = np.random.default_rng(3)

    def noisy(x):
        return x + random.uniform(-0.5, 0.5, x.shape) * 2.0**-10

    return [[noisy(weight), noisy(bias), top] for weight, bias, top in layers]


class Graph:
    def __init__(self):
        self.nodes, self.tensors = [], []

    def constant(self, array):
        self.tensors.append(numpy_helper.from_array(np.asarray(array), f"c{len(self.tensors)}"))
        return self.tensors[-1].name

    def node(self, kind, *inputs, **attributes):
        output = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def quantised(self, array, scale, kind):
        """Add a constant that is dequantised in the graph, with one scale or one for each output."""
        scale = np.asarray(scale)
        column = scale.reshape(-1, *[1] * (array.ndim - 1)) if scale.ndim else scale
        whole = np.clip(np.rint(array / column), np.iinfo(kind).min, np.iinfo(kind).max).astype(kind)
        constants = [self.constant(part) for part in (whole, scale.astype(np.float32), np.zeros(scale.shape, kind))]
        return self.node("DequantizeLinear", *constants, axis=0)

    def model(self, x):
        self.node("Round", x)
        self.nodes.append(helper.make_node("Cast", [self.nodes[-1].output[0]], ["distribution"], to=TensorProto.INT32))
        own = helper.make_tensor_value_info("own", TensorProto.UINT8, ["N", 20])
        out = helper.make_tensor_value_info("distribution", TensorProto.INT32, ["N", 2])
        graph = helper.make_graph(self.nodes, "control", [own], [out], self.tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tensor(layers):
    return quantised(layers, lambda weight: np.abs(weight).max())


def channel(layers):
    return quantised(layers, lambda weight: np.abs(weight).max(axis=1))


def quantised(layers, largest):
    """Return an int8 network whose weights' scales follow `largest`."""
    g, scale = Graph(), 2.0**-6
    x = g.node("DequantizeLinear", "own", g.constant(np.float32(scale)), g.constant(np.uint8(128)))
    for weight, bias, top in layers:
        step = largest(weight) / 127
        w = g.quantised(weight, step, np.int8)
        b = g.quantised(bias, step * scale, np.int32)
        x = g.node("Gemm", x, w, b, transB=1)
        if top is None:
            break
        scale = top / 255 * 0.87
        q = [g.constant(np.float32(scale)), g.constant(np.uint8(0))]
        x = g.node("DequantizeLinear", g.node("QuantizeLinear", g.node("Relu", x), *q), *q)
    return g.model(x)


def floats(layers):
    """Return a network in floats, with outputs 64 times finer than the codec's, so that differences show."""
    g = Graph()
    *layers, (weight, bias, top) = layers
    layers = [*layers, (64 * weight, 64 * bias, top)]
    x = g.node("Sub", g.node("Cast", "own", to=TensorProto.FLOAT), g.constant(np.float32(128)))
    x = g.node("Mul", x, g.constant(np.float32(2.0**-6)))
    for weight, bias, top in layers:
        x = g.node("Gemm", x, g.constant(weight.astype(np.float32)), g.constant(bias.astype(np.float32)), transB=1)
        x = x if top is None else g.node("Relu", x)
    return g.model(x)


def recurrent(model):
    """Return a network with a state as trained in floats: weights off the grids, nothing rounded within."""
    random, made = np.random.default_rng(3), type(model)()
    made.CopyFrom(model)
    for tensor in made.graph.initializer:
        if tensor.name.endswith("_weight"):
            weight = numpy_helper.to_array(tensor)
            noisy = (weight * random.uniform(0.99, 1.01, weight.shape)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(noisy, tensor.name))
    for node in made.graph.node:
        if node.op_type == "Round" and node.name != "head_rounded":
            node.op_type = "Identity"
    return made


def write(model, with_state, folder):
    """Write all controls into a folder: of an onnx.ModelProto, and of one with a state."""
    unrounded = recurrent(with_state).SerializeToString(deterministic=True)
    (folder / "control recurrent.onnx").write_bytes(unrounded)
    layers = trained(read(model))
    for build in (tensor, channel, floats):
        (folder / f"control {build.__name__}.onnx").write_bytes(build(layers).SerializeToString(deterministic=True))
