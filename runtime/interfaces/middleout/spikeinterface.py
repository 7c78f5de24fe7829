"""Recordings of SpikeInterface in middleout files: one file for each segment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from spikeinterface.core import BaseRecording, BaseRecordingSegment
from spikeinterface.core.job_tools import (
    TimeSeriesChunkExecutor,
    divide_segment_into_chunks,
    ensure_chunk_size,
    fix_job_kwargs,
)

import runtime
from runtime.access.ranges import is_url
from runtime.batch.chunking import ChunkLength
from runtime.batch.model_choice import CHOICE_FRAMES, choose
from runtime.core.limits import LONG_CHUNK_SAMPLES, MAX_CHUNK_FRAMES
from runtime.core.threads import ForkSafeLock
from runtime.recording.arrays import to_sample_rate, to_samples
from runtime.recording.outputs.paths import as_list
from runtime.wide.wide_coding import narrowed

from . import recording_metadata

_CHUNK_KEYS = ("chunk_size", "chunk_memory", "chunk_duration", "total_memory")

Paths = str | os.PathLike | Sequence[str | os.PathLike]


class MiddleoutRecordingExtractor(BaseRecording):
    """A recording in middleout files, one for each segment, which are opened where traces are asked for.

    Parameters
    ----------
    file_paths : path, URL, or list of them
    sampling_frequency : float or None
        Hz; None for that of the files.
    model : str or None
        Name or path of the model, where it is neither shipped nor in the files.
    storage_options : dict or None
        Of fsspec, for URLs.
    all_channels : bool
        Whether channels come too that are on no contact of the probe, such as one of synchronisation: without the
        probe then, which SpikeInterface takes only for all channels of a recording.

    Raises
    ------
    UsageError
        The files differ in channels, type of samples or sample rate, or don't tell the sample rate.
    FileFormatError, CorruptError, ModelError
    """

    def __init__(
        self,
        file_paths: Paths,
        sampling_frequency: float | None = None,
        model: str | None = None,
        storage_options: dict[str, Any] | None = None,
        all_channels: bool = False,
    ) -> None:
        paths = [path if is_url(path) else os.path.abspath(path) for path in as_list(file_paths)]
        if not paths:
            raise runtime.UsageError("no files")
        if sampling_frequency is not None:
            to_sample_rate(sampling_frequency)
        options = {"model": model, "storage_options": storage_options}
        segments = [MiddleoutRecordingSegment(path, sampling_frequency, options) for path in paths]
        first = segments[0].facts
        for path, segment in zip(paths, segments):
            if segment.facts != first:
                raise runtime.UsageError(f"{path} differs from {paths[0]} in channels, type of samples or sample rate")
        rate, dtype, ids = first
        if not rate:
            raise runtime.UsageError(f"{paths[0]} does not tell the sample rate: give sampling_frequency")
        chosen, metadata = recording_metadata.of_probe(segments[0].metadata, len(ids), all_channels)
        BaseRecording.__init__(self, rate, np.array(ids)[chosen], dtype)
        for segment in segments:
            segment.chosen = chosen
            self.add_recording_segment(segment)
        recording_metadata.describe(self, metadata)
        own = {"sampling_frequency": sampling_frequency, "all_channels": all_channels}
        self._kwargs = {"file_paths": paths, **own, **options}


class MiddleoutRecordingSegment(BaseRecordingSegment):
    """A segment: a file, which each process opens by itself when it first reads.

    Attributes
    ----------
    metadata : dict
    facts : tuple
        Sample rate in Hz, type of samples, ids of all channels: what all segments have in common.
    chosen : array of int
        The channels of the file that the recording has.
    """

    def __init__(self, path: str, sampling_frequency: float | None, options: dict[str, Any]) -> None:
        self._path, self._options = path, options
        self._open: tuple[int, runtime.Reader] | None = None
        self._lock = ForkSafeLock()
        with runtime.open(path, **options) as reader:
            self.metadata, self._frames = reader.metadata, reader.frames
            rate = sampling_frequency or reader.sampling_frequency
            self.facts = (rate, reader.dtype, reader.channel_ids.tolist())
            self.chosen = np.arange(reader.channels)
        t_start = self.metadata.get(recording_metadata.T_START)
        is_time = isinstance(t_start, int | float)
        BaseRecordingSegment.__init__(self, sampling_frequency=rate, t_start=t_start if is_time else None)

    def get_num_samples(self) -> int:
        """Return the number of frames."""
        return self._frames

    def get_traces(
        self,
        start_frame: int | None = None,
        end_frame: int | None = None,
        channel_indices: Sequence[int] | np.ndarray | slice | None = None,
    ) -> np.ndarray:
        """Return the samples [time, channel] of frames and channels, or all of them."""
        channels = self.chosen if channel_indices is None else self.chosen[channel_indices]
        return self._reader().read(start_frame or 0, end_frame, channels)

    def __del__(self) -> None:
        """Close what this process opened."""
        process, reader = getattr(self, "_open", None) or (None, None)
        if reader is not None and process == os.getpid():
            reader.close()

    def _reader(self) -> runtime.Reader:
        """Return the reader of this process: connections to servers do not outlive a fork."""
        process = os.getpid()
        with self._lock:
            if self._open is None or self._open[0] != process:
                self._open = process, runtime.open(self._path, **self._options)
            return self._open[1]


read_middleout = MiddleoutRecordingExtractor


def write_middleout(
    recording: BaseRecording,
    path: Paths,
    *,
    overwrite: bool = False,
    independent: bool = False,
    model: str | None = None,
    verify: bool = True,
    **job_kwargs: Any,
) -> MiddleoutRecordingExtractor:
    """Write a recording without loss, and return it as it is read from there.

    Ids, gains, offsets and other properties of the channels, the probe, annotations and start times are kept. The bytes
    do not depend on the number of jobs.

    Parameters
    ----------
    recording : BaseRecording
        Of integers of 8 to 32 bits, or floats of 32 or 64.
    path : path, or a list of one for each segment
    overwrite : bool
        Replace existing files.
    independent, model, verify
        As for `runtime.encode`; the model by its name or path.
    **job_kwargs
        Of SpikeInterface: `n_jobs`, `pool_engine`, `mp_context`, `max_threads_per_worker`, `progress_bar`. One of
        `chunk_duration`, `chunk_size`, `chunk_memory`, `total_memory` sets the length of the files' chunks.

    Raises
    ------
    UsageError, ModelError
    """
    paths = as_list(path)
    if len(paths) != recording.get_num_segments():
        raise runtime.UsageError(f"{len(paths)} paths, for {recording.get_num_segments()} segments: give one for each")
    jobs = fix_job_kwargs(job_kwargs)
    length = None
    if any(job_kwargs.get(key) is not None for key in _CHUNK_KEYS):
        longest = min(MAX_CHUNK_FRAMES, LONG_CHUNK_SAMPLES // recording.get_num_channels())
        length = max(1, min(ensure_chunk_size(recording, **jobs), longest))
    jobs = {key: value for key, value in jobs.items() if key not in _CHUNK_KEYS}
    for segment, target in enumerate(paths):
        options = {"independent": independent, "verify": verify, "chunk_frames": length}
        options["model"] = model or _chosen_model(recording, segment, independent)
        _write_segment(recording, segment, target, overwrite, options, jobs)
    return read_middleout(paths)


def _write_segment(
    recording: BaseRecording,
    segment: int,
    path: str,
    overwrite: bool,
    options: dict[str, Any],
    jobs: dict[str, Any],
) -> None:
    frames, channels, rate = (
        recording.get_num_samples(segment),
        recording.get_num_channels(),
        recording.sampling_frequency,
    )
    made = runtime.EncodeOptions(metadata=recording_metadata.of_segment(recording, segment), **options)
    piece = ChunkLength.of(made, channels, rate).aim
    slices = [(segment, first, last) for first, last in divide_segment_into_chunks(frames, piece)] if frames else []
    dtype = recording.get_dtype()
    writer = runtime.Writer(path, rate, channels, made, dtype=dtype, frames=frames, force=overwrite)
    try:
        if slices:
            TimeSeriesChunkExecutor(
                recording,
                _encode_piece,
                _begin_worker,
                (recording, options),
                gather_func=writer.append_coded,
                job_name="write_middleout",
                chunk_size=piece,
                **jobs,
            ).run(slices)
        writer.close()
    except BaseException:
        writer.abort()  # the samples are in the recording still
        raise


def _begin_worker(recording: BaseRecording, options: dict[str, Any]) -> dict[str, Any]:
    return {"recording": recording, "options": options}


def _encode_piece(segment: int, first: int, last: int, worker: dict[str, Any]) -> bytes:
    recording = worker["recording"]
    samples = recording.get_traces(segment_index=segment, start_frame=first, end_frame=last)
    return runtime.encode(samples, recording.sampling_frequency, layout="time-channel", **worker["options"])


def _chosen_model(recording: BaseRecording, segment: int, independent: bool) -> str:
    """Return the name of the model for a segment, so that all jobs take the same one."""
    last = min(CHOICE_FRAMES, recording.get_num_samples(segment))
    samples, _ = to_samples(recording.get_traces(segment_index=segment, start_frame=0, end_frame=last), "time-channel")
    return choose(narrowed(samples), independent)
