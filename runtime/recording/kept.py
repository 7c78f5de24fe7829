"""Files that are kept as they are: nothing of them is known to be samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ..core import limits
from ..core.file_io import read_up_to
from ..core.terms import KEPT
from .source import Source


class KeptReader(Source):
    """A file as the bytes behind the samples of a recording without any.

    Parameters
    ----------
    file : binary file object, at its start
    why : the reason, in words
    """

    kind = KEPT
    channels, sample_rate, dtype, frames = 1, 0.0, "<i2", 0

    def __init__(self, file: BinaryIO, why: str) -> None:
        self._file, self.notes = file, (f"kept as it is, compressed by zstd only: {why}",)

    def read(self, frames: int) -> np.ndarray:
        """Give no frames."""
        return np.empty((0, 1), np.int16)

    def skip(self, frames: int) -> None:
        """Pass over no frames."""

    def back(self) -> Iterator[bytes]:
        """Read the whole file, in pieces of at most limits.MAX_FOREIGN_PIECE."""
        while piece := read_up_to(self._file, limits.MAX_FOREIGN_PIECE):
            yield piece
