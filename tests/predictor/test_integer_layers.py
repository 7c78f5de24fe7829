"""The network in integers in a model file: what is refused, and that it gives what the graph gives."""

import base64

import numpy as np
import pytest
import zstandard

from runtime import ModelError
from runtime.predictor.metadata import parse_answers, parse_network
from runtime.predictor.model import available, load

PLAIN = {"device-v1", "implant-small-v1", "implant-v1", "near-lossless-v1", "spikes-v1"}
ROWS = 20000


def metadata(numbers):
    """Return metadata with these numbers as the network."""
    frame = zstandard.ZstdCompressor().compress(np.asarray(numbers, "<i4").tobytes())
    return {"middleout.network": base64.b64encode(frame).decode()}


def numbers(sizes=(20, 3, 2), shift=4, bias=0, weight=1):
    """Return the numbers of a network whose layers have the same values everywhere."""
    layers = [[shift, *[bias] * b, *[weight] * (a * b)] for a, b in zip(sizes, sizes[1:])]
    return np.concatenate([[len(layers), *sizes], *layers])


def computed(layers, rows):
    """Return the outputs for rows uint8 [N, 20], in float32 as a fast engine may compute them."""
    x = rows.astype(np.float32) - 128
    for layer in layers:
        sums = x @ layer.weights.astype(np.float32) + layer.bias.astype(np.float32)
        out = np.rint(sums * np.float32(2.0**-layer.shift))
        x = np.clip(out, 0, 255)
    return out.astype(np.int32)


def stored(model):
    """Return the metadata of a loaded model."""
    return model._session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize("path", [path for _, path in available()], ids=lambda path: path.stem)
def test_the_layers_of_a_shipped_model_give_what_its_graph_gives(path):
    model = load(path)
    assert (model.layers is not None) == (path.stem in PLAIN)
    if model.layers is None:
        return
    random = np.random.default_rng(3)
    spread = 2.0 ** random.uniform(0, 7, (ROWS, 1))
    near = np.clip(np.rint(128 + spread * random.standard_normal((ROWS, 20))), 0, 255)
    (known,), (expected,) = parse_answers(stored(model), False, 0)
    assert np.array_equal(computed(model.layers, known), expected)
    for rows in (random.integers(0, 256, (ROWS, 20)).astype(np.uint8), near.astype(np.uint8)):
        assert np.array_equal(computed(model.layers, rows), model.run(rows))


def test_layers_come_back():
    first, last = parse_network(metadata(numbers(bias=-7, weight=-2)))
    assert first.weights.shape == (20, 3) and first.bias.tolist() == [-7] * 3 and first.shift == 4
    assert last.weights.tolist() == [[-2, -2]] * 3
    assert parse_network({}) is None


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [0],
        [-1],
        [2**31 - 1],
        [1, 20, 2],
        numbers()[:-1],
        np.append(numbers(), 0),
        numbers((21, 2)),
        numbers((20, 3)),
        numbers((20, 0, 2)),
        numbers((20, 1025, 2)),
        numbers((20, *[1] * 16, 2)),
    ],
    ids=lambda value: f"{len(value)}",
)
def test_wrong_sizes_are_refused(wrong):
    with pytest.raises(ModelError, match="network has the wrong size"):
        parse_network(metadata(wrong))


@pytest.mark.parametrize(
    "wrong",
    [{"shift": -1}, {"shift": 31}, {"weight": 2**24 // (128 * 20) + 1}, {"bias": 2**24}, {"bias": -(2**31)}],
    ids=str,
)
def test_values_that_float32_may_not_hold_are_refused(wrong):
    with pytest.raises(ModelError, match="network is wrong: layer 0: "):
        parse_network(metadata(numbers(**wrong)))


def test_sums_below_the_limit_are_accepted():
    assert parse_network(metadata(numbers((20, 2), weight=2**24 // (128 * 20))))


@pytest.mark.parametrize("bias,accepted", [(16, True), (48, False)])
def test_the_limit_follows_what_neurons_can_give(bias, accepted):
    """One neuron that always gives bias / 16, and weights of almost 2^23 on it."""
    network = metadata([2, 20, 1, 2, 4, bias, *[0] * 20, 0, 0, 0, *[2**23 - 1] * 2])
    if accepted:
        assert parse_network(network)
        return
    with pytest.raises(ModelError, match="network is wrong: layer 1: sums"):
        parse_network(network)


def test_a_damaged_network_is_refused():
    with pytest.raises(ModelError, match="middleout.network is missing or damaged"):
        parse_network({"middleout.network": "AAAA"})
