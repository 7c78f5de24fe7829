"""Reading any part of a coded recording."""

from __future__ import annotations

import contextlib
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, cast

import numpy as np

from ..batch.coders import Decoder, model_of
from ..batch.codings import coding_of
from ..container.metadata import holes_of
from ..container.random_access import read_layout, scan_layout
from ..core.errors import MiddleoutError, UsageError
from ..core.sample_formats import array_type, from_plain
from ..core.terms import FILES, KEPT
from ..predictor import model as models
from ..recording.outputs.originals import members_of
from .array import RecordingArray
from .chunk_reader import ChunkReader
from .ranges import RangeFile, is_url, of_object, of_url

CACHE_BYTES = 80 << 20
"""Bytes that a reader keeps by default: more than a whole chunk."""


class Reader(RecordingArray):
    """A coded recording, opened for reading any part of it; an array [time, channel], decoded as it is indexed.

    Threads may share a reader, and so may processes that inherited it by fork. A reader of a path or URL can be
    pickled: it opens the file again, and its cache begins empty. Processes that inherit a file object other than a file
    of the operating system share its position, so that each needs its own.

    Parameters
    ----------
    source : path, URL of fsspec (`s3://...`, `https://...`; extra `fsspec`), seekable binary file object, or bytes
        File objects and URLs are read in three requests at most, then one for each chunk.
    model : name, path or bytes of the model, where it is neither shipped nor in the file
    embedded_model : whether a model in the file may be used; False refuses it, as for files from strangers
    rebuild_index : whether to read what can be read of a file that is damaged or was not completed:
        all chunks in front of the first damage
    cache_bytes : most bytes of coded chunks and decoded segments to keep, so that reading on costs little; 0 for none
    storage_options : of fsspec, for a URL

    Attributes
    ----------
    channels, sample_rate : of the recording; the sample rate in Hz, an int where it is a whole number, 0 if unknown
    metadata : what was kept of the recording besides its samples; empty if nothing was
    frames : length of the recording
    dtype : of the samples, as in the original but in this machine's byte order; int32 for those of 24 bits
    header : all fields of the file's header
    shape, ndim, size, sampling_frequency, channel_ids : as of arrays and of SpikeInterface's recordings

    Raises
    ------
    FileFormatError, CorruptError, ModelError, UsageError, OSError
    """

    def __init__(
        self,
        source: str | os.PathLike | BinaryIO | bytes,
        *,
        model: str | os.PathLike | bytes | None = None,
        embedded_model: bool = True,
        rebuild_index: bool = False,
        cache_bytes: int = CACHE_BYTES,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "model": model,
            "embedded_model": embedded_model,
            "rebuild_index": rebuild_index,
            "cache_bytes": cache_bytes,
        }
        if cache_bytes < 0:
            raise UsageError(f"a cache of {cache_bytes} bytes")
        if storage_options is not None:
            self._options["storage_options"] = storage_options
        self._path, self._file = _opened(source, storage_options)
        try:
            self._layout = (scan_layout if rebuild_index else read_layout)(cast(BinaryIO, self._file))
            if self._layout.header.source == FILES and not rebuild_index:
                members_of(self._layout.header, self._layout.table)
        except BaseException:
            self.close()
            raise
        self.header = self._layout.header
        self.channels = self.header.channels
        self.sample_rate = self.header.sample_rate
        self.metadata: dict[str, Any] = self._layout.metadata
        self.dtype = array_type(self.header.dtype)
        self._chunks = ChunkReader(self._file, self._layout, cache_bytes)
        self.frames = int(self._chunks.starts[-1])
        self._decoder: Decoder | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle path or URL and the options; the file is opened again. Raises `UsageError` for file objects."""
        if self._path is None:
            raise UsageError("a reader of a file object can't be pickled; open the file by its path")
        return _reopened, (self._path, self._options, self._identity)

    @property
    def _identity(self) -> tuple[int, int, int]:
        """What tells this recording from others of the same name: checksums of its header and of its chunks' sizes."""
        index = self._layout.index
        return self._layout.header_crc, self.frames, zlib.crc32(index.sizes, zlib.crc32(index.frames))

    def read(
        self, start: int = 0, stop: int | None = None, channels: int | slice | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return the samples of the frames from `start` up to `stop`, [time, channel]; both as in a slice.

        Only the segments of chunks that hold them are decoded, only for these channels and those that they are
        predicted from. What was decoded is kept, up to `cache_bytes`.

        Parameters
        ----------
        start, stop : frames
        channels : number of a channel (which still is a column), slice, or numbers in any order; None for all
        """
        start, stop, _ = slice(start, stop).indices(self.frames)
        columns = self._columns(channels)
        samples = _filled(max(0, stop - start), len(columns), self.dtype)
        if stop > start and len(columns):
            for first, part in self._chunks.read(self._loaded(), start, stop, columns):
                at = first - start
                samples[at : at + len(part)] = from_plain(part, self.header.dtype)
        return samples

    def mask(
        self, start: int = 0, stop: int | None = None, channels: int | slice | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return which samples are guaranteed, bool [time, channel]; parameters as for `read`.

        Within the bound that the file was made with, or exact without one. All are, but in spike mode only those in
        windows around spikes, and in a recording that was salvaged not those in its holes. Nothing is decoded.
        """
        start, stop, _ = slice(start, stop).indices(self.frames)
        columns = self._columns(channels)
        known = _filled(max(0, stop - start), len(columns), np.dtype(bool), True)
        for chunk in range(len(self._layout.index.frames)):
            at, end = (int(x) for x in self._chunks.starts[chunk : chunk + 2])
            low, high = max(start, at), min(stop, end)
            if low < high and (part := self._guaranteed(chunk)) is not None:
                known[low - start : high - start] = part[low - at : high - at, columns]
        for at, end in holes_of(self.metadata):
            known[max(at - start, 0) : max(end - start, 0)] = False
        return known

    def _guaranteed(self, number: int) -> np.ndarray | None:
        task = self._chunks.task(number)
        return coding_of(task.payload).guaranteed(task)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give the recording in pieces [time, channel]; memory holds a batch of chunks at most."""
        for part in self._chunks.whole(self._loaded()):
            yield from_plain(part, self.header.dtype).astype(self.dtype, copy=False)

    def payloads(self) -> Iterator[bytes]:
        """Give the coded chunks as they are, in their order."""
        for number in range(len(self._layout.index.frames)):
            yield self._chunks.task(number).payload

    def model_data(self) -> bytes:
        """Return the file of the model that the recording is encoded with. Raises `ModelError`."""
        return self._loaded().model.data

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was given as a path."""
        if self._path is not None:
            self._file.close()

    def _columns(self, channels: int | slice | Sequence[int] | None) -> np.ndarray:
        everything, wanted = np.arange(self.channels), list(channels) if isinstance(channels, tuple) else channels
        with contextlib.suppress(IndexError, ValueError):
            found = np.atleast_1d(everything if wanted is None else everything[wanted])
            if found.ndim == 1:
                return found
        raise UsageError(f"channels {channels}, of a recording of {self.channels}")

    def _facts(self) -> dict[str, str]:
        kept = {"original": "kept as it is, no samples are known of it"} if self.header.source == KEPT else {}
        return super()._facts() | kept

    def _loaded(self) -> Decoder:
        if self._decoder is None:
            model = self._options["model"]
            given = None if model is None else models.load(model)
            allowed = self._options["embedded_model"]
            self._decoder = Decoder(model_of(self.header, self._layout.embedded, given, allowed))
        return self._decoder


def _opened(
    source: str | os.PathLike | BinaryIO | bytes, storage_options: dict[str, Any] | None
) -> tuple[str | None, BinaryIO | RangeFile]:
    """Return the path or URL, if it is one, and the open file."""
    if isinstance(source, str) and is_url(source):
        return source, of_url(source, storage_options)
    if storage_options is not None:
        raise UsageError("storage_options are those of a URL")
    if isinstance(source, str | os.PathLike):
        return os.path.abspath(source), open(source, "rb")
    if isinstance(source, bytes | bytearray | memoryview):
        return None, io.BytesIO(bytes(source))
    if not hasattr(source, "read"):
        raise UsageError(f"a recording is a path, a URL, a file object or bytes, not {type(source).__name__}")
    return None, of_object(source)


def _reopened(path: str, options: dict[str, Any], identity: tuple[int, int, int]) -> Reader:
    """Open a pickled reader's file again. Raises `UsageError` where another one has its name now."""
    reader = Reader(path, **options)
    if reader._identity != identity:
        reader.close()
        raise UsageError(f"{path} is not the file that the reader had open")
    return reader


def _filled(frames: int, channels: int, dtype: np.dtype, value: int = 0) -> np.ndarray:
    """Make an array [frames, channels]. Raises `MiddleoutError` where it does not fit into the memory."""
    try:
        return np.full((frames, channels), value, dtype) if value else np.zeros((frames, channels), dtype)
    except (MemoryError, ValueError):  # numpy's for what no memory could hold
        size = frames * channels * dtype.itemsize
        raise MiddleoutError(f"out of memory: {frames} frames take {size} bytes; read fewer at a time") from None
