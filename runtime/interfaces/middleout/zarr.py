"""A codec of zarr 3, which makes bytes of chunks: `zarr.create_array(..., serializer=MiddleoutCodec())`."""

from __future__ import annotations

import asyncio
import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin
from zarr.abc.store import ByteGetter
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, NDBuffer
from zarr.core.common import JSON, parse_named_configuration
from zarr.core.indexing import SelectorTuple

import runtime

from .numcodecs import Middleout

_MOST_BYTES = (1 << 31) - 1


@dataclass(frozen=True)
class MiddleoutCodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):
    """Encode chunks of recordings without loss; give `compressors=None` with it, since its bytes do not compress.

    Of chunks [time, channel] it decodes only the frames and channels that are read, and what these are predicted from.
    The parameters are those of `middleout.numcodecs.Middleout`, and so are the bytes, of little-endian samples in C
    order.
    """

    is_fixed_size = False

    independent: bool = False
    model: str | None = None
    verify: bool = True
    channel_axis: int = -1

    def __post_init__(self) -> None:
        """Refuse what the other codec does not take. Raises `UsageError`."""
        Middleout(**asdict(self))

    @classmethod
    def from_dict(cls, data: dict[str, JSON]) -> MiddleoutCodec:
        """Make a codec of its description in an array's metadata."""
        _, found = parse_named_configuration(data, "middleout", require_configuration=False)
        configuration: dict[str, Any] = dict(found or {})
        return cls(**configuration)

    def to_dict(self) -> dict[str, JSON]:
        """Return its description in an array's metadata."""
        return {"name": "middleout", "configuration": asdict(self)}

    def validate(self, *, shape: tuple[int, ...], dtype: Any, chunk_grid: Any) -> None:
        """Refuse arrays of chunks that can't be encoded, when an array is made. Raises `UsageError`."""
        native = dtype.to_native_dtype()
        chunk = getattr(chunk_grid, "chunk_shape", shape)
        if native.hasobject or native.itemsize == 0:
            raise runtime.UsageError(f"samples of type {native} can't be encoded")
        if math.prod(chunk) * native.itemsize > _MOST_BYTES:
            raise runtime.UsageError(f"chunks of {chunk} {native} have over {_MOST_BYTES} bytes: choose shorter ones")
        if len(chunk) > 1 and not -len(chunk) <= self.channel_axis < len(chunk):
            raise runtime.UsageError(f"channel_axis {self.channel_axis}, of chunks of {len(chunk)} dimensions")

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Raise `NotImplementedError`: only encoding tells."""
        raise NotImplementedError

    def _encode_sync(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        array = chunk_data.as_numpy_array()
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        return chunk_spec.prototype.buffer.from_bytes(Middleout(**asdict(self)).encode(little))

    def _decode_sync(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        native = chunk_spec.dtype.to_native_dtype()
        items = Middleout(**asdict(self)).decode(chunk_data.to_bytes())
        try:
            array = items.view(native.newbyteorder("<")).reshape(chunk_spec.shape)
        except ValueError:
            raise runtime.CorruptError("a chunk does not have the samples that the array says") from None
        return chunk_spec.prototype.nd_buffer.from_numpy_array(array.astype(native, copy=False))

    def _decode_part(self, chunk_data: Buffer, selection: SelectorTuple, chunk_spec: ArraySpec) -> NDBuffer:
        is_recording = len(chunk_spec.shape) == 2 and self.channel_axis in (-1, 1)
        reader = Middleout(**asdict(self)).reader(chunk_data.to_bytes()) if is_recording else None
        if reader is None:
            return self._decode_sync(chunk_data, chunk_spec)[selection]
        native = chunk_spec.dtype.to_native_dtype()
        if reader.shape != chunk_spec.shape or reader.dtype != native.newbyteorder("="):
            raise runtime.CorruptError("a chunk does not have the samples that the array says")
        part = np.asarray(reader[selection])
        return chunk_spec.prototype.nd_buffer.from_numpy_array(part.astype(native, copy=False))

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        chunk_data = await byte_getter.get(prototype=chunk_spec.prototype)
        if chunk_data is None:
            return None
        return await asyncio.to_thread(self._decode_part, chunk_data, selection, chunk_spec)

    async def _encode_single(self, chunk_data: NDBuffer, chunk_spec: ArraySpec) -> Buffer:
        return await asyncio.to_thread(self._encode_sync, chunk_data, chunk_spec)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        return await asyncio.to_thread(self._decode_sync, chunk_data, chunk_spec)
