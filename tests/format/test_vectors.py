"""Conformance vectors: the manifest's bytes, both ways; what is faulty is refused by name."""

import io

import conformance
import pytest

import runtime
from runtime.batch import chunking

MANIFEST = conformance.manifest()
ENTRIES = {entry["vector"]["name"]: entry for entry in MANIFEST["valid"]}
DIGESTS = conformance.encoder_digests()
FAULTY = {entry["name"]: entry for entry in MANIFEST["faulty"]}

each_vector = pytest.mark.parametrize("vector", conformance.vectors(), ids=lambda vector: vector.name)


def test_files_are_those_of_the_manifest():
    assert conformance.sha256(conformance.MODEL.read_bytes()) == MANIFEST["model"]
    found = {path.relative_to(conformance.FOLDER).as_posix() for path in conformance.FOLDER.glob("*/*")}
    names = {f"valid/{vector.name}.{kind}" for vector in conformance.vectors() for kind in (vector.form, "mdo")}
    assert found == names | {f"faulty/{name}.mdo" for name in FAULTY}
    for vector in conformance.vectors():
        entry = ENTRIES[vector.name]
        assert conformance.sha256(vector.recording()) == entry["recording"]
        assert conformance.sha256(vector.stream()) == entry["stream"]
    for name, entry in FAULTY.items():
        assert conformance.sha256((conformance.FOLDER / "faulty" / f"{name}.mdo").read_bytes()) == entry["stream"]


def test_they_stay_small():
    assert sum(path.stat().st_size for path in conformance.FOLDER.rglob("*") if path.is_file()) < 800_000


@each_vector
def test_decodes_to_the_exact_recording(vector, engine):
    model = None if vector.embed else conformance.MODEL
    assert conformance.decode(vector.stream(), model) == vector.recording()


@pytest.mark.parametrize("name", ["array-rate", "metadata"])
def test_keeps_sample_rate_and_metadata(name):
    (vector,) = [vector for vector in conformance.vectors() if vector.name == name]
    with runtime.Reader(io.BytesIO(vector.stream())) as reader:
        assert reader.sample_rate == vector.options["sample_rate"]
        assert reader.metadata == vector.options.get("metadata", {})


@pytest.mark.parametrize("vector", [v for v in conformance.vectors() if not v.once], ids=lambda vector: vector.name)
def test_encodes_to_the_same_bytes_on_every_machine(vector, engine):
    """The digests may change with an encoder that chooses better; `scripts/make_vectors --digests` writes them."""
    stream = conformance.encode(vector, vector.recording())
    assert conformance.sha256(conformance.normal_form(stream)) == DIGESTS[vector.name]


OF_THE_FILE_ONLY = ("sum-other", "kept-half-integer", *(name for name in FAULTY if name.startswith("signals-")))
"""Faults of what is no sample of a channel: whoever reads samples does not come across them."""


@pytest.mark.parametrize("name", FAULTY)
def test_faulty_streams_are_refused(name, engine):
    stream = (conformance.FOLDER / "faulty" / f"{name}.mdo").read_bytes()
    error = getattr(runtime, FAULTY[name]["error"])
    model = conformance.MODEL if error is not runtime.ModelError else None
    with pytest.raises(error) as caught:
        conformance.decode(stream, model)
    assert type(caught.value) is error
    if name not in OF_THE_FILE_ONLY:
        with pytest.raises(error):
            runtime.decode(stream, model=model)


@pytest.mark.parametrize("frames", [50, 333, None])
def test_chunk_sizes_do_not_matter_to_the_recording(frames):
    vector = next(v for v in conformance.vectors() if v.name == "mixed")
    with conformance.chunks_of(frames):
        stream = conformance.encode(conformance.Vector("x", "", chunk_frames=frames), vector.recording())
    assert conformance.decode(stream) == vector.recording()
    assert chunking.CHUNK_FRAMES > 1000
