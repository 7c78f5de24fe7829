"""Coding a recording piece by piece, from arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import BinaryIO

import numpy as np

from .. import spikes
from ..container.blocks import BlockWriter
from ..container.header import Header
from ..core import sample_formats
from ..core.compressed_bytes import pack_blob
from ..core.errors import MiddleoutError, UsageError
from ..core.limits import BATCH_SAMPLES, CHUNK_FRAMES, CHUNK_SAMPLES, MAX_CHANNELS
from ..core.names import channel_names, is_suffix
from ..fit import topology as topologies
from ..predictor import model as models
from ..recording import paths
from ..recording.arrays import to_samples
from . import worker
from .chunking import plan
from .rate_control import FILE_COST, Budget, check_target


class Writer:
    """Writes a recording piece by piece; a context manager, in which the file is only complete if no error came.

    Parameters
    ----------
    target : path, or binary file object (need not be seekable); a path gets its file when all is written
    sample_rate : Hz, a whole number; 0 if unknown
    channels : number of channels
    dtype : of the samples: int16, uint16, int8 or uint8
    model : name, path or bytes of the model; None for the best one for what is asked for
    frames : length of the recording, if it is known; it will be checked
    suffix : what the original's name had behind its stem; it will be restored as a WAV file
    embed_model : put the model into the file
    verify : decode what was encoded and compare
    independent : code each channel alone
    topology : topology, or path of its file, by which channels listen to others; None: found out from the recording
    max_error : how far a decoded sample may be from the original one, 0..255: in codes for channels on the implant's
        lattice, in sample units for others; 0 for lossless
    keep : "spikes", or "spikes,lfp" for a slow band (0 to 200 Hz) as well: keep no more than windows around spikes, in
        which `max_error` holds (then 3 by default), and a smooth rendering between them; None to keep everything
    threshold : of spikes, in robust deviations of a channel's band from 300 to 3000 Hz; 4.5 by default
    window : milliseconds before and after a spike's threshold crossing; (0.5, 1.5) by default
    target_rate : bits per second, all channels together, to stay under: every chunk gets the smallest error that keeps it
        there; `close` raises `RateError` if it can't be done
    force : whether an existing file may be replaced
    """

    def __init__(
        self,
        target: str | os.PathLike | BinaryIO,
        sample_rate: int,
        channels: int = 1,
        *,
        dtype: object = "int16",
        model: str | os.PathLike | bytes | None = None,
        frames: int | None = None,
        suffix: str = ".wav",
        embed_model: bool = False,
        verify: bool = True,
        independent: bool = False,
        topology: topologies.Topology | str | os.PathLike | None = None,
        max_error: int | None = None,
        keep: str | Iterable[str] | None = None,
        threshold: float | None = None,
        window: tuple[float, float] | None = None,
        target_rate: float | None = None,
        force: bool = False,
    ) -> None:
        kept, max_error = spikes.resolve(keep, max_error, threshold, window)
        usual = models.default() if kept else models.default(max_error, target_rate)
        network = models.load(usual if model is None else model)
        self._model = worker.ModelReference(network.identity, network.data)
        self.header = Header(
            channels=channels,
            sample_rate=whole_sample_rate(sample_rate),
            model=network.identity,
            dtype=sample_formats.parse(dtype).replace(">", "<"),
            frames=frames,
            suffix=suffix,
            embedded=embed_model,
            bounded=max_error > 0 or target_rate is not None or kept is not None,
        )
        _check(self.header)
        self._verify = verify
        self._options = {
            "independent": independent,
            "topology": None,
            "max_error": max_error,
        }
        if topology is not None and channels > 1:
            known = topologies.load(topology).subset(channel_names(channels))
            self._options["topology"] = known.prediction_order(past=True)
        check_target(target_rate, 0 if kept else max_error)
        self._activity = kept and kept.at(self.header.sample_rate)
        self._budget: Budget | None = None
        if target_rate is not None:
            embedded = len(pack_blob(network.data, always=True)[1]) if embed_model else 0
            self._budget = Budget(target_rate, self.header.sample_rate, frames, FILE_COST + embedded)
        self._output: paths.Output | None = None
        if isinstance(target, str | os.PathLike):
            outputs = paths.Outputs(os.fspath(target), force=force)
            self._output = outputs.open(outputs.claim(paths.STREAM, str))
            target = self._output.file
        self._blocks = BlockWriter(target, self.header, network.data if embed_model else None)
        self._waiting: list[np.ndarray] = []
        self._frames = 0

    def write(self, samples: np.ndarray) -> None:
        """Append samples, [time, channel] or for one channel [time]."""
        samples, dtype = to_samples(samples, "time-channel")
        if samples.shape[1] != self.header.channels or dtype != self.header.dtype:
            raise UsageError(
                f"{samples.shape[1]} channels of {sample_formats.name(dtype)}, in a recording of {self.header.channels} of "
                f"{sample_formats.name(self.header.dtype)}"
            )
        self._waiting.append(samples)
        self._frames += len(samples)
        if self._frames * self.header.channels >= 2 * max(BATCH_SAMPLES, CHUNK_SAMPLES // 8):
            self._encode(final=False)

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._encode(final=True)
        frames = self._blocks.end().total
        if self._budget is not None:
            self._budget.check(self._blocks.offset, frames)
        if self._output is not None:
            self._output.commit()

    def abort(self) -> None:
        """Give up; a file given as a path does not come to be."""
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

    def _encode(self, final: bool) -> None:
        samples = np.concatenate(self._waiting) if self._waiting else np.empty((0, self.header.channels), np.int16)
        lengths = plan(len(samples), self.header.channels)
        if not final:  # the last chunk waits for more
            aim = max(1, min(CHUNK_FRAMES, CHUNK_SAMPLES // self.header.channels))
            lengths = [aim] * (len(samples) // aim - 1)
        ends = np.cumsum(lengths, dtype=np.int64)
        chunks = np.split(samples, ends)[: len(lengths)]
        self._frames = len(samples) - (int(ends[-1]) if lengths else 0)
        self._waiting = [samples[len(samples) - self._frames :].copy()]
        while chunks:
            count = 1
            while count < len(chunks) and sum(map(np.size, chunks[: count + 1])) <= BATCH_SAMPLES:
                count += 1
            bits = [self.header.sample_bits] * count
            budgets = [self._budget and self._budget.take(len(chunk)) for chunk in chunks[:count]]
            given = (self._verify, budgets, [self._activity] * count)
            for payload in worker.encode_batch(self._model, chunks[:count], bits, *given, **self._options):
                if isinstance(payload, MiddleoutError):
                    raise payload
                self._blocks.chunk(payload)
            chunks = chunks[count:]


def whole_sample_rate(sample_rate: float) -> int:
    """Return a sample rate as the format keeps it."""
    if not 0 <= sample_rate < 2**32 or sample_rate != int(sample_rate):
        raise UsageError(f"the sample rate is kept in whole Hz, 0 to 2^32 - 1; {sample_rate} is not")
    return int(sample_rate)


def _check(header: Header) -> None:
    if not 1 <= header.channels <= MAX_CHANNELS:
        raise UsageError(f"{header.channels} channels; possible are 1 to {MAX_CHANNELS}")
    if not is_suffix(header.suffix):
        raise UsageError(f"suffix {header.suffix!r}: that is a dot, then at most 31 bytes fit for a file name")
