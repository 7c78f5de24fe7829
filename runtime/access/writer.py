"""Coding a recording piece by piece, from arrays."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from ..batch.chunking import ChunkLength, beginning
from ..batch.encoding import Encoding, Loaded, check_coded
from ..batch.model_choice import CHOICE_FRAMES
from ..batch.options import EncodeOptions, from_fields
from ..container import metadata
from ..container.blocks import BlockWriter
from ..container.header import Header
from ..core import sample_formats
from ..core.errors import MiddleoutError, UsageError
from ..core.limits import BATCH_SAMPLES, MAX_CHANNELS, whole
from ..core.names import channel_names, is_suffix
from ..core.terms import STREAM
from ..predictor import model as models
from ..recording.arrays import to_sample_rate, to_samples
from ..recording.outputs import paths
from ..recording.outputs.output_file import Output
from .reader import Reader

_WAIT_SECONDS = 5.0
"""How long chunks that are complete wait for more, with which they are faster to encode."""


class Writer:
    """Write a recording piece by piece; a context manager, in which the file is complete only if no error came.

    What is written is on its way to the disk within seconds, but for the last chunks. If an error comes, or the process
    is killed, it stays in a hidden file beside the target, `.NAME.*.part`, from which `runtime salvage` makes a
    complete one; the log names it.

    Parameters
    ----------
    target : str, os.PathLike or binary file object
        A file object need not be seekable; a path gets its file when all is written.
    sample_rate : float
        Hz; 0 if unknown.
    channels : int
    options : EncodeOptions or None
        How to encode.
    dtype : str or dtype
        Of the samples: one of `core.terms.TYPES`; those of int24 are given as int32.
    frames : int or None
        Length of the recording, if it is known; it is checked.
    suffix : str
        Suffix of the original's name; a WAV file is restored under it.
    force : bool
        Replace an existing file.
    **fields
        Fields of `EncodeOptions`.

    Raises
    ------
    UsageError, ModelError, RateError
    """

    def __init__(
        self,
        target: str | os.PathLike | BinaryIO,
        sample_rate: float,
        channels: int = 1,
        options: EncodeOptions | None = None,
        *,
        dtype: object = "int16",
        frames: int | None = None,
        suffix: str = ".wav",
        force: bool = False,
        **fields: Any,
    ) -> None:
        channels = whole(channels, 1, MAX_CHANNELS, f"a recording has 1 to {MAX_CHANNELS} channels")
        if frames is not None:
            frames = whole(frames, 0, 1 << 62, "a length is a whole number of frames")
        self._header = Header(
            channels=channels,
            sample_rate=to_sample_rate(sample_rate),
            dtype=sample_formats.parse(dtype).replace(">", "<"),
            frames=frames,
            suffix=suffix,
        )
        if not (isinstance(suffix, str) and is_suffix(suffix)):
            raise UsageError(f"suffix {suffix!r}: that is a dot, then at most 31 bytes fit for a file name")
        (options,) = from_fields(fields, options or EncodeOptions)
        metadata.completed(options.json_object, channels)  # refuses now, not when the first chunk is complete
        self._length = ChunkLength.of(options, channels, self._header.sample_rate, frames)
        self._loaded = Loaded.of(options)
        self._begun: tuple[Encoding, BlockWriter] | None = None
        self._output: Output | None = None
        if isinstance(target, str | os.PathLike):
            outputs = paths.Outputs(os.fspath(target), force=force)
            self._output = outputs.open(outputs.claim(STREAM, str), only_copy=True)
            self._file: BinaryIO = self._output.file
        else:
            self._file = target
        self._planned = None if frames is None else self._length.plan(frames)[::-1]
        """Frames of the chunks that are to come, the next one last, where the length of the recording is known."""
        self._pieces: list[np.ndarray] = []
        self._frames = 0
        self._mode: int | None = None
        self._closed = self._broken = self._has_samples = False
        self._written = 0
        self._coded_at = time.monotonic()

    def write(self, samples: np.ndarray) -> None:
        """Append samples, [time, channel] or for one channel [time]; `append` is the same.

        Raises
        ------
        UsageError
            They are other ones than the recording's, more than it was to have, or the writer is closed.
        RateError, ModelError
        """
        self._check_open()
        samples, dtype = to_samples(samples, "time-channel")
        header = self._header
        wanted = header.dtype.replace(">", "<")
        if (dtype, wanted) == ("<i4", "<i3"):
            sample_formats.check_range(samples, wanted)
            dtype = wanted
        if samples.shape[1] != header.channels or dtype != wanted:
            raise UsageError(
                f"{samples.shape[1]} channels of {sample_formats.name(dtype)}, in a recording of {header.channels} of "
                f"{sample_formats.name(wanted)}"
            )
        self._count(len(samples))
        self._pieces.append(samples)
        self._frames += len(samples)
        if self._is_due():
            self._encode(final=False)
            if self._output is not None:
                self._file.flush()
            self._coded_at = time.monotonic()
        else:
            self._pieces[-1] = samples.copy()  # the caller may use the array again

    append = write

    def append_coded(self, data: bytes) -> None:
        """Append the chunks of a coded recording, as `runtime.encode` gives it, as they are.

        So can several processes encode parts of a recording. All must have the same model: that which the options
        name, or else the one of what comes first.

        Raises
        ------
        UsageError
            It has another number of channels, sample rate (0 is any), type of samples or model, or is lossy.
        FileFormatError, CorruptError, ModelError
        """
        self._check_open()
        self._planned = None
        self._encode(final=True)
        with Reader(io.BytesIO(data), model=self._loaded.options.model, cache_bytes=0) as part:
            if self._begun is None and self._loaded.network is None:
                self._loaded = replace(self._loaded, network=models.load(part.model_data()))
            encoding, blocks = self._begin([])
            ours, its = encoding.header, part.header
            if (its.channels, its.dtype, its.model) != (ours.channels, ours.dtype, ours.model) or its.bounded:
                raise UsageError("what is appended has other channels, samples or another model, or is lossy")
            if part.sample_rate not in (0, self._header.sample_rate):
                raise UsageError(f"what is appended has {part.sample_rate} Hz, not {self._header.sample_rate}")
            payloads = list(part.payloads())  # all of them are intact
            self._count(part.frames)
            with self._writing():
                for payload in payloads:
                    blocks.chunk(payload)
                    self._has_samples = True

    def close(self) -> None:
        """Write what is left, and the end of the file; nothing if that was done. Raises `UsageError` after an error."""
        if self._closed:
            return
        self._check_open()
        self._encode(final=True)
        with self._writing():
            encoding, blocks = self._begin([])
            encoding.end(blocks)
            if self._output is not None:
                check = check_coded if self._loaded.options.verify else None
                self._output.commit(self._mode, check=check)
        self._closed = True

    def abort(self) -> None:
        """Give up what was written; no file is created at a path."""
        self._closed = True
        if self._output is not None:
            self._output.abort()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            if not self._broken:
                with contextlib.suppress(Exception):
                    self._encode(final=True)
            self._leave()
            return
        try:
            self.close()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        """Give up, but for samples that were written to a file: they may be nowhere else."""
        if self._has_samples and not self._closed and self._output is not None:
            if (left := self._output.leave()) is not None:
                text = "%r holds what was written before an error; `runtime salvage` saves it"
                logging.getLogger("runtime").warning(text, left)
        self.abort()

    def _check_open(self) -> None:
        if self._closed or self._broken:
            why = "is closed" if self._closed else "could not be written"
            raise UsageError(f"the recording {why}: nothing can be written any more")

    def _count(self, frames: int) -> None:
        """Count frames that come. Raises `UsageError` for more than there were to be."""
        if self._header.frames is not None and self._written + frames > self._header.frames:
            raise UsageError(f"more than the {self._header.frames} frames that were told of")
        self._written += frames

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Note an error while chunks are written: those behind it would lie where these should."""
        try:
            yield
        except BaseException:
            self._broken = True
            raise

    def _is_due(self) -> bool:
        """Tell whether complete chunks are to be encoded: many together, or those that have waited for long."""
        least = 2 * self._length.aim + (0 if self._begun else CHOICE_FRAMES)
        many = self._frames * self._header.channels >= 2 * BATCH_SAMPLES
        return self._frames >= least and (many or time.monotonic() - self._coded_at >= _WAIT_SECONDS)

    def _ready(self, final: bool) -> list[np.ndarray]:
        """Take the chunks that are complete: the same ones, however the frames came; all there are if it ends here."""
        channels = self._header.channels
        nothing = np.empty((0, channels), sample_formats.plain_type(self._header.dtype))
        samples = np.concatenate([nothing, *self._pieces])
        lengths, left = [], len(samples)
        while self._planned and self._planned[-1] <= left:
            lengths.append(self._planned.pop())
            left -= lengths[-1]
        if self._planned is None or final:  # fewer than were told of are refused in the end
            lengths += self._length.of_unknown(left, final)
        ends = np.cumsum(lengths, dtype=np.int64)
        chunks = np.split(samples, ends)[: len(lengths)]
        self._frames = len(samples) - sum(lengths)
        self._pieces = [samples[len(samples) - self._frames :].copy()]
        return [part for chunk in chunks for part in self._length.parts(chunk)]

    def _encode(self, final: bool) -> None:
        """Encode and write the chunks that are complete, as many together as a batch takes."""
        with self._writing():
            chunks = self._ready(final)
            while chunks:
                encoding, blocks = self._begin(chunks)
                count = 1
                while count < len(chunks) and sum(map(np.size, chunks[: count + 1])) <= BATCH_SAMPLES:
                    count += 1
                for payload in encoding.encoder.run([encoding.task(chunk) for chunk in chunks[:count]]):
                    if isinstance(payload, MiddleoutError):
                        raise payload
                    blocks.chunk(payload)
                    self._has_samples = True
                chunks = chunks[count:]

    def _begin(self, chunks: list[np.ndarray]) -> tuple[Encoding, BlockWriter]:
        """Write the header, by what the first chunks tell, unless that was done."""
        if self._begun is None:
            first = beginning(iter(chunks), CHOICE_FRAMES)
            encoding = Encoding(self._loaded, self._header, channel_names(self._header.channels), first)
            self._begun = encoding, encoding.writer(self._file)
        return self._begun
