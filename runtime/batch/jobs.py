"""One file on its way through the pipeline, and that of a recording to its coded form."""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..container.blocks import BlockWriter
from ..container.chunk_head import chunk_bound
from ..container.header import Header, kept_time
from ..container.metadata import CHANNEL_IDS
from ..container.record_bytes import Unpacked
from ..core import sample_formats
from ..core.errors import MiddleoutError, UsageError
from ..core.file_io import file_digest
from ..core.terms import FILES, KEPT, RAW, SAMPLES, STREAM
from ..recording.input_file import Seen
from ..recording.outputs import paths, removal
from ..recording.outputs.originals import FileSink, Sink
from ..recording.outputs.output_file import Check, Output
from ..recording.plausibility import likely_channels
from ..recording.source import Source
from ..recording.sources import Given, Recording
from ..wide.wide_coding import stored_floats
from .chunking import ChunkLength, beginning
from .encoding import Encoding, Loaded, check_coded, is_complete
from .model_choice import CHOICE_FRAMES
from .outcome import Outcome, Settings
from .pipeline import Back, Chunk, Front

_LOOKED_AT = 1 << 14
"""Frames of raw samples by which their number of channels is judged."""


class Job:
    """What encoding and decoding have in common: one input, or several that are one recording."""

    def __init__(self, files: list[str], settings: Settings) -> None:
        self.outcome = Outcome(files[0] + (f" and {len(files) - 1} more" if len(files) > 1 else ""))
        self._files, self._settings = files, settings
        self._output: Output | Sink | None = None
        self._inputs: list[Seen] = []
        self._contents: Any = removal.Contents() if settings.remove else None
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

    def _close(self, check: Check | None, read_again: Callable[[], Any]) -> None:
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


