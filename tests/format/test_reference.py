"""The independent decoder agrees on all vectors, and refuses all faulty ones."""

import contextlib

import conformance
import pytest

pytest.importorskip("onnx")

import reference  # noqa: E402
import reference_chunk  # noqa: E402
import vector_recipes  # noqa: E402

pytestmark = pytest.mark.slow

MODEL = conformance.MODEL.read_bytes()


@pytest.mark.parametrize("vector", conformance.vectors(), ids=lambda vector: vector.name)
def test_decodes(vector):
    recording = conformance.unpacked(vector.recording()) if vector.form == "tar" else vector.recording()
    assert reference.decode(vector.stream(), None if vector.embed else MODEL) == recording


@pytest.mark.parametrize("name", [entry["name"] for entry in conformance.manifest()["faulty"]])
def test_refuses(name):
    with pytest.raises(ValueError):
        reference.decode((conformance.FOLDER / "faulty" / f"{name}.mdo").read_bytes(), MODEL)


def test_shares_nothing_with_the_runtime(root):
    for path in (root / "tests").glob("reference*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.startswith(("import ", "from "))]
        assert not [line for line in imports if "runtime" in line or "training" in line or "conformance" in line]


@pytest.mark.long
def test_vectors_reach_every_part_of_the_format():
    """Kinds of channels, low bits, escapes, segments of different lengths, stored chunks, every block."""
    seen = set()
    network = reference.Model(MODEL)
    for vector in conformance.vectors():
        blocks = reference.read_blocks(vector.stream())
        header = reference.parse_header(blocks[0][1])
        seen |= {tag for tag, _, _ in blocks} | {("format", header["format"]), ("flags", header["flags"])}
        seen.add(("kind", header["kind"]))
        for payload in (payload for tag, payload, _ in blocks if tag == b"C"):
            if header["kind"] != "records":
                seen |= features(payload, header["channels"], network)
    assert seen >= {("kind", kind) for kind in ("samples", *reference.KINDS)}
    assert seen >= {b"H", b"M", b"F", b"C", b"B", b"S", b"E", "escapes", "low bits", "no low bits"}
    assert seen >= {("format", number) for number in (8, 9, 16, 17, 18, 19, 24, 32, 33, 48, 66)}
    assert seen >= {("wide", *form) for form in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0))}
    assert seen >= {("flags", flags) for flags in (33, 33 + 16, 65, 65 + 16, 97)}
    assert seen >= {"stored", "segments", "short segment", "group of zeros", *(("kind", kind) for kind in range(4))}
    assert seen >= {
        ("order_level", 0),
        ("order_level", 1),
        ("order_level", 2),
        ("references", 1, 2),
        ("references", 2, 2),
    }
    assert seen >= {("flags", flags | 8) for flags in (0, 1, 3, 7, 259)}
    assert seen >= {("spikes", flags) for flags in (0, 1, 2, 3)}
    assert seen >= {("bounded", 0), ("bounded", 1), ("bounded", 2)}
    assert seen >= {"map slope", "map palette", "map exceptions", "copy with map", "bounded map"}


def features(payload, channels, network):
    """What a chunk has."""
    if payload[4] == 0:
        return {"stored"}
    if payload[4] == 2:
        return {("wide", payload[5], payload[6] >> 6)}
    if payload[4] == 3:
        return {("spikes", payload[12] & 15)}
    frames, segments = (int.from_bytes(payload[a:b], "little") for a, b in ((0, 4), (9, 11)))
    bound = payload[11] if payload[4] & 8 else 0
    body = payload[11 + bool(bound) :]
    chunk = reference_chunk.CodedChunk(body, frames, channels, segments, network, bound, payload[4])
    with contextlib.suppress(reference_chunk.Refused):  # a vector of another model
        chunk.decode()
    coded = [channel for channel in chunk.channels if channel.kind in (reference_chunk.IMPLANT, reference_chunk.LINEAR)]
    found = {("kind", channel.kind) for channel in chunk.channels} | {
        ("bounded", channel.kind) for channel in chunk.channels if bound
    }
    found |= {
        "low bits" if channel.shift else "no low bits"
        for channel in chunk.channels
        if channel.kind == reference_chunk.LINEAR
    }
    if not all(any(channel.coefficients[4:8]) for channel in coded):
        found.add("group of zeros")
    if segments > 1:
        found |= {"segments", "short segment" if frames % segments else "equal segments"}
    found |= {("order_level", channel.order_level) for channel in coded}
    found |= {f"map {part}" for part in ("slope", "palette", "exceptions") for x in chunk.maps if getattr(x, part)}
    found |= {"copy with map" for x, y in zip(chunk.channels, chunk.maps, strict=True) if x.kind == 3 and y.there}
    found |= {"bounded map" for x in chunk.maps if bound and x.there}
    found |= {
        ("references", channel.kind, chunk.channels[other].kind)
        for channel in coded
        for other, *_ in channel.references
    }
    return found | ({"escapes"} if chunk.escapes else set())


