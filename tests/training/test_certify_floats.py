"""The certificate of recurrent graphs: the state's interval is an invariant; what breaks a rule is named."""

import numpy as np
import pytest
import vector_model
from changed_graphs import change, refuse

onnx = pytest.importorskip("onnx")

from training.exactness.certificate import NotExact, certify  # noqa: E402
from training.exactness.recurrent import RecurrentChecker  # noqa: E402
from training.export import recurrent as recurrent_graph  # noqa: E402
from training.networks.units import CELL_LIMIT  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture
def parts():
    return vector_model.recurrent(np.random.default_rng(4))


@pytest.fixture
def model(parts):
    return recurrent_graph.graph(parts)


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def constant(model, name, value):
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
    return name


def test_accepts_the_exported_graph_and_finds_the_bounds_of_the_state(model):
    report = {line[0]: line for line in certify(model)}
    assert {line[1] for line in report.values()} == set(RecurrentChecker.OPERATORS)
    assert report["cell_next"][2:] == (1.0, CELL_LIMIT) and report["shown_next"][2:] == (1.0, 128)
    assert report["cell"][2:] == (1.0, CELL_LIMIT)  # what the state may be is what it may become
    assert max(line[3] for line in report.values()) < 1 << 24


def test_a_state_that_is_not_clipped_grows_beyond_the_limit(model):
    for name, place in (("next", 0), ("cell_clipped", 0)):
        node(model, name).input[place] = "cell_rounded"
    refuse(model, "cell_sum", "the limit is 2.24")


def test_a_state_that_is_not_rounded_grows_finer(model):
    node(model, "cell_next").input[0] = "cell_rounded_scaled"
    refuse(model, "shown_product", "units of 0.0039")


def test_a_state_whose_interval_is_not_found(model):
    change(model, "number_4096", np.float32(8))  # of candidates: it takes cells long to reach their bounds
    change(model, "number_-4096", np.float32(-8))
    with pytest.raises(NotExact, match="output next: no interval of the state holds"):
        certify(model)


def test_sums_beyond_24_bits(parts):
    weight, bias = parts["head"]
    head = weight, np.array([2.0**20, 2.0**-13], np.float32)
    refuse(recurrent_graph.graph(parts | {"head": head}), "head", "partial sums")
    weight, bias = parts["gates"]
    gates = weight * np.float32(2**16) + np.float32(2**-8), bias
    refuse(recurrent_graph.graph(parts | {"gates": gates}), "gates_sum", "partial sums")


def test_products_beyond_24_bits(model):
    change(model, "number_256", np.float32(4096))
    refuse(model, "kept", "may reach")


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "QuantizeLinear", "MatMul", "Sub"])
def test_operators_off_the_list(model, kind):
    node(model, "gates_clipped").op_type = kind
    refuse(model, "gates_clipped", "not on the list")


@pytest.mark.parametrize("factor", [0.003, -0.5, 0.0])
def test_factors_must_be_powers_of_two(model, factor):
    node(model, "cell_rounded_scaled").input[1] = constant(model, "factor", np.float32(factor))
    refuse(model, "cell_rounded_scaled", "not a power of two")


def test_bounds_of_clip(model):
    clip = node(model, "gates_clipped")
    del clip.input[2]
    refuse(model, "gates_clipped", "two bounds")
    clip.input.append(constant(model, "odd", np.float32(0.3)))
    refuse(model, "gates_clipped", "no multiple")
    clip.input[2] = constant(model, "low", np.float32(-1))
    refuse(model, "gates_clipped", "wrong order")
    clip.input[2] = "own_real"
    refuse(model, "gates_clipped", "must be a constant")


def test_parts_of_a_split(model):
    change(model, "cell_sizes", np.array([3, 2], np.int64))
    refuse(model, "state_parts", "make up the row")
    change(model, "cell_sizes", np.array([6], np.int64))
    refuse(model, "state_parts", "1 outputs expected")


def test_additions_and_products_of_unlike_width(model):
    node(model, "cell_sum").input[1] = "own_real"
    refuse(model, "cell_sum", "shapes")
    node(model, "kept").input[1] = "own_real"
    refuse(model, "kept", "shapes")


@pytest.mark.parametrize("name, value", [("alpha", 0.5), ("beta", 2.0), ("transA", 1)])
def test_options_of_gemm(model, name, value):
    node(model, "gates_sum").attribute.append(onnx.helper.make_attribute(name, value))
    refuse(model, "gates_sum", "must be")


def test_outputs(model):
    cast = node(model, "distribution")
    cast.input[0] = "head"
    refuse(model, "distribution", "only after a Round")
    cast.attribute[0].i = onnx.TensorProto.INT64
    cast.input[0] = "head_rounded"
    refuse(model, "distribution", "int32")


def test_the_next_state_must_be_like_the_state(model):
    node(model, "next").input.append("gates")
    refuse(model, "next", "6 floats, as state")


@pytest.mark.parametrize("end", ["input", "output"])
def test_inputs_and_outputs_are_those_of_the_format(model, end):
    ends = getattr(model.graph, end)
    ends[1].name = "other"
    with pytest.raises(NotExact, match="has exactly"):
        certify(model)


def test_integers_between_floats(model):
    node(model, "kept").input[0] = "own"
    refuse(model, "kept", "must be a float tensor")
