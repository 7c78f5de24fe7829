"""Coding a recording piece by piece, from arrays."""

from __future__ import annotations

import io
import os
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
from ..core.limits import BATCH_SAMPLES, MAX_CHANNELS
from ..core.names import channel_names, is_suffix
from ..core.terms import STREAM
from ..predictor import model as models
from ..recording.arrays import to_sample_rate, to_samples
from ..recording.outputs import paths
from ..recording.outputs.output_file import Output
from .reader import Reader


class Writer:
    """Write a recording piece by piece; a context manager, in which the file is complete only if no error came.

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
        self._header = Header(
            channels=channels,
            sample_rate=to_sample_rate(sample_rate),
            dtype=sample_formats.parse(dtype).replace(">", "<"),
            frames=frames,
            suffix=suffix,
        )
        _check(self._header)
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
        self._pieces: list[np.ndarray] = []
        self._frames = 0
        self._mode: int | None = None

    def write(self, samples: np.ndarray) -> None:
        """Append samples, [time, channel] or for one channel [time]; `append` is the same."""
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
        self._pieces.append(samples)
        self._frames += len(samples)
        if self._frames >= 2 * self._length.aim and self._frames * header.channels >= 2 * BATCH_SAMPLES:
            self._encode(self._ready(final=False))

    append = write

    def append_coded(self, data: bytes) -> None:
        """Append the chunks of a coded recording, as `runtime.encode` gives it, as they are.

        So can several processes encode parts of a recording. All must have the same model: that which the options
        name, or else the one of what comes first.

        Raises
        ------
        UsageError
            It has another number of channels, type of samples or model, or is lossy.
        FileFormatError, CorruptError, ModelError
        """
        self._encode(self._ready(final=True))
        with Reader(io.BytesIO(data), model=self._loaded.options.model, cache_bytes=0) as part:
            if self._begun is None and self._loaded.network is None:
                self._loaded = replace(self._loaded, network=models.load(part.model_data()))
            encoding, blocks = self._begin([])
            ours, its = encoding.header, part.header
            if (its.channels, its.dtype, its.model) != (ours.channels, ours.dtype, ours.model) or its.bounded:
                raise UsageError("what is appended has other channels, samples or another model, or is lossy")
            for payload in part.payloads():
                blocks.chunk(payload)

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._encode(self._ready(final=True))
        encoding, blocks = self._begin([])
        encoding.end(blocks)
        if self._output is not None:
            check = check_coded if self._loaded.options.verify else None
            self._output.commit(self._mode, check=check)

    def abort(self) -> None:
        """Give up; no file is created at a path."""
        if self._output is not None:
            self._output.abort()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise

    def _ready(self, final: bool) -> list[np.ndarray]:
        """Take the chunks that are complete; the last one is not, unless the recording ends here."""
        channels = self._header.channels
        nothing = np.empty((0, channels), sample_formats.plain_type(self._header.dtype))
        samples = np.concatenate([nothing, *self._pieces])
        aim = self._length.aim
        lengths = self._length.plan(len(samples)) if final else [aim] * (len(samples) // aim - 1)
        ends = np.cumsum(lengths, dtype=np.int64)
        chunks = np.split(samples, ends)[: len(lengths)]
        self._frames = len(samples) - (int(ends[-1]) if lengths else 0)
        self._pieces = [samples[len(samples) - self._frames :].copy()]
        return [part for chunk in chunks for part in self._length.parts(chunk)]

    def _encode(self, chunks: list[np.ndarray]) -> None:
        """Encode and write chunks, as many together as a batch takes."""
        while chunks:
            encoding, blocks = self._begin(chunks)
            count = 1
            while count < len(chunks) and sum(map(np.size, chunks[: count + 1])) <= BATCH_SAMPLES:
                count += 1
            for payload in encoding.encoder.run([encoding.task(chunk) for chunk in chunks[:count]]):
                if isinstance(payload, MiddleoutError):
                    raise payload
                blocks.chunk(payload)
            chunks = chunks[count:]

    def _begin(self, chunks: list[np.ndarray]) -> tuple[Encoding, BlockWriter]:
        """Write the header, by what the first chunks tell, unless that was done."""
        if self._begun is None:
            first = beginning(iter(chunks), CHOICE_FRAMES)
            encoding = Encoding(self._loaded, self._header, channel_names(self._header.channels), first)
            self._begun = encoding, encoding.writer(self._file)
        return self._begun


def _check(header: Header) -> None:
    if not 1 <= header.channels <= MAX_CHANNELS:
        raise UsageError(f"{header.channels} channels; possible are 1 to {MAX_CHANNELS}")
    if not is_suffix(header.suffix):
        raise UsageError(f"suffix {header.suffix!r}: that is a dot, then at most 31 bytes fit for a file name")
