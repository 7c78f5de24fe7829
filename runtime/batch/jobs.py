"""One file on its way through the pipeline: to its coded form, or back."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ..codec.coding import DecodeTask
from ..container.blocks import BlockReader, BlockWriter
from ..container.chunk_head import chunk_bound, chunk_frames
from ..container.header import Header, parse_foreign, parse_model
from ..core import sample_formats
from ..core.errors import MiddleoutError, UsageError
from ..core.terms import FILES, RAW, SAMPLES, STREAM
from ..predictor import model as models
from ..recording import paths, removal
from ..recording.input_file import Input, Seen
from ..recording.originals import ChannelTimeSink, FileSink, MembersSink, members_of, wav_front
from ..recording.output_file import Check, Output
from ..recording.plausibility import likely_channels
from ..recording.sources import Given, Recording
from ..wide.wide_coding import stored_floats
from .chunking import ChunkLength, beginning
from .coders import Decoder, model_of
from .encoding import Encoding, Loaded, check_coded, is_complete
from .model_choice import CHOICE_FRAMES
from .outcome import Outcome, Settings
from .pipeline import Back, Chunk, Front

_LOOKED_AT = 1 << 14
"""Frames of raw samples by which their number of channels is judged."""


class _Job:
    """What encoding and decoding have in common: one input, or several that are one recording."""

    def __init__(self, files: list[str], settings: Settings) -> None:
        self.outcome = Outcome(files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else ""))
        self._files, self._settings = files, settings
        self._output: Output | FileSink | MembersSink | None = None
        self._inputs: list[Seen] = []
        self._contents = removal.Contents() if settings.remove else None
        self._mtime: int | None = None
        self._begun = time.perf_counter()

    def _tell(self) -> None:
        """Hand over the outcome."""
        self.outcome.seconds = time.perf_counter() - self._begun
        self._settings.done(self.outcome)

    def fail(self, error: Exception | None) -> None:
        """Give up and tidy up; `error` is None where the whole command is given up."""
        if self._output is not None:
            self._output.abort()
        if error is not None:
            self.outcome.error = error
            self._tell()

    def _close(self, check: Check | None, read_again: Callable[[], removal.Contents]) -> None:
        """Complete the output, and remove the inputs if that was asked for and they are still what was read."""
        if self._output is not None:
            self._output.commit(self._inputs[0].mode if self._inputs else None, self._mtime, check)
            self._output = None
        removal.done_with(self._inputs, self._contents, read_again, self.outcome.output)
        self._tell()

    def _note(self, data: bytes | np.ndarray) -> None:
        """Add to what was read of the input, if that is to be proved in the end."""
        if self._contents is not None:
            self._contents.add(data)


class EncodeJob(_Job):
    """A recording on its way to a coded file.

    Parameters
    ----------
    files : one path, or with `array` one for each channel
    settings : Settings
    loaded : Loaded
    given : Given
    array : whether the files are the channels of one recording
    """

    def __init__(self, files: list[str], settings: Settings, loaded: Loaded, given: Given, array: bool = False) -> None:
        super().__init__(files, settings)
        self._loaded, self._given, self._array = loaded, given, array
        self._encoding: Encoding | None = None
        self._writer: BlockWriter | None = None
        self._target = ""

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read the recording."""
        assert self._settings.outputs is not None
        self._begun = time.perf_counter()
        if self._settings.skip_done and self._is_done(self._settings.outputs.target(self._files[0], paths.coded_name)):
            return
        self._target = self._settings.outputs.claim(self._files[0], paths.coded_name, self._files[1:])
        outcome = self.outcome
        with Recording(self._files, self._given, self._array) as recording:
            self._inputs, self._mtime = recording.seen, recording.mtime
            source = recording.source
            length = ChunkLength.of(self._loaded.options, source.channels, source.sample_rate, source.frames)
            chunks = itertools.chain.from_iterable(map(length.parts, length.cut(source.read, source.frames)))
            first = beginning(chunks, CHOICE_FRAMES)
            if source.kind == RAW and not source.channel_time and first:
                outcome.likely_channels = likely_channels(first[0][:_LOOKED_AT])
            header = self._header(recording)
            self._encoding = Encoding(self._loaded, header, recording.names, first, recording.foreign)
            outcome.original_bytes = source.outside
            self._note(source.front)
            if header.has_front:
                yield Front(source.front)
            chunks = itertools.chain(first, chunks)
            del first  # it takes as much memory as all that is in work
            for chunk in chunks:
                self._note(chunk)
                outcome.samples += chunk.size
                outcome.original_bytes += chunk.size * sample_formats.width(source.dtype)
                yield Chunk(self._encoding.encoder, self._encoding.task(chunk), chunk.size)
            for piece in source.back():
                self._note(piece)
                outcome.original_bytes += len(piece)
                yield Back(piece)
            if recording.size not in (None, outcome.original_bytes) or any(seen.changed() for seen in recording.seen):
                raise MiddleoutError("the file changed while it was read; nothing was written")

    def put_front(self, data: bytes) -> None:
        """Write bytes in front of the samples."""
        self._started().front(data)

    def put_chunk(self, payload: bytes) -> None:
        """Write a chunk."""
        self._started().chunk(payload)
        self.outcome.max_errors.append(chunk_bound(payload))
        self.outcome.stored = max(self.outcome.stored, stored_floats(payload, self._started().header.channels))

    def put_back(self, data: bytes) -> None:
        """Write bytes behind the samples."""
        self._started().back(data)

    def finish(self) -> None:
        """Complete the file."""
        if self.outcome.skipped:
            self._tell()
            return
        writer = self._started()
        assert self._encoding is not None  # since `items` has begun
        self.outcome.bit_rate = self._encoding.end(writer)
        self.outcome.coded_bytes = writer.offset
        again = partial(removal.recording_contents, self._files, self._given, self._array)
        self._close(check_coded if self._loaded.options.verify else None, again)

    def _is_done(self, target: str) -> bool:
        """Tell whether the output is there already; then this is the outcome."""
        if STREAM in (target, *self._files) or not all(map(os.path.isfile, self._files)):
            return False
        found = [os.stat(file) for file in self._files]
        self.outcome.skipped = is_complete(target, max(status.st_mtime_ns for status in found))
        if self.outcome.skipped:
            self.outcome.output, self.outcome.coded_bytes = target, os.path.getsize(target)
            self.outcome.original_bytes = sum(status.st_size for status in found)
        return self.outcome.skipped

    def _header(self, recording: Recording) -> Header:
        """Say what the recording is; how it is encoded is not known yet."""
        source, path = recording.source, self._files[0]
        if source.kind == SAMPLES and self._settings.remove:
            raise UsageError("the file can't be restored from its samples, so that it is not to be removed")
        suffix = {FILES: "", SAMPLES: ".wav"}.get(source.kind)
        if suffix is None:
            suffix = f".{source.kind}" if path == STREAM else paths.split_name(path)[1]
        return Header(
            channels=source.channels,
            sample_rate=source.sample_rate,
            dtype=source.dtype,
            frames=source.frames,
            mtime=recording.mtime,
            suffix=suffix,
            source=source.kind,
            canonical=source.canonical,
            channel_time=source.channel_time,
        )

    def _started(self) -> BlockWriter:
        if self._writer is None:
            assert self._settings.outputs is not None and self._encoding is not None  # since `items` has begun
            self._output = output = self._settings.outputs.open(self._target)
            self.outcome.output = self._target
            self._writer = self._encoding.writer(output.file)
        return self._writer


