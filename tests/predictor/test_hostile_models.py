"""Models that could run for ever, take all memory or read other files: refused before onnxruntime sees them."""

import zlib
from dataclasses import replace
from io import BytesIO

import conformance
import numpy as np
import pytest

import runtime
from runtime import ModelError
from runtime.cli.main import main
from runtime.container.blocks import BlockReader, BlockWriter
from runtime.core.names import identity_of
from runtime.predictor import model
from runtime.predictor.networks import graph_check, onnx_graph

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

VECTOR = conformance.MODEL.read_bytes()


def sealed(data):
    """The bytes of a model with their checksum made right."""
    start = data.index(model.CRC_FIELD) + len(model.CRC_FIELD)
    plain = data[:start] + b"0" * 8 + data[start + 8 :]
    return data[:start] + b"%08x" % zlib.crc32(plain) + data[start + 8 :]


def changed(change, data=VECTOR):
    proto = onnx.load_model_from_string(data)
    change(proto)
    return sealed(proto.SerializeToString(deterministic=True))


def constant(proto, name, values):
    proto.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def node(proto, operator, inputs, outputs, **attributes):
    """Put a node in front of all others."""
    proto.graph.node.insert(0, helper.make_node(operator, inputs, outputs, name=f"hostile {outputs[0]}", **attributes))


def body():
    """A loop's body that goes on."""
    number = lambda name: helper.make_tensor_value_info(name, TensorProto.INT64, [])  # noqa: E731
    truth = lambda name: helper.make_tensor_value_info(name, TensorProto.BOOL, [])  # noqa: E731
    go_on = helper.make_node("Identity", ["condition"], ["again"])
    return helper.make_graph([go_on], "body", [number("i"), truth("condition")], [truth("again")])


def endless_loop(proto):
    constant(proto, "many", np.int64(2**62))
    node(proto, "Loop", ["many", ""], ["unused"], body=body())


def branches(proto):
    constant(proto, "yes", np.bool_(True))
    node(proto, "If", ["yes"], ["unused"], then_branch=body(), else_branch=body())


def graph_behind_a_known_operator(proto):
    proto.graph.node[0].attribute.append(helper.make_attribute("body", body()))


def constant_of_shape(proto):
    constant(proto, "shape", np.array([1 << 15, 1 << 15], np.int64))
    node(proto, "ConstantOfShape", ["shape"], ["large"])


def expand(proto):
    constant(proto, "shape", np.array([1 << 15, 1 << 15], np.int64))
    constant(proto, "one", np.float32(1))
    node(proto, "Expand", ["one", "shape"], ["large"])


def custom_domain(proto):
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def custom_operator(proto):
    proto.graph.node[0].domain = "com.microsoft"


def function(proto):
    made = helper.make_function("", "Relu", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [])
    proto.functions.append(made)


def external(proto):
    tensor = proto.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    tensor.ClearField("raw_data")


def external_without_location_field(proto):
    proto.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def sparse(proto):
    proto.graph.sparse_initializer.add()


def training(proto):
    proto.training_info.add()


def other_version(proto):
    proto.opset_import[0].version = 21


def foreign_property(proto):
    proto.metadata_props.add(key="ort_config", value="{}")


def tiled(proto):
    constant(proto, "times", np.array([1, 1 << 40], np.int64))
    node(proto, "Tile", ["own", "times"], ["large"])


def tiled_rows(proto):
    constant(proto, "times", np.array([1 << 40, 1], np.int64))
    node(proto, "Tile", ["own", "times"], ["large"])


def doubled(proto):
    for i in reversed(range(40)):
        node(proto, "Concat", [f"twice{i - 1}" if i else "own"] * 2, [f"twice{i}"], axis=1)


def every_row_with_every_row(proto):
    """Products of a column with a row: as many as the square of the batch."""
    constant(proto, "column", np.array([-1, 1], np.int64))
    constant(proto, "row", np.array([1, -1], np.int64))
    node(proto, "Mul", ["a", "b"], ["square"])
    node(proto, "Reshape", ["real", "row"], ["b"])
    node(proto, "Reshape", ["real", "column"], ["a"])
    node(proto, "Cast", ["own"], ["real"], to=TensorProto.FLOAT)


def rows_mixed(proto):
    """A shape that is no shape of rows."""
    constant(proto, "mixed", np.array([2, -1], np.int64))
    node(proto, "Reshape", ["own", "mixed"], ["halves"])


def large_layers(proto):
    constant(proto, "first", np.zeros((512, 20), np.float32))
    constant(proto, "wide", np.zeros((512, 512), np.float32))
    constant(proto, "bias", np.zeros(512, np.float32))
    for i in reversed(range(4)):
        node(proto, "Gemm", [f"wide{i}", "wide", "bias"], [f"wide{i + 1}"], transB=1)
    node(proto, "Gemm", ["real", "first", "bias"], ["wide0"], transB=1)
    node(proto, "Cast", ["own"], ["real"], to=TensorProto.FLOAT)


