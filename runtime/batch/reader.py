"""Reading any part of a coded recording."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from ..codec.coding import DecodeTask
from ..container.blocks import read_block
from ..container.chunk_head import chunk_frames
from ..container.header import check_bound
from ..container.random_access import read_layout, scan_layout
from ..core.errors import CorruptError, MiddleoutError, UsageError
from ..core.file_io import PositionalFile
from ..core.limits import BATCH_SAMPLES
from ..core.sample_formats import from_int16
from ..core.terms import FILES
from ..predictor import model as models
from ..recording.originals import members_of
from .coders import Decoder, model_of
from .codings import coding_of


class Reader:
    """A coded recording, opened for reading any part of it.

    Threads, and processes that inherited it by fork, may share a reader.

    Parameters
    ----------
    source : path, or seekable binary file object
    model : name, path or bytes of the model, where it is neither shipped nor in the file
    rebuild_index : whether to read what can be read of a file that is damaged or was not completed:
        all chunks in front of the first damage

    Attributes
    ----------
    channels, sample_rate : of the recording; the sample rate in Hz, 0 if unknown
    frames : length of the recording
    dtype : of the samples: int16, uint16, int8 or uint8, as in the original but in this machine's byte order
    header : all fields of the file's header

    Raises
    ------
    FileFormatError, CorruptError, ModelError
    """

    def __init__(
        self,
        source: str | os.PathLike | BinaryIO,
        *,
        model: str | os.PathLike | bytes | None = None,
        rebuild_index: bool = False,
    ) -> None:
        self._owns = isinstance(source, str | os.PathLike)
        self._file: BinaryIO = open(source, "rb") if isinstance(source, str | os.PathLike) else source
        try:
            self._layout = (scan_layout if rebuild_index else read_layout)(self._file)
            self._places = PositionalFile(self._file)
            if self._layout.header.source == FILES and not rebuild_index:
                members_of(self._layout.header, self._layout.table)
        except BaseException:
            self.close()
            raise
        self.header = self._layout.header
        self.channels = self.header.channels
        self.sample_rate = self.header.sample_rate
        self.dtype = np.dtype(self.header.dtype).newbyteorder("=")
        index = self._layout.index
        self._starts = np.concatenate([[0], np.cumsum(np.asarray(index.frames, np.int64))])
        self._offsets = index.first + np.concatenate([[0], np.cumsum(np.asarray(index.sizes, np.int64))])
        self.frames = int(self._starts[-1])
        self._model = model
        self._decoder: Decoder | None = None

    def read(
        self, start: int = 0, stop: int | None = None, channels: int | slice | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return the samples of the frames from `start` up to `stop`, [time, channel]; both as in a slice.

        Only the chunks that hold them are read and decoded. The channels of a chunk share one coded stream, and may be
        predicted from each other, so that all of them are decoded; only those asked for are kept.

        Parameters
        ----------
        start, stop : frames
        channels : number of a channel (which still is a column), slice, or numbers in any order; None for all
        """
        start, stop, _ = slice(start, stop).indices(self.frames)
        columns = self._columns(channels)
        samples = np.empty((max(0, stop - start), len(columns)), self.dtype)
        if stop <= start:
            return samples
        first = int(np.searchsorted(self._starts, start, "right")) - 1
        last = int(np.searchsorted(self._starts, stop, "left"))
        for chunk, part in self._decode(first, last):
            at = int(self._starts[chunk])
            low, high = max(start, at), min(stop, at + len(part))
            samples[low - start : high - start] = from_int16(part[low - at : high - at, columns], self.header.dtype)
        return samples

    def mask(
        self, start: int = 0, stop: int | None = None, channels: int | slice | Sequence[int] | None = None
    ) -> np.ndarray:
        """Return which samples are guaranteed, bool [time, channel]; parameters as for `read`.

        Within the bound that the file was made with, or exact without one. All are, but in spike mode only those in
        windows around spikes. Nothing is decoded.
        """
        start, stop, _ = slice(start, stop).indices(self.frames)
        columns = self._columns(channels)
        known = np.ones((max(0, stop - start), len(columns)), bool)
        for chunk in range(len(self._layout.index.frames)):
            at, end = (int(x) for x in self._starts[chunk : chunk + 2])
            low, high = max(start, at), min(stop, end)
            if low < high and (part := self._guaranteed(chunk)) is not None:
                known[low - start : high - start] = part[low - at : high - at, columns]
        return known

    def _guaranteed(self, number: int) -> np.ndarray | None:
        payload = self._chunk(number)
        return coding_of(payload).guaranteed(DecodeTask(payload, self.channels, self.header.sample_bits))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Give the recording in pieces [time, channel]; memory holds a batch of chunks at most."""
        for _, part in self._decode(0, len(self._layout.index.frames)):
            yield from_int16(part, self.header.dtype).astype(self.dtype, copy=False)

    def __len__(self) -> int:
        return self.frames

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was given as a path."""
        if self._owns:
            self._file.close()

    def _decode(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the chunks first..last-1. Gives their numbers, and their samples as int16."""
        while first < last:
            payloads: list[bytes] = []
            samples = 0
            while first + len(payloads) < last and (not payloads or samples < BATCH_SAMPLES):
                payload = self._chunk(first + len(payloads))
                payloads.append(payload)
                samples += chunk_frames(payload, self.channels) * self.channels
            tasks = [DecodeTask(payload, self.channels, self.header.sample_bits) for payload in payloads]
            for number, part in enumerate(self._loaded().run(tasks), first):
                if isinstance(part, MiddleoutError):
                    raise part
                yield number, part
            first += len(payloads)

    def _columns(self, channels: int | slice | Sequence[int] | None) -> np.ndarray:
        everything = np.arange(self.channels)
        try:
            return np.atleast_1d(everything if channels is None else everything[channels])
        except IndexError:
            raise UsageError(f"channels {channels}, of a recording of {self.channels}") from None

    def _chunk(self, number: int) -> bytes:
        layout = self._layout
        block = io.BytesIO(self._places.read_at(int(self._offsets[number]), layout.index.sizes[number]))
        payload, *_ = read_block(block, layout.first_sequence + number, layout.header_crc, b"C")
        if chunk_frames(payload, self.channels) != layout.index.frames[number]:
            raise CorruptError("the index does not agree with the chunks")
        check_bound(payload, self.header)
        return payload

    def _loaded(self) -> Decoder:
        if self._decoder is None:
            given = None if self._model is None else models.load(self._model)
            self._decoder = Decoder(model_of(self.header, self._layout.embedded, given))
        return self._decoder
