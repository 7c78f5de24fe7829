"""A codec of numcodecs, by which zarr 2 and whatever names codecs as numcodecs does store recordings.

Encoded data are a number (1 byte), a length (7 bits a byte, the lowest first) and a body. Number 0: the body is
compressed by zstd, behind a shuffle of bytes of items that are so long. Numbers 1 and 2: the body is a middleout file
of little- or big-endian samples; the length is that of all axes together that lie inside of the axis of channels in
memory. Numbers 3 and 4: the same, of a file of one chunk without its blocks (docs/format.md section 2.10).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import zstandard
from numcodecs.abc import Codec
from numcodecs.compat import ensure_ndarray, ndarray_copy

import runtime
from runtime.container import single_chunk, varint
from runtime.core.limits import MAX_CHANNELS, whole
from runtime.predictor import model as models

_ZSTD, _LITTLE, _BIG, _LITTLE_CHUNK, _BIG_CHUNK = range(5)
_MOST_AXES = 64
"""Of an array of numpy."""
_CODED = ("i1", "u1", "i2", "u2", "i4", "u4")


class Middleout(Codec):
    """Encode chunks of recordings without loss.

    Integers of 8 to 32 bits are encoded as recordings, unless zstd makes less of them; other types by zstd.

    Parameters
    ----------
    independent : bool
        Encode each channel alone: faster, and larger.
    model : str or None
        Name or path of the model; None for the best one for each chunk.
    verify : bool
        Decode what was encoded, and compare.
    channel_axis : int
        Axis of chunks that counts channels; all others together are time. Chunks of one axis have one channel.
    """

    codec_id = "middleout"

    def __init__(
        self, independent: bool = False, model: str | None = None, verify: bool = True, channel_axis: int = -1
    ) -> None:
        self.independent = bool(independent)
        self.model = model
        self.verify = bool(verify)
        self.channel_axis = whole(channel_axis, -_MOST_AXES, _MOST_AXES - 1, "channel_axis is the number of an axis")

    def encode(self, buf: Any) -> bytes:
        """Encode an array of any shape and order, or a buffer of bytes. Raises `UsageError`, `TypeError`."""
        array, axis = _in_order(ensure_ndarray(buf), self.channel_axis)
        if array.dtype.hasobject:
            raise TypeError("objects can't be encoded")
        stored = _by_zstd(array)
        if array.dtype.str[1:] not in _CODED or not array.size or not 1 <= array.shape[axis] <= MAX_CHANNELS:
            return stored
        inside = int(np.prod(array.shape[axis + 1 :], dtype=np.int64))
        samples = array.reshape(-1, array.shape[axis], inside).swapaxes(1, 2).reshape(-1, array.shape[axis])
        coded = runtime.encode(
            samples,
            0,
            layout="time-channel",
            independent=self.independent,
            model=self.model,
            verify=self.verify,
            short_chunks=True,
        )
        big, chunk = array.dtype.str[0] == ">", single_chunk.pack(coded)
        if chunk is None:
            made = _with_head(_BIG if big else _LITTLE, inside, coded)
        else:
            made = _with_head(_BIG_CHUNK if big else _LITTLE_CHUNK, inside, chunk)
        return made if len(made) < len(stored) else stored

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode to items in the order in which they lay in memory: an array of one axis, or `out`.

        Raises `CorruptError`, `ModelError`.
        """
        kind, length, body = _parsed(buf)
        if kind == _ZSTD:
            items = _of_zstd(body, length)
        else:
            with _telling_of_damage(kind):
                items = self._decoded(self._file(kind, body), length, ">" if kind in (_BIG, _BIG_CHUNK) else "<")
        return items if out is None else ndarray_copy(items, out)

    def reader(self, buf: Any) -> runtime.Reader | None:
        """Return a reader of encoded samples [time, channel], or None where the data are others.

        Raises `CorruptError`, `ModelError`.
        """
        kind, length, body = _parsed(buf)
        if kind not in (_LITTLE, _LITTLE_CHUNK) or length != 1:
            return None
        reader = runtime.open(io.BytesIO(self._file(kind, body)), model=self.model, cache_bytes=0)
        with _telling_of_damage(kind):
            reader.model_data()
        return reader

    def _file(self, kind: int, body: bytes) -> bytes:
        """Return the middleout file of a body. Raises `CorruptError`."""
        if kind in (_LITTLE, _BIG):
            return body
        return single_chunk.restore(body, models.load(self.model or models.DEFAULT).identity)

    def _decoded(self, body: bytes, inside: int, order: str) -> np.ndarray:
        samples, _ = runtime.decode(body, model=self.model)
        frames, channels = samples.shape
        if not inside or frames % inside:
            raise runtime.CorruptError("encoded data and their length disagree")
        items = samples.reshape(-1, inside, channels).swapaxes(1, 2).reshape(-1)
        return items.astype(items.dtype.newbyteorder(order), copy=False)


@contextlib.contextmanager
def _telling_of_damage(kind: int) -> Iterator[None]:
    """Say where a model is not there that it may have been named by bytes that are damaged, or not the last ones."""
    try:
        yield
    except runtime.ModelError as error:
        if kind in (_LITTLE, _BIG):  # whose checksums are right
            raise
        raise runtime.ModelError(f"the chunk may be damaged: its last bytes name the model; {error}") from None


def _parsed(buf: Any) -> tuple[int, int, bytes]:
    """Return the number, length and body of encoded data. Raises `CorruptError`."""
    data = ensure_ndarray(buf).tobytes()
    try:
        length, at = varint.parse(data, 1)
    except IndexError:
        raise runtime.CorruptError("encoded data are too short") from None
    if data[0] > _BIG_CHUNK:
        raise runtime.CorruptError(f"encoded data of an unknown kind, {data[0]}")
    return data[0], length, data[at:]


def _with_head(kind: int, length: int, body: bytes) -> bytes:
    return bytes([kind]) + varint.pack(length) + body


def _in_order(array: np.ndarray, axis: int) -> tuple[np.ndarray, int]:
    """Return an array in C order, transposed if it is in Fortran's order, and where its axis of channels is."""
    if array.ndim < 2:
        return np.ascontiguousarray(array).reshape(-1, 1), 1
    if not -array.ndim <= axis < array.ndim:
        raise runtime.UsageError(f"channel_axis {axis}, of chunks of {array.ndim} dimensions")
    axis %= array.ndim
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        return array.T, array.ndim - 1 - axis
    return np.ascontiguousarray(array), axis


def _by_zstd(array: np.ndarray) -> bytes:
    size = array.itemsize
    shuffled = array.reshape(-1).view(np.uint8).reshape(-1, size).T.tobytes()
    return _with_head(_ZSTD, size, zstandard.ZstdCompressor(write_checksum=True).compress(shuffled))


def _of_zstd(body: bytes, size: int) -> np.ndarray:
    try:
        shuffled = np.frombuffer(zstandard.ZstdDecompressor().decompress(body), np.uint8)
        return shuffled.reshape(size, -1).T.reshape(-1)
    except (zstandard.ZstdError, ValueError, OverflowError, MemoryError) as error:
        raise runtime.CorruptError(f"encoded data are damaged: {error}") from None
