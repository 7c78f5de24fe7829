"""The lint over optimised graphs: quiet about our models, loud about what onnxruntime makes of others."""

import conformance
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from training.exactness import lint  # noqa: E402

pytestmark = pytest.mark.slow


def test_our_models_pass(root):
    for path in (conformance.MODEL, *(root / "models").glob("*.onnx")):
        assert lint.lint(path.read_bytes()) == []


def test_the_command(capsys):
    assert lint.main([conformance.MODEL]) == 0
    assert "nothing but exact operators" in capsys.readouterr().out


def build(nodes, **constants):
    """A model of nodes (kind, inputs, output) from `own` to `distribution`."""
    made = [helper.make_node(kind, ins.split(), [output], name=output, **more) for kind, ins, output, more in nodes]
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    own = helper.make_tensor_value_info("own", TensorProto.UINT8, ["N", 16])
    out = helper.make_tensor_value_info("distribution", TensorProto.FLOAT, ["N", 16])
    graph = helper.make_graph(made, "test", [own], [out], tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def scales(**values):
    made = {}
    for name, value in values.items():
        made |= {f"{name}_s": np.float32(value), f"{name}_z": np.uint8(0)}
    return made


def test_an_add_with_unequal_scales():
    nodes = [
        ("DequantizeLinear", "own a_s a_z", "x", {}),
        ("DequantizeLinear", "other b_s b_z", "y", {}),
        ("Add", "x y", "sum", {}),
        ("QuantizeLinear", "sum c_s c_z", "q", {}),
        ("DequantizeLinear", "q c_s c_z", "distribution", {}),
    ]
    other = np.arange(16, dtype=np.uint8)[None]
    for unequal, expected in ((0.5, True), (0.25, False)):
        model = build(nodes, other=other, **scales(a=0.25, b=unequal, c=0.25))
        found = lint.lint(model.SerializeToString())
        assert any("ties away from zero" in text for text in found) == expected


def test_operators_off_the_list():
    model = build([("Cast", "own", "x", {"to": 1}), ("Sigmoid", "x", "distribution", {})])
    assert "not on the list" in lint.lint(model.SerializeToString())[0]


@pytest.mark.parametrize("kind", ["MatMulNBits", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QLinearSigmoid"])
def test_operators_that_the_optimiser_may_put_in(kind):
    model = build([(kind, "own w", "distribution", {"domain": "com.microsoft"})])
    assert len(lint.problems(model)) == 1


@pytest.mark.parametrize("scale, inputs, bad", [(0.25, 9, False), (0.3, 9, True), (0.25, 7, True)])
def test_quantised_layers(scale, inputs, bad):
    names = "own a_s a_z w b_s b_z bias c_s c_z".split()[:inputs]
    node = ("QGemm", " ".join(names), "distribution", {"domain": "com.microsoft"})
    model = build([node], **scales(a=0.5, b=scale, c=1))
    assert bool(lint.problems(model)) == bad


def test_a_factor():
    model = build([("Gemm", "own w b", "distribution", {"alpha": 0.5})])
    assert lint.problems(model) == ["Gemm distribution: a factor is not 1"]


def test_what_this_onnxruntime_makes_of_int8_weights_with_float_output():
    """Since 1.25.1 a MatMulNBits; whatever it is, the lint or the certificate must refuse it."""
    from training.exactness.certificate import NotExact, certify

    nodes = [
        ("DequantizeLinear", "own a_s a_z", "x", {}),
        ("DequantizeLinear", "w w_s w_z", "real_w", {}),
        ("MatMul", "x real_w", "distribution", {}),
    ]
    weight = np.random.default_rng(0).integers(-64, 65, (16, 16)).astype(np.int8)
    model = build(nodes, w=weight, w_s=np.float32(0.25), w_z=np.int8(0), **scales(a=0.25))
    with pytest.raises(NotExact):
        certify(model)
    assert lint.lint(model.SerializeToString())
