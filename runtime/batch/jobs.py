"""One file on its way through the pipeline: to its coded form, or back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..container.blocks import BlockReader, BlockWriter
from ..container.file_table import Member
from ..container.header import Header, chunk_bound, chunk_frames, parse_foreign, parse_model
from ..container.index import read_layout
from ..core import sample_formats
from ..core.compressed_bytes import pack_blob
from ..core.errors import CorruptError, MiddleoutError
from ..core.terms import FILES, SAMPLES
from ..fit.prediction_order import PredictionOrder
from ..fit.topology import Topology
from ..predictor import model as models
from ..recording import paths
from ..recording.originals import ChannelTimeSink, FileSink, MembersSink
from ..recording.sources import NOTHING, Given, Recording
from ..recording.wav import WavFormat, canonical_header
from ..spikes import Activity
from . import worker
from .chunking import cut
from .model_choice import choose
from .pipeline import Item
from .rate_control import FILE_COST, Budget, bit_rate


@dataclass
class Outcome:
    """What became of one file.

    original_bytes, coded_bytes : sizes of the two forms
    samples : of all channels together
    max_errors : bound of the error in each chunk, 0 where it is exact; of an encoded file
    bit_rate : of all channels together, if a target rate was given
    error : None if all went well
    """

    path: str
    output: str | None = None
    original_bytes: int = 0
    coded_bytes: int = 0
    samples: int = 0
    max_errors: list[int] = field(default_factory=list)
    bit_rate: float | None = None
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
    given: Given = NOTHING
    max_error: int = 0
    target_rate: float | None = None
    activity: Activity | None = None
    chooses: bool = False
    independent: bool = False

    def network_for(self, samples: np.ndarray) -> models.Model:
        """The model to encode a recording with, which begins with these samples."""
        if not self.chooses:
            return self.network
        kept = self.activity is not None
        return models.load(choose(samples, self.independent, self.max_error, self.target_rate, kept))

    @property
    def lossy(self) -> bool:
        """Whether coded files may be no more than close to the originals."""
        return self.max_error > 0 or self.target_rate is not None or self.activity is not None


class _Job:
    """What encoding and decoding have in common: one input, or several that are one recording."""

    def __init__(self, files: list[str], settings: Settings) -> None:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        self.outcome = Outcome(files[0] + more)
        self._files = files
        self._settings = settings
        self._output: paths.Output | FileSink | MembersSink | None = None
        self._header: Header | None = None

    def fail(self, error: Exception | None) -> None:
        if self._output is not None:
            self._output.abort()
        if error is not None:
            self.outcome.error = error
            self._settings.done(self.outcome)

    def _close(self) -> None:
        """The output is complete."""
        like = None if self._files[0] == paths.STREAM else self._files[0]
        self._output.commit(like, self._header.mtime)
        self._output = None
        if self._settings.remove:
            for path in self._files:
                if path != paths.STREAM:
                    os.unlink(path)
        self._settings.done(self.outcome)


class EncodeJob(_Job):
    """A recording on its way to a coded file.

    Parameters
    ----------
    files : one path, or with `array` one for each channel
    """

    def __init__(self, files: list[str], settings: Settings, array: bool = False) -> None:
        super().__init__(files, settings)
        self._array = array
        self._writer: BlockWriter | None = None
        self._budget: Budget | None = None
        self._network = settings.network
        self._target = ""

    def items(self) -> Iterator[Item]:
        self._target = self._settings.outputs.claim(self._files[0], paths.coded_name, self._files[1:])
        outcome = self.outcome
        with Recording(self._files, self._settings.given, self._array) as recording:
            source = recording.source
            chunks = cut(source.read, source.frames, source.channels)
            first = next(chunks, None)
            if first is not None:
                self._network = self._settings.network_for(first)
            ref = worker.ModelReference(self._network.identity, self._network.data)
            self._header = self._make_header(recording)
            outcome.original_bytes = source.outside
            topology = self._topology(recording.names)
            self._plan(recording)
            activity = self._settings.activity and self._settings.activity.at(source.sample_rate)
            if self._header.has_front:
                yield Item(0, passed=source.front)
            for chunk in itertools.chain([] if first is None else [first], chunks):
                outcome.samples += chunk.size
                outcome.original_bytes += chunk.size * sample_formats.width(source.dtype)
                budget = self._budget and self._budget.take(len(chunk))
                parts = (chunk, source.channels, self._header.sample_bits, topology, budget, activity)
                yield Item(chunk.size, parts, ref)
            for piece in source.back():
                outcome.original_bytes += len(piece)
                yield Item(len(piece) // 2, passed=piece)
            if recording.size not in (None, outcome.original_bytes):
                raise MiddleoutError("the file changed while it was read")

    def put_bytes(self, data: bytes) -> None:
        writer = self._started()
        writer.foreign(data)
        writer.begin_chunks()  # what comes first is in front of the samples, all else behind them

    def put_chunk(self, payload: bytes) -> None:
        self._started().chunk(payload)
        self.outcome.max_errors.append(chunk_bound(payload))

    def finish(self) -> None:
        writer = self._started()
        frames = writer.end().total
        self.outcome.coded_bytes = writer.offset
        if self._budget is not None:
            self.outcome.bit_rate = bit_rate(writer.offset, frames, self._budget.sample_rate)
            self._budget.check(writer.offset, frames)
        if self._settings.verify and self._output.seekable:
            self._output.file.seek(0)
            for _ in BlockReader(self._output.file):
                pass
        self._close()

    def _plan(self, recording: Recording) -> None:
        """Set aside what a target rate must leave for other things than chunks, as far as it is known beforehand."""
        settings, source, reserve = self._settings, recording.source, FILE_COST
        if settings.target_rate is None:
            return
        if self._header.has_front:
            reserve += len(source.front)
            if None not in (recording.size, source.frames):
                behind = recording.size - source.outside
                reserve += max(behind - source.frames * source.channels * sample_formats.width(source.dtype), 0)
        if settings.embed_model:
            reserve += len(pack_blob(self._network.data, always=True)[1])
        self._budget = Budget(settings.target_rate, source.sample_rate, source.frames, reserve)

    def _topology(self, names: list[str]) -> PredictionOrder | None:
        """What was given, for the channels of this recording."""
        known = self._settings.topology
        return known.subset(names).prediction_order(past=True) if known is not None and len(names) > 1 else None

    def _make_header(self, recording: Recording) -> Header:
        source, path = recording.source, self._files[0]
        if source.kind == FILES:
            suffix = ""
        else:
            suffix = f".{source.kind}" if path == paths.STREAM else paths.split_name(path)[1]
        return Header(
            channels=source.channels,
            sample_rate=source.sample_rate,
            dtype=source.dtype,
            frames=source.frames,
            model=self._network.identity,
            mtime=recording.mtime,
            suffix=suffix,
            source=source.kind,
            canonical=source.canonical,
            embedded=self._settings.embed_model,
            bounded=self._settings.lossy,
            channel_time=source.channel_time,
        )

    def _started(self) -> BlockWriter:
        if self._writer is None:
            data = self._network.data if self._header.embedded else None
            self._output = self._settings.outputs.open(self._target)
            self.outcome.output = self._target
            self._writer = BlockWriter(self._output.file, self._header, data)
        return self._writer


class DecodeJob(_Job):
    """A coded file on its way back."""

    def items(self) -> Iterator[Item]:
        with paths.Input(self._files[0]) as source:
            blocks = BlockReader(source.file)
            header = self._header = blocks.header
            if header.source != FILES:
                self._claim(None)
            embedded, claimed = None, False
            if header.canonical or header.source == SAMPLES:
                form = WavFormat(header.channels, header.sample_rate, header.sample_bits)
                yield Item(0, passed=canonical_header(form, _frames(header, source)))
            for block in blocks:
                if blocks.members is not None and not claimed:
                    self._claim(blocks.members)
                    claimed = True
                if block.tag == b"M":
                    embedded = parse_model(block.payload, header.model)
                elif block.tag in b"FB" and header.source != FILES:
                    piece = parse_foreign(block.payload)
                    yield Item(len(piece) // 2, passed=piece)
                elif block.tag == b"C":
                    samples = chunk_frames(block.payload, header.channels) * header.channels
                    ref = worker.reference(header, embedded, self._settings.network)
                    yield Item(samples, (block.payload, header.channels, header.sample_bits), ref)
            self.outcome.coded_bytes = blocks.offset

    def put_bytes(self, data: bytes) -> None:
        self.outcome.original_bytes += len(data)
        if self._output is not None:
            self._output.write(data)

    def put_chunk(self, samples: np.ndarray) -> None:
        self.outcome.samples += samples.size
        self.outcome.original_bytes += samples.size * sample_formats.width(self._header.dtype)
        if self._output is not None:
            self._output.samples(samples)

    def finish(self) -> None:
        if self._output is None:
            self._settings.done(self.outcome)
        else:
            self._close()

    def _claim(self, table: list[Member] | None) -> None:
        """Find out where the original goes; `table` tells of the files that it consists of, if it is several."""
        outputs, header = self._settings.outputs, self._header
        if table is not None:
            self.outcome.original_bytes += sum(len(member.front) + len(member.back) for member in table)
        if outputs is None:
            return
        if table is not None:
            self._output = MembersSink(outputs, self._files[0], header, table)
        else:
            target = outputs.claim(self._files[0], partial(paths.original_name, suffix=header.suffix))
            self._output = (ChannelTimeSink if header.channel_time else FileSink)(outputs, target, header)
        self.outcome.output = self._output.target


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


def encode_call(ref: worker.ModelReference, works: list[tuple], verify: bool, **options: object) -> list:
    """Encode a batch of works (see `pipeline.Item`); `options` are those of `codec.encode_chunks`."""
    chunks, _, bits, topologies, budgets, activities = map(list, zip(*works, strict=True))
    return worker.encode_batch(ref, chunks, bits, verify, budgets, activities, topology=topologies, **options)


def decode_call(ref: worker.ModelReference, works: list[tuple]) -> list:
    """Decode a batch of works."""
    payloads, channels, bits = zip(*works, strict=True)
    return worker.decode_batch(ref, list(payloads), list(channels), list(bits))