def constants_again_and_again(proto):
    constant(proto, "table", np.zeros((1024, 1024), np.int8))
    constant(proto, "unit", np.float32(1))
    constant(proto, "zero", np.int8(0))
    for i in range(100):
        node(proto, "DequantizeLinear", ["table", "unit", "zero"], [f"table{i}"])


def many_nodes(proto):
    for i in range(graph_check.MAX_NODES):
        node(proto, "Relu", ["unit"], [f"relu{i}"])
    constant(proto, "unit", np.float32(1))


def too_many_constants(proto):
    for i in range(5):
        constant(proto, f"part{i}", np.zeros((1024, 1024), np.int8))


def many_fields(proto):
    for i in range(1 << 13):
        constant(proto, f"{i}", np.int8(0))


def shadowed_constant(proto):
    constant(proto, proto.graph.initializer[0].name, np.float32(1))


def shadowed_input(proto):
    constant(proto, "own", np.float32(1))


def unknown_name(proto):
    node(proto, "Relu", ["nowhere"], ["result"])


def circle(proto):
    node(proto, "Relu", ["second"], ["first"])
    node(proto, "Relu", ["first"], ["second"])


def cast_to_text(proto):
    node(proto, "Cast", ["own"], ["text"], to=TensorProto.STRING)


def text_constant(proto):
    proto.graph.initializer.append(helper.make_tensor("texts", TensorProto.STRING, [1], [b"text"]))


def wrong_size(proto):
    proto.graph.initializer[0].raw_data += b"\0"


def huge_dimension(proto):
    del proto.graph.initializer[0].dims[:]
    proto.graph.initializer[0].dims.extend([1 << 40, 0])


def negative_dimension(proto):
    tensor = next(t for t in proto.graph.initializer if len(t.dims) == 2)
    tensor.dims[0], tensor.dims[1] = -tensor.dims[0], -tensor.dims[1]


def many_dimensions(proto):
    proto.graph.initializer[0].dims.extend([1] * 50)


def no_output(proto):
    del proto.graph.output[:]
    proto.graph.output.append(helper.make_tensor_value_info("distribution", TensorProto.INT32, [7, 2]))


HOSTILE = {
    endless_loop: "graph of its own",
    branches: "graph of its own",
    graph_behind_a_known_operator: "graph of its own",
    constant_of_shape: "not on the list",
    expand: "not on the list",
    custom_domain: "versions",
    custom_operator: "a domain of operators",
    function: "functions of its own",
    external: "outside of its file",
    external_without_location_field: "outside of its file",
    sparse: "field .* models do not have",
    training: "field .* models do not have",
    other_version: "versions",
    foreign_property: "properties ort_config",
    tiled: "too many",
    tiled_rows: "Tile of .* models do not have",
    doubled: "too many",
    every_row_with_every_row: "Reshape of .* models do not have",
    rows_mixed: "Reshape of .* models do not have",
    large_layers: "too many",
    constants_again_and_again: "too many",
    many_nodes: "nodes",
    too_many_constants: "constants of more than",
    many_fields: "fields",
    shadowed_constant: "comes twice",
    shadowed_input: "several tensors",
    unknown_name: "not known yet",
    circle: "not known yet",
    cast_to_text: "Cast with .* models do not have",
    text_constant: "field .* models do not have",
    wrong_size: "has 5 bytes",
    huge_dimension: "models do not have",
    negative_dimension: "models do not have",
    many_dimensions: "of shape",
    no_output: "not made of rows",
}


@pytest.fixture(scope="module")
def coded():
    """A coded recording that holds the vectors' model."""
    samples = np.random.default_rng(0).integers(-30, 30, (400, 1)).astype(np.int16)
    return runtime.encode(samples, 20000, model=VECTOR, embed_model=True)


@pytest.fixture
def unloaded(monkeypatch):
    """Fail where onnxruntime gets a model."""
    monkeypatch.setattr(model, "_session", lambda *_: pytest.fail("onnxruntime got the model"))


@pytest.mark.parametrize("change", HOSTILE, ids=lambda change: change.__name__)
def test_a_hostile_model_is_refused_before_it_is_loaded(change, unloaded):
    with pytest.raises(ModelError, match=f"can't be used: .*{HOSTILE[change]}"):
        model.load(changed(change))


def field(number, data):
    """A field of bytes as protocol buffers have it."""
    return bytes([number << 3 | 2]) + length(len(data)) + data


def length(value):
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(made) + bytes([value])


def with_graph_field(data):
    """The vectors' model with another `graph` behind, which readers of protocol buffers merge with the first."""
    return sealed(VECTOR + field(7, data))


