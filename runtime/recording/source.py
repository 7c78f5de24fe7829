"""What every reader of recordings gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ..container.record_bytes import Unpacked


class Source:
    """A recording as `front`, then `read` until no frames are left, then `back`; in this order.

    Attributes
    ----------
    kind : of the original (see `terms`)
    channels, sample_rate, dtype : of the recording; dtype as in `core.sample_formats`
    channel_time : whether the samples of a channel lie together, not those of a frame
    frames : of the recording, None if only reading on will tell
    front : bytes that are kept in front of the samples; of records, their layout
    outside : bytes of the original(s) that are neither samples nor in `back`
    restored_as : suffix of the file that is restored where that is another one than the original; else None
    canonical : whether the front follows from the rest (WAV only)
    metadata : what the original says besides (docs/format.md section 2.7)
    notes : what its user is to be told of it, in words
    """

    kind: str
    channels: int
    sample_rate: float
    dtype: str
    frames: int | None
    front: bytes = b""
    outside: int = 0
    channel_time: bool = False
    restored_as: str | None = None
    canonical: bool = False
    metadata: Mapping[str, Any] = MappingProxyType({})
    notes: tuple[str, ...] = ()

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        raise NotImplementedError

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there."""
        raise NotImplementedError

    def record_bytes(self, frames: int) -> Unpacked:
        """Return what is kept of the records that begin in the next `frames` frames of those that were read."""
        return Unpacked([], self.dtype)

    def back(self) -> Iterator[bytes]:
        """Read the bytes behind the samples, in pieces of at most limits.MAX_FOREIGN_PIECE."""
        return iter(())


def missing(claimed: int, there: int, what: str = "frames") -> tuple[str, ...]:
    """Return what is to be told where a header tells of another number of frames, or other parts, than are there."""
    return () if there == claimed else (f"its header tells of {claimed} {what}, and {there} are there",)
