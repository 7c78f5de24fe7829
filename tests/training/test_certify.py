"""The exactness certificate: accepts what export writes, names the node that breaks a rule otherwise."""

import numpy as np
import pytest
from changed_graphs import change, constant, refuse

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from runtime.predictor.metadata import Layer  # noqa: E402
from training.exactness.certificate import NotExact, certify  # noqa: E402
from training.export import feedforward as export  # noqa: E402
from training.export import model_file  # noqa: E402
from training.networks.network import Network  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def parts():
    torch.manual_seed(3)
    net = Network()
    torch.nn.init.normal_(net.head.weight)
    return net.integers()


def test_accepts_the_exported_graph(parts):
    report = certify(export.graph(*parts))
    assert {line[1] for line in report} >= {"Gemm", "Relu", "QuantizeLinear", "Round", "Cast"}
    assert max(line[3] for line in report) < 1 << 24


@pytest.mark.parametrize("scale", [0.015, 3.0, -0.5])
def test_scale_must_be_a_power_of_two(parts, scale):
    model = export.graph(*parts)
    change(model, "layer0_scale", np.float32(scale))
    refuse(model, "layer0_quantised", "power of two")


def test_zero_point(parts):
    model = export.graph(*parts)
    change(model, "own_zero", np.uint8(3))
    refuse(model, "own_real", "zero point")


@pytest.mark.parametrize("weight", [65, -65, -128])
def test_weights_beyond_64(parts, weight):
    model = export.graph(*parts)
    w = np.array(parts[0][1]["weight"])
    w[2, 3] = weight
    change(model, "layer1_weight", w)
    refuse(model, "layer1_weight_real", "beyond 64")


def test_sums_beyond_24_bits(parts):
    layers, head = parts
    head = dict(head, bias=np.array([2.0**20, 2.0**-13], np.float32))
    refuse(export.graph(layers, head), "head", "partial sums")


def test_bias_scale(parts):
    model = export.graph(*parts)
    change(model, "layer0_bias_scale", np.float32(1.0))
    refuse(model, "layer0_sum", "bias")


def test_quantised_layer_without_quantiser(parts):
    model = export.graph(*parts)
    relu = next(n for n in model.graph.node if n.name == "layer1_relu")
    head = next(n for n in model.graph.node if n.name == "head")
    head.input[0] = relu.output[0]
    for name in ("layer1", "layer1_quantised"):
        model.graph.node.remove(next(n for n in model.graph.node if n.name == name))
    refuse(model, "layer1_sum", "without a quantiser")


def test_float_weights_in_front_of_a_quantiser(parts):
    model = export.graph(*parts)
    i = next(i for i, n in enumerate(model.graph.node) if n.name == "head_rounded")
    inputs = ["head", "layer1_scale", "layer1_zero"]
    model.graph.node.insert(i, onnx.helper.make_node("QuantizeLinear", inputs, ["q"], name="q"))
    model.graph.node[i + 1].input[0] = "q"
    refuse(model, "head", "float weights in front of a quantiser")


def test_two_quantiser_pairs_in_a_row(parts):
    model = export.graph(*parts)
    i = next(i for i, n in enumerate(model.graph.node) if n.name == "layer0")
    rest = ["layer0_scale", "layer0_zero"]
    more = [
        onnx.helper.make_node("QuantizeLinear", ["layer0", *rest], ["again"], name="again"),
        onnx.helper.make_node("DequantizeLinear", ["again", *rest], ["twice"], name="twice"),
    ]
    for k, node in enumerate(more):
        model.graph.node.insert(i + 1 + k, node)
    next(n for n in model.graph.node if n.name == "layer1_sum").input[0] = "twice"
    refuse(model, "again", "right after a dequantiser")


@pytest.mark.parametrize("kind", ["Sigmoid", "Softmax", "Mul", "MatMul"])
def test_operators_off_the_list(parts, kind):
    model = export.graph(*parts)
    node = next(n for n in model.graph.node if n.name == "layer0_relu")
    node.op_type = kind
    refuse(model, "layer0_relu", "not on the list")


@pytest.mark.parametrize("name,value", [("alpha", 0.5), ("beta", 2.0)])
def test_gemm_factors(parts, name, value):
    model = export.graph(*parts)
    node = next(n for n in model.graph.node if n.name == "layer0_sum")
    node.attribute.append(onnx.helper.make_attribute(name, value))
    refuse(model, "layer0_sum", name)


def test_output_must_be_rounded(parts):
    model = export.graph(*parts)
    cast = next(n for n in model.graph.node if n.op_type == "Cast")
    cast.input[0] = "head"
    refuse(model, "distribution", "only after a Round")


def test_external_data(parts):
    model = export.graph(*parts)
    constant(model, "head_weight").data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(NotExact, match="external"):
        certify(model)


def with_layers(parts, layers):
    """Return the graph of `parts` with layers in its metadata."""
    model = export.graph(*parts)
    onnx.helper.set_model_props(model, {"middleout.network": model_file.pack_network(layers)})
    return model


def test_accepts_the_layers_of_its_graph(parts):
    assert certify(with_layers(parts, export.plain(*parts)))


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("what", ["weights", "bias", "shift"])
def test_refuses_layers_that_are_not_those_of_the_graph(parts, number, what):
    layers = list(export.plain(*parts))
    values = {name: np.array(value) for name, value in vars(layers[number]).items()}
    values[what].flat[-1] += 1
    layers[number] = Layer(values["weights"], values["bias"], int(values["shift"]))
    with pytest.raises(NotExact, match="the graph computes something else"):
        certify(with_layers(parts, layers))


@pytest.mark.parametrize("name,value", [("own_zero", 0), ("layer0_zero", 128)])
def test_refuses_layers_for_other_zero_points(parts, name, value):
    model = with_layers(parts, export.plain(*parts))
    change(model, name, np.uint8(value))
    with pytest.raises(NotExact, match="the graph computes something else"):
        certify(model)


def test_refuses_damaged_layers(parts):
    model = with_layers(parts, export.plain(*parts)[1:])
    with pytest.raises(NotExact, match="network has the wrong size"):
        certify(model)


def test_an_empty_graph():
    with pytest.raises(NotExact, match="no output"):
        certify(onnx.ModelProto())
