"""One environment's part of scripts/determinism: digests of network outputs, streams and recordings, as JSON.

    python probe.py WORK [--short] [--streams LEVELS]

WORK holds rows.bin and .onnx files in models/ and controls/. Needs onnxruntime, numpy and zstandard only. Every digest
comes with the labels of the runs that gave it: one digest for each quantity is what there should be.
"""

import argparse
import hashlib
import io
import json
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import conformance
import numpy as np

import runtime
from runtime.core.imports import onnxruntime
from runtime.predictor import model as models

ort = onnxruntime()

LEVELS = ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL")
BATCHES = {"all rows": (None, None), "batches of 1000": (1000, 20000), "of 37": (37, 3700), "of 1": (1, 200)}
"""Batch sizes, and how many rows are run like that."""
STEPS = 6
"""Of networks with a state."""


class Digests:
    """Collect the labels of the runs that gave each digest."""

    def __init__(self):
        self.found = {}

    def add(self, label, data):
        self.found.setdefault(hashlib.sha256(data).hexdigest()[:16], []).append(label)


def session(data, level, threads):
    options = ort.SessionOptions()
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, f"ORT_{level}")
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def network(data, rows, short):
    """Return digests of a network's outputs, int32 [rows, 2], over session options and batch sizes.

    Of networks with a state they are of the outputs of the last of some steps, and the state behind it.
    """
    digests, whole = Digests(), None
    messages = np.stack([np.roll(rows[:, :8], reference + 1, axis=0) for reference in range(4)], axis=1)
    for level in LEVELS:
        for threads in (1, 2) if short else (1, 2, 3, 4):
            run = session(data, level, threads)
            for label, (size, limit) in BATCHES.items():
                part = rows[:limit]
                starts = range(0, len(part), size or len(part))
                slices = [slice(i, i + (size or len(part))) for i in starts]
                inputs = {"own": rows, "messages": messages}
                named = {i.name: i.shape for i in run.get_inputs()}
                if "state" in named:
                    outputs = np.concatenate([steps(run, rows, limit, s, named["state"][1]) for s in slices])
                else:
                    outputs = [run.run(None, {name: inputs[name][:limit][s] for name in named})[0] for s in slices]
                    outputs = np.concatenate(outputs)
                whole = outputs if whole is None else whole
                full = np.concatenate([outputs, whole[len(outputs) :]])
                digests.add(f"{level}, {threads} threads, {label}", full.astype("<i4").tobytes())
    return digests.found


def steps(run, rows, limit, part, size):
    """Return outputs and state, as integers, behind some steps from a state of zeros.

    Step k of row i has the features of row i - k.
    """
    state = np.zeros((len(rows[:limit][part]), size), np.float32)
    for k in range(STEPS):
        own = np.ascontiguousarray(np.roll(rows, k, axis=0)[:limit][part])
        distribution, state = run.run(["distribution", "next"], {"own": own, "state": state})
    return np.concatenate([distribution, state.astype(np.int32)], axis=1)


def alone(vectors, digests, label):
    """Encode and decode every vector by itself."""
    streams = [conformance.encode(vector, vector.recording()) for vector in vectors]
    digests["encoded"].add(label, b"".join(map(conformance.normal_form, streams)))
    decoded = [conformance.decode(vector.stream(), None if vector.embed else conformance.MODEL) for vector in vectors]
    digests["decoded"].add(label, b"".join(decoded))


def together(vectors, digests, label):
    """Encode and decode all that can be in one batch of lanes, the others by themselves."""
    apart = [vector for vector in vectors if vector != conformance.Vector(vector.name, vector.what)]
    streams = {vector.name: conformance.encode(vector, vector.recording()) for vector in apart}
    recordings = {v.name: conformance.decode(v.stream(), None if v.embed else conformance.MODEL) for v in apart}
    with tempfile.TemporaryDirectory() as folder:
        names = [vector.name for vector in vectors if vector not in apart]
        wavs, coded, back = ([Path(folder) / f"{name}.{kind}" for name in names] for kind in ("wav", "mdo", "wav"))
        for path, vector in zip(wavs, (vector for vector in vectors if vector not in apart)):
            conformance.write_recording(path, vector.recording())
        runtime.encode_files(wavs, model=conformance.MODEL, jobs=1, verify=False)
        streams |= {name: path.read_bytes() for name, path in zip(names, coded)}
        for vector in vectors:
            (Path(folder) / f"{vector.name}.mdo").write_bytes(vector.stream())
        runtime.decode_files(coded, model=conformance.MODEL, jobs=1, force=True)
        recordings |= {name: path.read_bytes() for name, path in zip(names, back)}
    ordered = [conformance.normal_form(streams[vector.name]) for vector in vectors]
    digests["encoded"].add(label, b"".join(ordered))
    digests["decoded"].add(label, b"".join(recordings[vector.name] for vector in vectors))


def chunk_sizes(vectors, digests):
    """Add streams in other chunk sizes: other ones, but the same everywhere, and the same recordings."""
    some = [vector for vector in vectors if vector.name in ("mixed", "implant-channels", "linear-escapes", "8-bit")]
    streams = []
    for frames in (41, 300):
        for vector in some:
            other = conformance.Vector(vector.name, "", chunk_frames=frames)
            streams.append(conformance.encode(other, vector.recording()))
            if conformance.decode(streams[-1]) != vector.recording():
                digests["decoded"].add(f"{vector.name} in chunks of {frames}", b"another recording")
    digests["encoded in other chunks"].add("41 and 300 frames", b"".join(map(conformance.normal_form, streams)))


def streams(levels):
    """Return digests of all vectors' streams and recordings."""
    vectors = conformance.vectors()
    digests = {name: Digests() for name in ("encoded", "decoded", "encoded in other chunks")}
    known = (conformance.MODEL, conformance.MESSAGES_MODEL, conformance.RECURRENT_MODEL)
    loaded = [models.load(path) for path in known]
    embedded = next(vector for vector in vectors if vector.embed)
    assert models.load(embedded_model(embedded.stream())) is models.load(conformance.MODEL)
    for level in levels:
        for threads in (1, 4):
            for network in loaded:
                network._session = session(network.data, level, threads)
            alone(vectors, digests, f"{level}, {threads} threads, one by one")
    together(vectors, digests, f"{levels[-1]}, 4 threads, in one batch")
    chunk_sizes(vectors, digests)
    return {name: found.found for name, found in digests.items()}


def embedded_model(stream):
    from runtime.container.random_access import read_layout

    return read_layout(io.BytesIO(stream)).embedded


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("work", type=Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--streams", default=",".join(LEVELS), help="optimisation levels for the vectors")
    options = parser.parse_args()
    rows = np.fromfile(options.work / "rows.bin", np.uint8).reshape(-1, 20)
    result = {
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "onnxruntime": ort.__version__,
        "machine": platform.machine(),
        "quantities": {},
    }
    for folder in ("models", "controls"):
        for path in sorted((options.work / folder).glob("*.onnx")):
            result["quantities"][path.stem] = network(path.read_bytes(), rows, options.short)
    result["quantities"] |= streams(options.streams.split(","))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
