"""One file on its way through the pipeline: to its coded form, or back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import numpy as np

from . import model as models
from . import paths, work
from .chunking import cut
from .container import BlockReader, BlockWriter
from .errors import CorruptError, MiddleoutError
from .layout import read_layout
from .pipeline import Item
from .records import Header, chunk_frames, parse_foreign, parse_model
from .topology import Topology, lead_names
from .wav import WavFormat, WavReader, canonical_header, to_bytes


@dataclass
class Outcome:
    """What became of one file.

    original_bytes, coded_bytes : sizes of the two forms
    samples : of all leads together
    error : None if all went well
    """

    path: str
    output: str | None = None
    original_bytes: int = 0
    coded_bytes: int = 0
    samples: int = 0
    error: Exception | None = None


@dataclass(frozen=True)
class Settings:
    """What holds for all files of one call; without `outputs` nothing is written (`test`)."""

    outputs: paths.Outputs | None
    network: models.Model | None
    done: Callable[[Outcome], None]
    remove: bool = False
    verify: bool = True
    embed_model: bool = False
    topology: Topology | None = None
    max_error: int = 0


class _Job:
    """What encoding and decoding a file have in common."""

    def __init__(self, path: str, settings: Settings) -> None:
        self.outcome = Outcome(path)
        self._path = path
        self._settings = settings
        self._target: str | None = None
        self._output: paths.Output | None = None
        self._header: Header | None = None

    def fail(self, error: Exception | None) -> None:
        if self._output is not None:
            self._output.abort()
        if error is not None:
            self.outcome.error = error
            self._settings.done(self.outcome)

    def _opened(self) -> BinaryIO:
        if self._output is None:
            self._output = self._settings.outputs.open(self._target)
            self.outcome.output = self._target
        return self._output.file

    def _close(self) -> None:
        """The output is complete."""
        path = self._path
        self._output.commit(None if path == paths.STREAM else path, self._header.mtime)
        self._output = None
        if self._settings.remove and path != paths.STREAM:
            os.unlink(path)
        self._settings.done(self.outcome)


class EncodeJob(_Job):
    """A WAV file on its way to a coded one."""

    _writer: BlockWriter | None = None

    def items(self) -> Iterator[Item]:
        self._target = self._settings.outputs.claim(self._path, paths.coded_name)
        network, outcome = self._settings.network, self.outcome
        ref = work.ModelReference(network.identity, network.data)
        with paths.Input(self._path) as source:
            wav = WavReader(source.file, source.size)
            form = wav.form
            self._header = self._make_header(wav, source.mtime)
            outcome.original_bytes = len(wav.front)
            topology = self._topology(form.leads)
            if not wav.canonical:
                yield Item(0, passed=wav.front)
            for chunk in cut(wav.read, wav.frames, form.leads):
                outcome.samples += chunk.size
                outcome.original_bytes += len(chunk) * form.frame_bytes
                yield Item(chunk.size, (chunk, form.leads, form.sample_bits, topology), ref)
            for piece in wav.back():
                outcome.original_bytes += len(piece)
                yield Item(len(piece) // 2, passed=piece)
            if source.size not in (None, outcome.original_bytes):
                raise MiddleoutError("the file changed while it was read")

    def put_bytes(self, data: bytes) -> None:
        writer = self._started()
        writer.foreign(data)
        writer.begin_chunks()  # what comes first is in front of the samples, all else behind them

    def put_chunk(self, payload: bytes) -> None:
        self._started().chunk(payload)

    def finish(self) -> None:
        writer = self._started()
        writer.end()
        self.outcome.coded_bytes = writer.offset
        if self._settings.verify and self._output.seekable:
            self._output.file.seek(0)
            for _ in BlockReader(self._output.file):
                pass
        self._close()

    def _topology(self, leads: int) -> Topology | None:
        """What was given, for the leads of this recording."""
        known = self._settings.topology
        return known.of(lead_names(leads)) if known is not None and leads > 1 else None

    def _make_header(self, wav: WavReader, mtime: int | None) -> Header:
        return Header(
            leads=wav.form.leads,
            rate=wav.form.rate,
            sample_bits=wav.form.sample_bits,
            frames=wav.frames,
            model=self._settings.network.identity,
            mtime=mtime,
            suffix=".wav" if self._path == paths.STREAM else paths.split_name(self._path)[1],
            is_wav=True,
            canonical=wav.canonical,
            embedded=self._settings.embed_model,
            bounded=self._settings.max_error > 0,
        )

    def _started(self) -> BlockWriter:
        if self._writer is None:
            data = self._settings.network.data if self._header.embedded else None
            self._writer = BlockWriter(self._opened(), self._header, data)
        return self._writer


class DecodeJob(_Job):
    """A coded file on its way back."""

    def items(self) -> Iterator[Item]:
        with paths.Input(self._path) as source:
            blocks = BlockReader(source.file)
            header = self._header = blocks.header
            if self._settings.outputs is not None:
                name = partial(paths.original_name, suffix=header.suffix)
                self._target = self._settings.outputs.claim(self._path, name)
            embedded = None
            if header.canonical or not header.is_wav:
                form = WavFormat(header.leads, header.rate, header.sample_bits)
                yield Item(0, passed=canonical_header(form, _frames(header, source)))
            for block in blocks:
                if block.tag == b"M":
                    embedded = parse_model(block.payload, header.model)
                elif block.tag in b"FB":
                    piece = parse_foreign(block.payload)
                    yield Item(len(piece) // 2, passed=piece)
                elif block.tag == b"C":
                    samples = chunk_frames(block.payload, header.leads) * header.leads
                    ref = work.reference(header, embedded, self._settings.network)
                    yield Item(samples, (block.payload, header.leads, header.sample_bits), ref)
            self.outcome.coded_bytes = blocks.offset

    def put_bytes(self, data: bytes) -> None:
        self.outcome.original_bytes += len(data)
        if self._settings.outputs is not None:
            self._opened().write(data)

    def put_chunk(self, samples: np.ndarray) -> None:
        self.outcome.samples += samples.size
        self.put_bytes(to_bytes(samples, self._header.sample_bits))

    def finish(self) -> None:
        if self._settings.outputs is None:
            self._settings.done(self.outcome)
            return
        self._opened()
        self._close()


def _frames(header: Header, source: paths.Input) -> int | None:
    """Frames of a recording: as its header says, else as its index does where that is within reach."""
    if header.frames is not None or source.size is None:
        return header.frames
    back = source.file.tell()
    try:
        return read_layout(source.file).index.total
    except CorruptError:  # reading on will come across the damage too
        return None
    finally:
        source.file.seek(back)


def encode_call(ref: work.ModelReference, works: list[tuple], verify: bool, **options: object) -> list:
    """Encode a batch of works (see `pipeline.Item`); `options` are those of `codec.encode_chunks`."""
    chunks, _, bits, topologies = map(list, zip(*works, strict=True))
    return work.encode_batch(ref, chunks, bits, verify, topology=topologies, **options)


def decode_call(ref: work.ModelReference, works: list[tuple]) -> list:
    """Decode a batch of works."""
    payloads, leads, bits = zip(*works, strict=True)
    return work.decode_batch(ref, list(payloads), list(leads), list(bits))
