"""What is fuzzed: for each part of the package that reads bytes, a call, and inputs to begin with."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from runtime.access.reader import Reader
from runtime.batch import codings
from runtime.codec.coding import DecodeTask, Part
from runtime.compiled import choice
from runtime.container import file_table, metadata, single_chunk
from runtime.container.blocks import BlockReader
from runtime.container.chunk_head import CODING, SHORT, SPIKES, chunk_frames
from runtime.container.header import Header, parse_foreign
from runtime.container.index import Index
from runtime.core import compiled
from runtime.core.errors import CorruptError, MiddleoutError
from runtime.core.terms import FILES
from runtime.fit.topology import Topology
from runtime.predictor import index_maps, parameter_bits
from runtime.predictor import model as models
from runtime.predictor.networks import graph_check, onnx_graph
from runtime.streaming import Calibration, StreamDecoder

from . import checksums, originals
from .vectors import chunk_models, files, model_of_file, model_of_stream, vector_models

_LARGEST_CHUNK = 700
"""Bytes of the largest chunks."""
_READ = 1 << 16


@dataclass(frozen=True)
class Target:
    """A part that reads bytes from anybody.

    Attributes
    ----------
    run : callable
        Reads an input; for a bad one it raises one of `errors`. Any other error is a finding.
    seeds : callable
        Returns inputs to begin with.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    errors: tuple[type[Exception], ...] = (MiddleoutError,)


@cache
def _blocks() -> list[tuple[Header, bytes, bytes]]:
    """Return header, tag and payload of all blocks of the conformance vectors."""
    found = []
    for data in files("vectors/valid/*.mdo"):
        blocks = BlockReader(io.BytesIO(data))
        found += [(blocks.header, b"H", blocks.header.pack())]
        found += [(blocks.header, block.tag, block.payload) for block in blocks]
    return found


def _payloads(tag: bytes) -> list[bytes]:
    return [payload for _, found, payload in _blocks() if found == tag]