class DecodeJob(_Job):
    """A coded file on its way back.

    Parameters
    ----------
    files : one path
    settings : Settings
    network : model for files whose model is neither shipped nor embedded
    embedded_model : whether a model in the file may be used
    """

    def __init__(
        self, files: list[str], settings: Settings, network: models.Model | None, embedded_model: bool = True
    ) -> None:
        super().__init__(files, settings)
        self._network, self._embedded_model = network, embedded_model
        self._width = 0

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read the coded file."""
        self._begun = time.perf_counter()
        with Input(self._files[0]) as source:
            self._inputs = [source.seen] if source.seen is not None else []
            blocks = BlockReader(source.file)
            header = blocks.header
            self._note(blocks.header_crc.to_bytes(4, "little"))
            self._mtime, self._width = header.mtime, sample_formats.width(header.dtype)
            if header.source != FILES:
                self._open_single(header)
            embedded, opened, coder = None, header.source != FILES, None
            if header.canonical or header.source == SAMPLES:
                yield Front(wav_front(header, source))
            for block in blocks:
                self._note(block.payload)
                if not opened and block.tag in b"CE":
                    self._open_several(header, blocks.table)
                    opened = True
                if block.tag == b"M":
                    embedded = parse_model(block.payload, header.model)
                elif block.tag == b"F" and header.source != FILES:
                    yield Front(parse_foreign(block.payload))
                elif block.tag == b"B":
                    yield Back(parse_foreign(block.payload))
                elif block.tag == b"C":
                    samples = chunk_frames(block.payload, header.channels) * header.channels
                    coder = coder or Decoder(model_of(header, embedded, self._network, self._embedded_model))
                    yield Chunk(coder, DecodeTask(block.payload, header.channels, header.sample_bits), samples)
            self.outcome.coded_bytes = blocks.offset

    def put_front(self, data: bytes) -> None:
        """Restore bytes in front of the samples."""
        self.outcome.original_bytes += len(data)
        if isinstance(self._output, FileSink):
            self._output.front(data)

    def put_chunk(self, samples: np.ndarray) -> None:
        """Restore samples."""
        self.outcome.samples += samples.size
        self.outcome.original_bytes += samples.size * self._width
        if isinstance(self._output, FileSink | MembersSink):
            self._output.samples(samples)

    def put_back(self, data: bytes) -> None:
        """Restore bytes behind the samples."""
        self.outcome.original_bytes += len(data)
        if isinstance(self._output, FileSink):
            self._output.back(data)

    def finish(self) -> None:
        """Complete the original."""
        self._close(Output.check if self._settings.remove else None, partial(removal.coded_contents, self._files[0]))

    def _open_single(self, header: Header) -> None:
        """Find out where an original of one file goes."""
        outputs = self._settings.outputs
        if outputs is not None:
            target = outputs.claim(self._files[0], partial(paths.original_name, suffix=header.suffix))
            self._output = (ChannelTimeSink if header.channel_time else FileSink)(outputs, target, header)
            self.outcome.output = target

    def _open_several(self, header: Header, table: bytes) -> None:
        """Find out where the files go that an original consists of."""
        outputs, members = self._settings.outputs, members_of(header, table)
        self.outcome.original_bytes += sum(len(member.front) + len(member.back) for member in members)
        if outputs is not None:
            self._output = sink = MembersSink(outputs, self._files[0], header, members)
            self.outcome.output = sink.target
