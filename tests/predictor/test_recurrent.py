"""Networks that carry a state: recordings come back, in any company; nothing is coded that could not be decoded."""

import base64
import zlib

import chunk_calls as codec
import conformance
import numpy as np
import pytest

import runtime
from runtime import ModelError
from runtime.predictor import model
from runtime.predictor.networks.recurrent import States
from runtime.streaming import SpikeStreamEncoder, StreamDecoder, StreamEncoder

pytestmark = pytest.mark.slow

DATA = conformance.RECURRENT_MODEL.read_bytes()


@pytest.fixture(scope="module")
def loaded():
    return model.load(DATA)


@pytest.fixture(scope="module")
def channels():
    """Four channels with a source in common, two on the implant's table and two off it."""
    from runtime.core.implant_table import CODE_TO_SAMPLE

    random = np.random.default_rng(5)
    common = random.normal(0, 20, (5000, 1)).cumsum(axis=0) * 0.3
    made = common * [[1, -0.7, 60, 30]] + random.normal(0, 6, (5000, 4)) * [[1, 1, 20, 90]]
    made = np.clip(np.rint(made), -30000, 30000).astype(np.int16)
    made[:, :2] = CODE_TO_SAMPLE[np.clip(made[:, :2].astype(int) + 512, 0, 1023)]
    return made


@pytest.mark.parametrize("options", [{}, {"independent": True}, {"max_error": 3}, {"model_in_the_file": True}])
def test_recordings_come_back(channels, options):
    embed = options.pop("model_in_the_file", False)
    packed = runtime.encode(channels, 20000, model=DATA, embed_model=embed, **options)
    samples, _ = runtime.decode(packed, model=None if embed else DATA)
    error = np.abs(samples[:, 2:].astype(int) - channels[:, 2:]).max()
    assert error <= options.get("max_error", 0)
    assert "max_error" in options or np.array_equal(samples, channels)


def test_chunks_do_not_depend_on_their_company(channels, loaded):
    parts = [channels[:900], channels[900:1000, :1], channels[1000:, :3]]
    alone = [codec.encode_chunks([part], loaded)[0] for part in parts]
    assert codec.encode_chunks(parts, loaded) == alone
    back = codec.decode_chunks(alone, [4, 1, 3], loaded)
    assert all(np.array_equal(a, b) for a, b in zip(back, parts, strict=True))


def test_blocks_of_steps_do_not_matter(channels, loaded, monkeypatch):
    whole = codec.encode_chunks([channels], loaded)
    monkeypatch.setattr("runtime.codec.intervals._BLOCK_ROWS", 64)
    assert codec.encode_chunks([channels], loaded) == whole


def test_the_state_matters_and_starts_at_zero(loaded):
    rows = np.random.default_rng(0).integers(90, 166, (30, 5, 20)).astype(np.uint8)
    states, by_hand = States(loaded, 5), np.zeros((5, loaded.state), np.float32)
    out = states.run(rows)
    for step, found in zip(rows, out, strict=True):
        expected, by_hand = loaded.step(step, by_hand)
        assert np.array_equal(found, expected)
    assert not np.array_equal(out[-1], loaded.step(rows[-1], np.zeros_like(by_hand))[0])
    assert np.array_equal(states.run(rows[:1])[0], loaded.step(rows[0], by_hand)[0])


def test_a_part_of_the_recording(channels, tmp_path):
    (tmp_path / "x.mdo").write_bytes(runtime.encode(channels, 20000, model=DATA))
    with runtime.open(tmp_path / "x.mdo", model=DATA) as recording:
        assert np.array_equal(recording.read(1234, 2345, channels=[1, 3]), channels[1234:2345][:, [1, 3]])


def refusals(channels, tmp_path):
    plain = channels[:, :2]
    yield lambda: runtime.encode(np.tile(plain, (4, 1)), 20000, model=DATA, keep="spikes")
    yield lambda: StreamEncoder(2, 20000, model=DATA)
    yield lambda: SpikeStreamEncoder(2, 20000, model=DATA)
    packets = StreamEncoder(2, 20000, model="implant-small", block=50).push(plain[:50])
    network, packet = model.load(DATA), packets[0]
    at = packet.index(model.load("implant-small").identity)
    packet = packet[:at] + network.identity + packet[at + 8 : -4]
    yield lambda: StreamDecoder(model=DATA).push(packet + zlib.crc32(packet).to_bytes(4, "little"))
    yield lambda: network.run(np.zeros((3, 20), np.uint8))


def test_what_has_no_state_is_refused(channels, tmp_path):
    for refused in refusals(channels, tmp_path):
        with pytest.raises(ModelError, match="carries a state"):
            refused()


def test_the_command_line_says_so(channels, tmp_path, capsys):
    from runtime.cli.main import main

    np.save(tmp_path / "x.npy", channels)
    name = str(conformance.RECURRENT_MODEL)
    assert main(["encode", str(tmp_path / "x.npy"), "--sample-rate", "20000", "--model", name, "--keep", "spikes"]) == 3
    assert "use another model" in capsys.readouterr().err
    assert main(["encode", str(tmp_path / "x.npy"), "--sample-rate", "20000", "--model", name]) == 0
    assert main(["decode", str(tmp_path / "x.mdo"), "-o", str(tmp_path / "y.npy"), "--model", name]) == 0
    assert (tmp_path / "y.npy").read_bytes() == (tmp_path / "x.npy").read_bytes()


def changed(change):
    """The model file after `change(onnx model, properties)`, with its checksum made right again."""
    onnx = pytest.importorskip("onnx")
    proto = onnx.load_model_from_string(DATA)
    properties = {p.key: p for p in proto.metadata_props}
    change(proto, properties)
    properties["middleout.crc"].value = "0" * 8
    data = proto.SerializeToString(deterministic=True)
    return data.replace(model.CRC_FIELD + b"0" * 8, model.CRC_FIELD + b"%08x" % zlib.crc32(data))


def other_state(proto, properties):
    """Known answers whose last state is another one."""
    import zstandard

    blob = zstandard.ZstdDecompressor().decompress(base64.b64decode(properties["middleout.answers"].value))
    last = np.frombuffer(blob[-4:], "<f4") + np.float32(1)
    blob = zstandard.ZstdCompressor().compress(blob[:-4] + last.tobytes())
    properties["middleout.answers"].value = base64.b64encode(blob).decode()


def other_size(proto, properties):
    proto.graph.input[1].type.tensor_type.shape.dim[1].ClearField("dim_value")


def other_name(proto, properties):
    for end in (proto.graph.output[1], next(n for n in proto.graph.node if n.name == "next")):
        if hasattr(end, "output"):
            end.output[0] = "after"
        else:
            end.name = "after"


@pytest.mark.parametrize(
    "change, message",
    [(other_state, "1 of .* known answers"), (other_size, "rows of shape"), (other_name, "inputs and outputs")],
)
def test_what_is_checked_when_it_is_loaded(change, message):
    with pytest.raises(ModelError, match=message):
        model.load(changed(change))