def padded_location():
    """External data whose key has its length in two bytes, behind a tensor's data."""
    entry = b"\x0a\x88\x00location\x12\x0b/etc/passwd"
    tensor = b"\x10\x01" + field(8, b"outside") + field(13, entry) + b"\x70\x01"
    return with_graph_field(field(5, tensor))


def padded(at):
    """The vectors' model with one number in a byte more: the first one from `at` on that fits in one byte."""
    assert VECTOR[at] < 0x80
    return sealed(VECTOR[:at] + bytes([VECTOR[at] | 0x80, 0]) + VECTOR[at + 1 :])


BYTES = {
    "a key of external data with a long length": padded_location(),
    "a number in two bytes": padded(1),
    "a key in two bytes": padded(0),
    "two graphs": with_graph_field(b""),
    "an unknown field": sealed(VECTOR + field(15, b"unknown")),
    "a field of another kind": sealed(VECTOR + b"\x38\x01"),
    "an old group": sealed(VECTOR + b"\x7b\x7c"),
    "a number of 11 bytes": sealed(VECTOR + b"\x08" + b"\xff" * 10 + b"\x01"),
    "a number beyond 64 bits": sealed(b"\x08" + b"\xff" * 9 + b"\x7f" + VECTOR[2:]),
    "an end within a field": sealed(VECTOR + b"\x12\x7f"),
    "a name that is not text": sealed(VECTOR.replace(b"\x12\x09middleout", b"\x12\x09middle\xffut", 1)),
    "onnxruntime's own format": sealed(field(2, b"\0\0ORTM" + bytes(40)) + VECTOR),
}


@pytest.mark.parametrize("name", BYTES)
def test_odd_bytes_are_refused(name, unloaded):
    with pytest.raises(ModelError, match="can't be used"):
        model.load(BYTES[name])


def test_onnxruntimes_own_format_is_not_taken_for_a_model():
    """Bytes that are both are read as what was checked."""
    data = field(2, b"\0\0ORTM" + bytes(40)) + VECTOR.replace(b"\x12\x09middleout", b"", 1)
    assert data[4:8] == b"ORTM"
    onnx_graph.read(data)
    assert model.load(sealed(data)).name == "vectors-v1"


def test_too_many_known_answers_are_refused(unloaded):
    import base64

    import zstandard

    def many(proto):
        answers = next(p for p in proto.metadata_props if p.key == "middleout.answers")
        count = 1 << 19
        blob = count.to_bytes(4, "little") + bytes(28 * count)
        answers.value = base64.b64encode(zstandard.ZstdCompressor().compress(blob)).decode()

    with pytest.raises(ModelError, match="known answers have the wrong size"):
        model.load(changed(many))


def shipped_and_vectors():
    return [path for _, path in model.available()] + sorted(conformance.FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("path", shipped_and_vectors(), ids=lambda path: path.stem)
def test_exported_models_are_far_below_the_limits(path, monkeypatch):
    graph = onnx_graph.read(path.read_bytes())
    for name in ("MAX_NODES", "MAX_VALUES", "MAX_PRODUCTS", "MAX_CONSTANT_VALUES"):
        monkeypatch.setattr(graph_check, name, getattr(graph_check, name) // 4)
    graph_check.check(graph)


def with_model(coded, data):
    """A coded recording with these bytes as its model."""
    blocks, out = BlockReader(BytesIO(coded)), BytesIO()
    writer = BlockWriter(out, replace(blocks.header, model=identity_of(data)), data)
    for block in blocks:
        if block.tag == b"C":
            writer.chunk(block.payload)
    writer.end()
    return out.getvalue()


def test_a_hostile_model_in_a_file_is_an_error_of_its_own_kind(coded, unloaded):
    with pytest.raises(ModelError, match="graph of its own"):
        runtime.decode(with_model(coded, changed(endless_loop)))


def test_models_in_files_can_be_refused(coded, tmp_path, unloaded, capsys):
    (tmp_path / "a.mdo").write_bytes(coded)
    with pytest.raises(ModelError, match="models in files are refused"):
        runtime.decode(coded, embedded_model=False)
    for command in (["decode"], ["test"]):
        assert main([*command, str(tmp_path / "a.mdo"), "--no-embedded-model"]) == 3
        assert "supply it with --model" in capsys.readouterr().err


def test_a_given_model_is_taken_where_those_in_files_are_refused(coded):
    given, _ = runtime.decode(coded, model=VECTOR, embedded_model=False)
    assert np.array_equal(given, runtime.decode(coded)[0])


def test_a_shipped_model_is_taken_where_those_in_files_are_refused():
    samples = np.zeros((100, 1), np.int16)
    data = runtime.encode(samples, 20000, model=model.DEFAULT, embed_model=True)
    assert np.array_equal(runtime.decode(data, embedded_model=False)[0], samples)
