"""What is checked when a model is loaded: any damage to its file, and a machine that computes something else."""

import base64
import zlib

import conformance
import numpy as np
import pytest
import zstandard

from runtime import ModelError
from runtime.predictor import model

onnx = pytest.importorskip("onnx")

from onnx import numpy_helper  # noqa: E402

DATA = conformance.MODEL.read_bytes()


def changed(change, crc=True):
    """The model file after `change(onnx model, properties)`, with its checksum made right again or not."""
    proto = onnx.load_model_from_string(DATA)
    properties = {p.key: p for p in proto.metadata_props}
    change(proto, properties)
    if not crc:
        return proto.SerializeToString(deterministic=True)
    properties["middleout.crc"].value = "0" * 8
    data = proto.SerializeToString(deterministic=True)
    return data.replace(model.CRC_FIELD + b"0" * 8, model.CRC_FIELD + b"%08x" % zlib.crc32(data))


def weight(proto, properties):
    tensor = next(t for t in proto.graph.initializer if t.name == "layer0_weight")
    array = numpy_helper.to_array(tensor).copy()
    array[3, 7] += 1
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def table(proto, properties):
    blob = bytearray(zstandard.ZstdDecompressor().decompress(base64.b64decode(properties["middleout.tables"].value)))
    blob[4744 + 4 * 2000] ^= 1
    properties["middleout.tables"].value = base64.b64encode(zstandard.ZstdCompressor().compress(bytes(blob))).decode()


def bomb(proto, properties):
    frame = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little") + b"\x01\0\0"
    properties["middleout.tables"].value = base64.b64encode(frame).decode()


def no_checksum(proto, properties):
    proto.metadata_props.remove(properties["middleout.crc"])


def test_nothing_changed_loads():
    assert model.load(changed(lambda proto, properties: None)).name == "vectors-v1"


@pytest.mark.parametrize("change", [weight, table])
def test_one_weight_or_table_entry_is_noticed(change):
    with pytest.raises(ModelError, match="damaged: its checksum"):
        model.load(changed(change, crc=False))


def test_a_weight_is_noticed_by_the_known_answers_too():
    with pytest.raises(ModelError, match="known answers are wrong"):
        model.load(changed(weight))


def external(proto, properties):
    tensor = next(t for t in proto.graph.initializer if t.name == "layer0_weight")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")
    tensor.ClearField("raw_data")


def test_data_in_other_files_are_refused():
    with pytest.raises(ModelError, match="outside of its file"):
        model.load(changed(external))


@pytest.mark.parametrize("change", [bomb, no_checksum])
def test_what_is_no_model(change):
    with pytest.raises(ModelError, match="missing or damaged|not a middleout model"):
        model.load(changed(change))


@pytest.mark.parametrize("at", range(5, len(DATA), 997))
def test_any_flipped_bit_is_noticed(at):
    with pytest.raises(ModelError):
        model.load(DATA[:at] + bytes([DATA[at] ^ 4]) + DATA[at + 1 :])


def stages():
    """Layers and head of the vectors' model as `training.export` takes them."""
    import vector_model

    random = np.random.default_rng(1)
    return vector_model.layers(random), vector_model.head(random)


@pytest.mark.parametrize("stage", [0, 1, 2])
@pytest.mark.parametrize("ties", ["up", "down", "away", "zero"])
def test_another_rounding_of_halves_is_noticed(monkeypatch, stage, ties):
    """A machine on which one stage alone rounds halves differently, hence one row in thousands."""
    from training.export import feedforward as export

    layers, head = stages()
    other = lambda features: export.prediction(layers, head, features, ["even"] * stage + [ties])  # noqa: E731
    loaded = model.Model(DATA)
    rows = np.random.default_rng(2).integers(0, 256, (1000, 20)).astype(np.uint8)
    assert np.array_equal(loaded.run(rows), export.prediction(layers, head, rows))
    monkeypatch.setattr(model.Model, "run", lambda self, features: other(features))
    with pytest.raises(ModelError, match="known answers are wrong.* its graph optimiser is to blame"):
        model.Model(DATA)


def test_wrong_kernels_are_told_from_a_wrong_optimiser():
    with pytest.raises(ModelError, match="onnxruntime [0-9.]+ on .* its kernels are to blame"):
        model.load(changed(weight))


def shipped():
    from runtime.predictor.model import available

    return [path for _, path in available()] + [conformance.MODEL]


def halves(value, exponent, ties):
    """As `reference_network.half_even`, with halves going elsewhere."""
    whole, shift = value[0], exponent - value[1]
    if shift <= 0:
        return whole << -shift
    rest, quotient, half = whole & (1 << shift) - 1, whole >> shift, 1 << (shift - 1)
    up = {"up": True, "down": False, "away": whole > 0, "zero": whole < 0}[ties]
    return quotient + ((rest > half) | ((rest == half) & up))


@pytest.mark.parametrize("path", shipped(), ids=lambda path: path.stem)
@pytest.mark.parametrize("ties", ["up", "down", "away", "zero"])
def test_known_answers_tell_how_every_stage_rounds(path, ties, monkeypatch):
    import reference_network as reference

    network = reference.Model(path.read_bytes())
    right = network.outputs(*network.known)
    real = {kind: reference.OPERATORS[kind] for kind in ("QuantizeLinear", "Round")}
    for stage in [node.name for node in network.graph.node if node.op_type in real]:

        def run(node, *inputs, stage=stage):
            with monkeypatch.context() as patch:
                if node.name == stage:
                    patch.setattr(reference, "half_even", lambda value, exponent: halves(value, exponent, ties))
                return real[node.op_type](node, *inputs)

        with monkeypatch.context() as patch:
            for kind in real:
                patch.setitem(reference.OPERATORS, kind, run)
            assert network.outputs(*network.known) != right, stage


@pytest.mark.parametrize("path", [*shipped(), conformance.MESSAGES_MODEL], ids=lambda path: path.stem)
def test_shipped_models_carry_their_certificate(path):
    from training.exactness.certificate import certify

    assert certify(onnx.load(path, load_external_data=False))


def test_tables_of_few_bounds_are_kept():
    loaded = model.load()
    assert loaded.coarse(0) is loaded and loaded.coarse(3) is loaded.coarse(3)
    first = loaded.coarse(3)
    for max_error in range(4, 20):
        loaded.coarse(max_error)
    assert model._coarse.cache_info().currsize <= model._KEPT_BOUNDS
    assert loaded.coarse(3) is not first
    assert np.array_equal(loaded.coarse(3).entropy.levels, first.entropy.levels)