class EncodeJob(Job):
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
        self._original = Sink()
        self._kept: deque[Unpacked] = deque()
        self._target = ""

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read the recording."""
        assert self._settings.outputs is not None
        self._begun = time.perf_counter()
        self._target = self._settings.outputs.claim_coded(self._files, self._hindered)
        outcome = self.outcome
        if outcome.skipped:
            return
        with Recording(self._files, self._given, self._array, keep=True) as recording:
            self._inputs, self._mtime = recording.seen, recording.mtime
            source = recording.source
            if source.kind == KEPT:
                self._loaded = self._loaded.for_kept()
            elif self._loaded.options.keep is not None:
                self._keep_digital(source)
            length = ChunkLength.of(self._loaded.options, source.channels, source.sample_rate, source.frames)
            chunks = itertools.chain.from_iterable(map(length.parts, length.cut(source.read, source.frames)))
            first = beginning(chunks, CHOICE_FRAMES)
            if recording.given.channels is not None and source.kind == RAW and not source.channel_time and first:
                outcome.likely_channels = likely_channels(first[0][:_LOOKED_AT])
            header = self._header(recording)
            outcome.kept = source.kind == KEPT
            if not (outcome.kept and self._given.archive):  # of an archive, they are counted
                outcome.notes += source.notes
            if recording.mtime is None and recording.seen:
                outcome.notes += ("its time of modification is not kept: it is before 1677 or after 2262",)
            encoding = Encoding(self._loaded, header, recording.names, first, recording.foreign, source.metadata)
            self._encoding, header = encoding, encoding.header
            if header.in_order and (header.summed or self._settings.remove or self._settings.sums):
                self._original = FileSink(None, "", header, hashed=True)
                self._contents = None  # the SHA-256 tells as much
            outcome.original_bytes = source.outside
            self._note(source.front)
            self._original.front(source.front)
            if header.has_front:
                yield Front(source.front)
            chunks = itertools.chain(_let_go(first), chunks)
            for chunk in chunks:
                self._note(chunk)
                outcome.samples += chunk.size
                outcome.original_bytes += chunk.size * sample_formats.width(source.dtype)
                kept = source.record_bytes(len(chunk))
                self._original.samples(chunk, kept.rows)
                self._kept.append(kept)
                for signals in kept.signals():
                    yield Chunk(encoding.encoder, encoding.exact(signals), signals.size)
                yield Chunk(encoding.encoder, encoding.task(chunk), chunk.size + kept.samples)
            for piece in source.back():
                self._note(piece)
                self._original.back(piece)
                outcome.original_bytes += len(piece)
                yield Back(piece)
            if recording.size not in (None, outcome.original_bytes) or any(seen.changed() for seen in recording.seen):
                raise MiddleoutError("the file changed while it was read; nothing was written")

    def put_front(self, data: bytes) -> None:
        """Write bytes in front of the samples."""
        self._started().front(data)

    def put_chunk(self, payload: bytes) -> None:
        """Write a chunk, once what is to be in its block of other signals has come."""
        if self._kept[0].take(payload):
            return
        self._started().chunk(payload, self._kept.popleft().pack())
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
        digest = self._original.digest
        self.outcome.bit_rate = self._encoding.end(writer, digest)
        self._tell_sum(digest)
        self.outcome.coded_bytes = writer.offset
        again: Callable[[], Any] = partial(removal.recording_contents, self._files, self._given, self._array)
        if self.outcome.kept:
            self._contents = None  # recordings that are still to come may be described by it: see `encode_files`
        elif self._settings.remove and digest is not None:
            self._contents, again = digest, partial(file_digest, self._files[0])
        self._close(check_coded if self._loaded.options.verify else None, again)

    def _keep_digital(self, source: Source) -> None:
        """Leave spike mode for a recording of digital words; tell of channels of such words among others."""
        digital = self._loaded.digital(source.metadata, source.channels)
        if len(digital) == source.channels:
            self._loaded = self._loaded.without_windows()
        elif digital:
            ids = source.metadata.get(CHANNEL_IDS, range(source.channels))
            names = ", ".join(str(ids[channel]) for channel in digital)
            self.outcome.notes += (f"of the digital words of {names}, only windows around spikes are kept",)

    def _tell_sum(self, digest: bytes | None) -> None:
        """Put the SHA-256 of the original into the outcome, if there is one or it is asked for."""
        if digest is None and self._settings.sums and len(self._files) == 1:
            digest = file_digest(self._files[0])
        self.outcome.sha256 = None if digest is None else digest.hex()

    def _hindered(self, target: str) -> str:
        """Tell why what is there is in the way; an empty text where it is the output already, which is the outcome."""
        if not self._settings.skip_done or STREAM in self._files or not all(map(os.path.isfile, self._files)):
            return "exists"
        found = [os.stat(file) for file in self._files]
        suffix = None if self._given.samples_only else self._suffix if len(self._files) == 1 else ""
        mtime = kept_time(max(status.st_mtime_ns for status in found))
        self.outcome.skipped = is_complete(target, mtime, self._loaded.options.lossy, suffix)
        if self.outcome.skipped:
            self.outcome.output, self.outcome.coded_bytes = target, os.path.getsize(target)
            self.outcome.original_bytes = sum(status.st_size for status in found)
            self._tell_sum(None)
        return "" if self.outcome.skipped else "exists, but is not this original's, complete and as asked for"

    @property
    def _suffix(self) -> str:
        """What restoring adds to the name of the coded file, without its own suffix."""
        assert self._settings.outputs is not None
        return "" if self._files[0] in self._settings.outputs.whole else paths.split_name(self._files[0])[1]

    def _header(self, recording: Recording) -> Header:
        """Say what the recording is; how it is encoded is not known yet."""
        source, path = recording.source, self._files[0]
        if source.restored_as is not None and self._settings.remove:
            raise UsageError("the file can't be restored from its samples, so that it is not to be removed")
        suffix = "" if source.kind == FILES else source.restored_as
        if suffix is None or (source.kind == SAMPLES and suffix == paths.split_name(path)[1].lower()):
            suffix = f".{source.kind}" if path == STREAM else self._suffix
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


def _let_go(chunks: list[np.ndarray]) -> Iterator[np.ndarray]:
    """Take chunks out of a list: those of a list that stays take as much memory as all that is in work."""
    while chunks:
        yield chunks.pop(0)