def test_agrees_on_real_recordings_with_the_shipped_models(root, shared_data):
    import numpy as np

    import runtime

    channel = np.fromfile(sorted(shared_data.glob("neuralink/*.wav"))[7], "<i2", offset=44)[:3000, None]
    array = np.load(next(shared_data.glob("multilead/*64ch*.npy")), mmap_mode="r")
    array = np.ascontiguousarray(array[:400, :8] if array.shape[0] > array.shape[1] else array[:8, :400].T)
    for path in (root / "models").glob("*.onnx"):
        for samples in (channel, array.astype(np.int16)):
            stream = runtime.encode(samples, 20000, model=path, layout="time-channel")
            decoded = reference.decode(stream, path.read_bytes())
            assert decoded[44:] == samples.astype("<i2").tobytes()


def test_agrees_on_spike_windows_of_an_array(root):
    import numpy as np

    import runtime
    from runtime.core.implant_table import CODE_TO_SAMPLE
    from training.simulate import ArraySimulation

    codes = np.concatenate(list(ArraySimulation(2500, 16, seed=3).blocks())).astype(np.int16)
    data = (root / "models" / "implant-v1.onnx").read_bytes()
    for samples, bound in ((CODE_TO_SAMPLE[codes + 512], 3), (codes * 50 + 30, 120)):
        stream = runtime.encode(samples, 19531, model=data, keep="spikes", max_error=bound, threshold=4)
        assert reference.decode(stream, data)[44:] == runtime.decode(stream)[0].astype("<i2").tobytes()


def test_agrees_on_packed_channels(root):
    import runtime

    data = (root / "models" / "implant-v1.onnx").read_bytes()
    for samples in (vector_recipes.packed(), vector_recipes.packed()[:, :2]):
        stream = runtime.encode(samples, 20000, model=data, layout="time-channel")
        assert reference.decode(stream, data)[44:] == samples.astype("<i2").tobytes()


def test_agrees_on_sample_rate_and_metadata(root):
    import io

    import numpy as np

    import runtime

    data = (root / "models" / "implant-v1.onnx").read_bytes()
    samples = np.random.default_rng(3).normal(0, 40, (300, 4)).astype(np.int16)
    options = vector_recipes.described()
    for embed in (False, True):
        stream = runtime.encode(samples, **options, model=data, embed_model=embed, chunk_frames=100)
        assert reference.decode(stream, data)[44:] == samples.astype("<i2").tobytes()
        reader = runtime.Reader(io.BytesIO(stream))
        assert reference.about(stream) == (reader.sample_rate, reader.metadata) == tuple(options.values())


def test_refuses_impossible_sample_rates_and_metadata(root):
    import numpy as np

    import runtime

    data = (root / "models" / "implant-v1.onnx").read_bytes()
    stream = runtime.encode(np.zeros((50, 4), np.int16), **vector_recipes.described(), model=data)
    for _, faulty in vector_recipes.about_faults(stream).values():
        with pytest.raises(reference.Refused):
            reference.about(faulty)
        with pytest.raises(runtime.CorruptError):
            runtime.decode(faulty, model=data)