def read_everything(data: bytes) -> None:
    """Read a coded file in every way: forward, by its index, by ranges, and up to the first damage."""
    model = model_of_file(data)
    for rebuild in (True, False):
        with Reader(io.BytesIO(data), model=model, rebuild_index=rebuild, cache_bytes=0) as reader:
            if reader.frames * reader.channels > 1 << 20:  # many bytes of zeros from few, which is no fault
                return
            reader.mask(0, 5)
            first = reader.read(0, reader.frames // 2 + 1, slice(0, 2))
            assert np.array_equal(first, reader.read()[: len(first), :2], equal_nan=first.dtype.kind == "f")
    for _ in BlockReader(io.BytesIO(data)):
        pass


def _container(data: bytes) -> None:
    """Read a file as it is, and with its checksums made right."""
    try:
        read_everything(data)
    except MiddleoutError:
        read_everything(checksums.of_blocks(data))


def _header(data: bytes) -> None:
    assert Header.parse(data).pack() == data


def _index(data: bytes) -> None:
    Index.parse(data)


def _metadata(data: bytes) -> None:
    metadata.parse(data[1:], data[0] % 8 + 1 if data else 1)


def _metadata_seeds() -> list[bytes]:
    return [bytes([header.channels - 1]) + payload for header, tag, payload in _blocks() if tag == b"J"]


def _table(data: bytes) -> None:
    members = file_table.parse(data[1:], data[0] % 8 + 1 if data else 1, b"usual header")
    assert file_table.pack(members, b"usual header") == data[1:]


def _side(data: bytes) -> None:
    """Read side information and index maps: two bytes tell of how many channels, and which parts there are."""
    if len(data) < 2:
        raise CorruptError("too short")
    channels, flags = data[0] % 32 + 1, data[1]
    side, offset = parameter_bits.unpack(data, 2, channels, bool(flags & 1), bool(flags & 2), bool(flags & 4))
    maps, _ = index_maps.unpack(data, offset, index_maps.map_sources(side.kind, side.mean), 1000)
    maps.restore_samples(np.zeros((1000, channels), np.int16))


def _side_seeds() -> list[bytes]:
    found = []
    for header, _, payload in (block for block in _blocks() if block[1] == b"C" and block[2][4] & CODING == 1):
        flags, bounded = payload[4], payload[4] >> 3 & 1
        wanted = flags >> 4 & 1 | bounded << 1 | (flags >> 7) << 2
        found.append(bytes([(header.channels - 1) % 32, wanted]) + payload[11 + bounded :][:500])
    return found


def _chunk(data: bytes) -> None:
    """Decode a chunk by both engines: two bytes tell of how many channels, of how many bits samples are, the model."""
    if len(data) < 2:
        raise CorruptError("too short")
    channels, bits, payload = data[0] % 32 + 1, 8 if data[1] & 1 else 16, data[2:]
    samples = chunk_frames(payload, channels) * channels
    if samples > 1 << (12 if payload[4] & CODING == SHORT else 20):
        raise CorruptError("large, which is no fault")
    model = chunk_models()[(data[1] >> 1) % len(chunk_models())]
    results = []
    for engine in ("numpy", "compiled") if compiled.loads() else ("numpy",):
        choice.use(engine)
        try:
            for part in (None, Part(0, 1, np.array([0]))):
                task = DecodeTask(payload, channels, bits, part)
                codings.coding_of(payload).describe(task)
                results.append(_outcome(task, model))
        finally:
            choice.use("auto")
    for one, other in zip(results[:2], results[2:]):
        assert (one is None) == (other is None), "one engine decodes it"
        assert one is None or one.tobytes() == other.tobytes(), "the engines decode different samples"
    if results[0] is None:
        raise CorruptError("no chunk")


def _outcome(task: DecodeTask, model: models.Model) -> np.ndarray | None:
    try:
        return codings.decode([task], model)[0]
    except MiddleoutError:
        return None


def _chunk_seeds(spikes: bool) -> list[bytes]:
    numbers = {model.identity: number for number, model in enumerate(chunk_models())}
    found = []
    for header, tag, payload in _blocks():
        if tag == b"C" and (payload[4] & CODING == SPIKES) == spikes and len(payload) <= _LARGEST_CHUNK:
            second = numbers.get(header.model, 0) << 1 | (header.sample_bits == 8)
            found.append(bytes([(header.channels - 1) % 32, second]) + payload)
    return found


def _single(data: bytes) -> None:
    """Make a file of a chunk without blocks, and that chunk of the file."""
    assert single_chunk.pack(single_chunk.restore(data, bytes(8))) == data


def _single_seeds() -> list[bytes]:
    """Return chunks of all kinds as if they were of arrays; of others than rANS the model is part of the chunk."""
    found = []
    for header, tag, payload in _blocks():
        if tag == b"C" and len(payload) <= _LARGEST_CHUNK:
            found.append(bytes([16, header.channels]) + payload + header.model)
    return found


def _stream(data: bytes) -> None:
    """Decode packets as they are, joined, and with their checks made right."""
    for packets, join in ((data, False), (checksums.of_packets(data), False), (checksums.of_packets(data), True)):
        decoder = StreamDecoder(model=model_of_stream(packets), join=join, masks=True)
        for at in range(0, len(packets), 1 << 10):
            decoder.push(packets[at : at + (1 << 10)])
        decoder.finish()


def _topology(data: bytes) -> None:
    made = Topology.from_json(data.decode("utf-8", "replace"))
    made.prediction_order()
    made.matrix()


def _topology_seeds() -> list[bytes]:
    made = Topology()
    samples = np.random.default_rng(0).normal(0, 90, (4000, 1)) + np.random.default_rng(1).normal(0, 9, (4000, 3))
    made.observe(["a", "b", "c"], np.ascontiguousarray(samples.T.astype(np.int16)))
    return [made.to_json().encode()]


def _calibration(data: bytes) -> None:
    Calibration.parse(checksums.of_tail(data))


def _calibration_seeds() -> list[bytes]:
    random = np.random.default_rng(0)
    return [Calibration.of_samples(random.integers(-50, 50, (3000, n)).astype(np.int16)).pack() for n in (1, 4)]


def _model(data: bytes) -> None:
    """Read a model file strictly; one that passes is loaded with its checksum made right."""
    graph_check.check(onnx_graph.read(data))
    models.Model(checksums.of_model(data))


def _tables() -> Iterator[bytes]:
    for header, tag, payload in _blocks():
        if tag == b"F" and header.source == FILES:
            yield bytes([header.channels - 1]) + parse_foreign(payload)


TARGETS = {
    "container": Target(_container, lambda: files("vectors/valid/*.mdo") + files("vectors/faulty/*.mdo")),
    "header": Target(_header, lambda: _payloads(b"H")),
    "index": Target(_index, lambda: [payload for payload in _payloads(b"E") if payload]),
    "metadata": Target(_metadata, _metadata_seeds),
    "table": Target(_table, lambda: list(_tables())),
    "side": Target(_side, _side_seeds),
    "chunk": Target(_chunk, lambda: _chunk_seeds(spikes=False)),
    "spikes": Target(_chunk, lambda: _chunk_seeds(spikes=True)),
    "single": Target(_single, _single_seeds),
    "stream": Target(_stream, lambda: files("streams/*.mds")),
    "wav": Target(originals.wav, lambda: [data[:2000] for data in files("vectors/valid/*.wav")]),
    "npy": Target(originals.npy, originals.npy_seeds),
    "raw": Target(originals.raw, lambda: [bytes([n, n]) + bytes(range(96)) for n in range(4)]),
    "acquisition": Target(originals.acquisition, originals.acquisition_seeds),
    "layout": Target(originals.layout, originals.layout_seeds),
    "topology": Target(_topology, _topology_seeds, (MiddleoutError, ValueError)),
    "calibration": Target(_calibration, _calibration_seeds),
    "model": Target(_model, lambda: list(vector_models().values())),
}
"""By name, as `scripts/fuzz --target` takes them."""
