"""How a recording is cut into chunks: equal ones, and where magnitudes change for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..core.errors import FileFormatError, UsageError
from ..core.limits import CHUNK_FRAMES, CHUNK_SAMPLES, LONG_CHUNK_SAMPLES, MAX_CHUNK_FRAMES, MAX_CHUNKS
from .options import EncodeOptions

_BLOCKS, _FRAMES, _CHANNELS = 64, 512, 16
"""Blocks of a chunk whose magnitudes are compared; the fewest frames of one, and those that are looked at; channels
that are looked at."""
_OCTAVES, _MORE_BITS = 1.5, 0.3
"""What samples cost more in a chunk with a block so many octaves louder, for each octave beyond that."""
_QUIET_BITS = 0.1
"""What they cost more at most where they are constant, and beyond that as many bits an octave as above."""
_CHANNEL_BITS, _CHUNK_BITS = 600, 600
"""What another chunk costs, about."""


@dataclass(frozen=True)
class ChunkLength:
    """Frames of a chunk: those that are aimed for, and a quarter more at most.

    adaptive : whether chunks also end where magnitudes change for long
    """

    aim: int
    most: int
    adaptive: bool = False

    @classmethod
    def of(cls, options: EncodeOptions, channels: int, sample_rate: float, frames: int | None = None) -> ChunkLength:
        """Return what options ask for, or the usual length.

        Parameters
        ----------
        frames : int or None
            Length of the recording, where it is known.

        Raises
        ------
        UsageError
            They ask for chunks that are too long or too many, or in seconds where no sample rate is known.
        """
        aim = options.chunk_frames
        if options.chunk_duration is not None:
            if not sample_rate:
                raise UsageError("a chunk length in seconds needs a sample rate: give that, or a number of frames")
            aim = max(1, round(options.chunk_duration * sample_rate))
        adaptive = aim is None and not options.lossy
        longest = max(1, (CHUNK_SAMPLES if aim is None else LONG_CHUNK_SAMPLES) // channels)
        longest = min(longest, MAX_CHUNK_FRAMES)
        if aim is None:
            aim = min(CHUNK_FRAMES, longest)
        elif aim > longest:
            raise UsageError(f"chunks of {aim} frames are too long: with {channels} channels at most {longest}")
        elif frames is not None and frames > aim * MAX_CHUNKS:
            raise UsageError(f"chunks of {aim} frames are too short: a file holds at most {MAX_CHUNKS} chunks")
        return cls(aim, min(max(aim, aim * 5 // 4), longest), adaptive)

    def plan(self, frames: int) -> list[int]:
        """Return the frames of every chunk of a recording of known length: nearly equal, none tiny."""
        chunks = max(-(-frames // self.most), round(frames / self.aim))
        return [frames * (i + 1) // chunks - frames * i // chunks for i in range(chunks)]

    def of_unknown(self, frames: int, ended: bool) -> list[int]:
        """Return the frames of the chunks that are certain of a recording of unknown length, when so many have come."""
        count = max(frames // self.aim - 1, 0)
        return [self.aim] * count + (self.plan(frames - count * self.aim) if ended else [])

    def cut(self, read: Callable[[int], np.ndarray], frames: int | None) -> Iterator[np.ndarray]:
        """Cut what `read(frames)` gives into chunks; with `frames` unknown, one chunk is read ahead.

        `read` gives fewer frames than asked for only at the end.
        """
        if frames is not None:
            for count in self.plan(frames):
                chunk = read(count)
                if len(chunk) < count:
                    raise FileFormatError("the file is shorter than its header says, or changed while it was read")
                yield chunk
            return
        ahead = read(self.most)
        while len(ahead) == self.most:
            yield ahead[: self.aim]
            ahead = np.concatenate([ahead[self.aim :], read(self.most - len(ahead[self.aim :]))])
        if len(ahead):
            yield ahead

    def parts(self, chunk: np.ndarray) -> list[np.ndarray]:
        """Return a chunk [frames, channels], cut where magnitudes change, if that is asked for; not one of floats."""
        return np.split(chunk, changes(chunk)) if self.adaptive and chunk.dtype.kind == "i" else [chunk]


def changes(chunk: np.ndarray) -> list[int]:
    """Return the frames of a chunk of integers [frames, channels] at which others should begin: none, nearly always.

    Predictors, scales and the inputs of a network are those of a chunk's loudest part.
    """
    block = max(len(chunk) // _BLOCKS, _FRAMES)
    count = len(chunk) // block
    if count < 2:
        return []
    step = -(-chunk.shape[1] // _CHANNELS)
    octaves = _octaves(chunk[: count * block, ::step].reshape(count, block, -1)[:, :_FRAMES])
    each = (_CHANNEL_BITS * chunk.shape[1] + _CHUNK_BITS) / (block * step)
    if _more_bits(octaves)[-1] <= each:
        return []
    least, before = np.full(count + 1, np.inf), np.zeros(count + 1, np.int64)
    least[0] = 0
    for first in range(count):
        costs = least[first] + each + _more_bits(octaves[first:])
        better = costs < least[first + 1 :]
        least[first + 1 :][better], before[first + 1 :][better] = costs[better], first
    found, end = [], int(before[count])
    while end:
        found.append(end * block)
        end = int(before[end])
    return found[::-1]


def _octaves(blocks: np.ndarray) -> np.ndarray:
    """Return the mean logarithms of differences, in units of the least one, float64 [blocks, channels].

    The logarithms are, nearly, exponent and leading mantissa bits of float32 patterns.
    """
    sizes = np.abs(np.diff(blocks.astype(np.int64), axis=1))
    unit = np.where(sizes > 0, sizes, 1 << 32).min(axis=(0, 1)).astype(np.float32)
    logarithms = (sizes.astype(np.float32) / unit + np.float32(1)).view(np.int32)
    return ((logarithms >> 16).sum(axis=1, dtype=np.int64) - 127 * 128 * sizes.shape[1]) / (128 * sizes.shape[1])


def _more_bits(octaves: np.ndarray) -> np.ndarray:
    """Return what a sample of blocks [n, channels] costs more in one chunk, summed up to each of them, float64 [n]."""
    louder = np.maximum.accumulate(octaves, axis=0)[:, None] - octaves
    more = np.minimum(np.maximum(_MORE_BITS * (louder - _OCTAVES), 0), _QUIET_BITS + _MORE_BITS * octaves)
    return np.tril(more.sum(axis=2)).sum(axis=1)


def beginning(chunks: Iterator[np.ndarray], frames: int) -> list[np.ndarray]:
    """Take chunks until they have so many frames together, or there are no more."""
    taken: list[np.ndarray] = []
    while sum(map(len, taken)) < frames and (chunk := next(chunks, None)) is not None:
        taken.append(chunk)
    return taken
