"""The samples of files that mtscomp compressed (https://github.com/int-brain-lab/mtscomp): .cbin, with a .ch beside it.

The file that mtscomp compressed is restored, and not the compressed one, which depends on a version of zlib.
"""

from __future__ import annotations

import json
import zlib
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from ..container.metadata import FORMAT
from ..core import limits, sample_formats
from ..core.errors import CorruptError, FileFormatError
from ..core.file_io import read_up_to
from ..core.terms import RAW
from .formats import spikeglx
from .formats.found import Found
from .source import Source


def described_by(found: Found) -> dict[str, Any] | None:
    """Return what the .ch file beside a .cbin file tells of it; None if mtscomp did not write it."""
    if found.suffix != ".cbin":
        return None
    try:
        fields = json.loads(found.beside(f"{found.stem}.ch") or b"")
    except (ValueError, RecursionError):
        return None
    is_own = isinstance(fields, dict) and fields.get("algorithm") == "zlib" and "chunk_offsets" in fields
    return fields if is_own else None


class MtscompReader(Source):
    """The samples of a compressed file.

    Parameters
    ----------
    found : Found
    fields : of its .ch file

    Raises
    ------
    FileFormatError
        The .ch file tells of other than integers, or of chunks that are not there.
    """

    kind, restored_as = RAW, ".bin"

    def __init__(self, found: Found, fields: dict[str, Any]) -> None:
        self._file: BinaryIO = found.file
        try:
            self.channels, self.sample_rate = int(fields["n_channels"]), float(fields["sample_rate"])
            self.dtype = sample_formats.parse(np.dtype(fields["dtype"]))
            self._bounds, self._offsets = _ascending(fields["chunk_bounds"]), _ascending(fields["chunk_offsets"])
            self._axes = [axis for axis in (1, 0) if fields[("do_time_diff", "do_spatial_diff")[axis]]]
            self._order: Any = {"C": "C", "F": "F"}[fields.get("chunk_order", "C")]
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise FileFormatError(f"its .ch file is not as mtscomp writes it: {error!r}") from None
        possible = limits.MIN_SAMPLE_RATE <= self.sample_rate <= limits.MAX_SAMPLE_RATE
        if not 1 <= self.channels <= limits.MAX_CHANNELS or not possible or sample_formats.is_float(self.dtype):
            raise FileFormatError("its .ch file tells of channels, a sample rate or samples that can't be")
        if len(self._bounds) != len(self._offsets) or self._offsets[-1] != found.size:
            raise FileFormatError("its .ch file is of another file, or the file was cut off")
        self.frames, self._chunk = self._bounds[-1], 0
        self._left = np.empty((0, self.channels), sample_formats.plain_type(self.dtype))
        self.metadata = spikeglx.metadata_beside(found, self.channels) | {FORMAT: "raw file, out of one by mtscomp"}
        self.notes = ("what mtscomp compressed is kept, as a .bin file; the compressed file does not come back",)

    def read(self, frames: int) -> np.ndarray:
        """Read the next frames, plain samples [frames, channels]; fewer only at the end of the samples."""
        parts = [self._left[:frames]]
        self._left = self._left[frames:]
        while (wanted := frames - sum(map(len, parts))) and self._chunk + 1 < len(self._bounds):
            samples = self._unpacked(self._chunk)
            self._chunk += 1
            parts.append(samples[:wanted])
            self._left = samples[wanted:]
        return np.concatenate(parts)

    def skip(self, frames: int) -> None:
        """Pass over frames, which must be there; their chunks are unpacked for it."""
        while frames > 0:
            frames -= len(self.read(min(frames, 1 << 14)))

    def _unpacked(self, number: int) -> np.ndarray:
        (first, last), (start, end) = self._bounds[number : number + 2], self._offsets[number : number + 2]
        size = (last - first) * self.channels * sample_formats.width(self.dtype)
        self._file.seek(start)
        unpacking = zlib.decompressobj()
        try:
            data = unpacking.decompress(read_up_to(self._file, end - start), size + 1)
        except zlib.error as error:
            raise CorruptError(f"chunk {number} of the file is damaged: {error}") from None
        if len(data) != size or not unpacking.eof:
            raise CorruptError(f"chunk {number} of the file has another length than its .ch file says")
        samples = np.frombuffer(data, self.dtype).reshape((last - first, self.channels), order=self._order)
        for axis in self._axes:
            samples = np.cumsum(samples, axis, samples.dtype)
        return sample_formats.to_plain(samples)


def _ascending(numbers: Any) -> list[int]:
    """Return whole numbers from 0 on, each above the one before. Raises `ValueError`, `TypeError`."""
    found = [int(number) for number in numbers]
    if len(found) < 2 or found[0] or any(a >= b for a, b in pairwise(found)):
        raise ValueError("chunks that do not follow each other")
    return found
