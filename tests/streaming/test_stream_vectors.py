"""Vectors of streams: what is in the manifest comes out of them, of the real decoder and of the independent one."""

import json

import conformance
import numpy as np
import pytest

from runtime.streaming import StreamDecoder, StreamEncoder

pytestmark = pytest.mark.slow

FOLDER = conformance.FOLDER.parent / "streams"
MANIFEST = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))

each = pytest.mark.parametrize("entry", MANIFEST["valid"] + MANIFEST["faulty"], ids=lambda entry: entry["name"])


def frames_of(entry):
    raw = (FOLDER / f"{entry['frames']}.raw").read_bytes()
    return np.frombuffer(raw, "<i2").reshape(-1, entry["channels"])


def stream_of(entry):
    return (FOLDER / f"{entry['name']}.mds").read_bytes()


def there(entry, frames):
    """Numbers of the frames that come out."""
    gone = {n for first, count in entry["missing"] for n in range(first, first + count)}
    end = entry["end"] if entry["end"] is not None else len(frames)
    return [n for n in range(end) if n not in gone]


def joined_ranges(events):
    """[first, frames] of what is missing, whatever came in between."""
    ranges = []
    for event in (event for event in events if event.kind == "missing"):
        if ranges and sum(ranges[-1]) == event.first:
            ranges[-1][1] += event.frames
        else:
            ranges.append([event.first, event.frames])
    return ranges


def test_files_are_those_of_the_manifest():
    names = {f"{entry['name']}.mds" for entry in MANIFEST["valid"] + MANIFEST["faulty"]} | {"manifest.json"}
    assert {path.name for path in FOLDER.iterdir()} == names | {f"{entry['name']}.raw" for entry in MANIFEST["valid"]}
    for entry in MANIFEST["valid"] + MANIFEST["faulty"]:
        assert conformance.sha256(stream_of(entry)) == entry["stream"]
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 150_000


@each
@pytest.mark.parametrize("pieces", [1 << 20, 37])
def test_decodes(entry, pieces):
    decoder, data, frames = StreamDecoder(model=conformance.MODEL), stream_of(entry), frames_of(entry)
    blocks = [block for at in range(0, len(data), pieces) for block in decoder.push(data[at : at + pieces])]
    blocks += decoder.finish()
    numbers = [n for first, samples in blocks for n in range(first, first + len(samples))]
    assert numbers == there(entry, frames)
    samples = np.concatenate([samples for _, samples in blocks] or [frames[:0]])
    assert np.array_equal(samples, frames[numbers])
    assert joined_ranges(decoder.events) == entry["missing"]
    assert sorted({e.kind for e in decoder.events}) == entry["events"]
    assert decoder.complete == entry["complete"]


@each
def test_independent_decoder(entry):
    pytest.importorskip("onnx")
    import reference_network
    import reference_stream

    frames = frames_of(entry)
    decoded, end = reference_stream.decode(stream_of(entry), reference_network.Model(conformance.MODEL.read_bytes()))
    assert sorted(decoded) == there(entry, frames)
    assert all(decoded[n] == frames[n].tolist() for n in decoded)
    assert (end is not None) == entry["complete"] and end in (None, len(frames))


@pytest.mark.parametrize("entry", MANIFEST["valid"], ids=lambda entry: entry["name"])
def test_frames_come_back_from_new_streams(entry):
    """The streams themselves depend on the version of zstd."""
    frames = frames_of(entry)
    encoder = StreamEncoder(entry["channels"], 20000, block=20, resync=0.005, model=conformance.MODEL)
    decoder = StreamDecoder(model=conformance.MODEL)
    blocks = [block for packet in encoder.push(frames) + encoder.finish() for block in decoder.push(packet)]
    assert np.array_equal(np.concatenate([samples for _, samples in blocks] or [frames]), frames)
