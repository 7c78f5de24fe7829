"""Lanes: the rows that are coded side by side, with what is fixed for each (docs/format.md section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from ..core.q6 import q6_values
from ..entropy.entropy_model import LINEAR_OFFSET
from .channel_parameters import LINEAR, ORDER, REFERENCE_TAPS, REFERENCES, SideInformation

_SEGMENT_SAMPLES = 1 << 21
_SIDE_BY_SIDE, _FRAMES = 64, 256
"""Channels that are read at once, since they share cache lines, and frames of them that stay in the cache."""


@dataclass(frozen=True)
class Lanes:
    """Parameters of all lanes of a batch of chunks, by order level, chunk, segment and channel.

    Arrays are [lanes] if nothing else is stated.

    coefficients  int32 [16, lanes], for the oldest sample first
    mean          int32, Q6 units
    initial_scale  int64
    offset        int64, where the lane's levels start in the entropy model
    linear        int32, -1 for linear lanes, 0 for others
    shift         int32, low bits; below 0: octaves by which Q6 units are finer than samples
    adaptive      int32, 1 for lanes with an adaptive predictor, 0 for others
    length        int64, samples
    order_level   int64
    references    int64 [4, lanes], reference lanes; the lane itself where there is none
    correlation   int32 [4, lanes], 0 where there is none
    reference_taps  int32 [4, 4, lanes], coefficients for the newest samples of each, for the oldest one first
    owner         int64, number of the chunk in the batch
    start         int64, frame of the chunk where the segment starts
    channel       int64, number of the channel in the chunk
    number        int64, place among the lanes of the chunk: by segment, then by channel
    """

    coefficients: np.ndarray
    mean: np.ndarray
    initial_scale: np.ndarray
    offset: np.ndarray
    linear: np.ndarray
    shift: np.ndarray
    adaptive: np.ndarray
    length: np.ndarray
    order_level: np.ndarray
    references: np.ndarray
    correlation: np.ndarray
    reference_taps: np.ndarray
    owner: np.ndarray
    start: np.ndarray
    channel: np.ndarray
    number: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, index: np.ndarray) -> Lanes:
        """Return some of the lanes, with all their references."""
        place = np.zeros(len(self), np.int64)
        place[index] = np.arange(len(index))
        taken = {field.name: getattr(self, field.name).take(index, axis=-1) for field in fields(self)}
        return Lanes(**taken | {"references": place[taken["references"]]})

    @property
    def octaves(self) -> np.ndarray:
        """Octaves of one coded step of a linear lane in Q6 units, int32."""
        return 6 + np.maximum(-self.shift, 0)

    @property
    def has_references(self) -> bool:
        """Whether any lane has references."""
        return bool((self.references != np.arange(len(self))).any())

    @property
    def has_adaptive(self) -> bool:
        """Whether any lane has an adaptive predictor."""
        return bool(self.adaptive.any())

    def segments(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Yield owner, first frame and the lanes of each segment of each chunk."""
        key = (self.owner << 32) + self.start
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        for lanes in np.split(order, starts[1:]):
            yield int(self.owner[lanes[0]]), int(self.start[lanes[0]]), lanes


def segment_steps(frames: int, channels: int) -> int:
    """Return how many frames the segments of a chunk have.

    A lane costs some 60 bits, and whoever wants a sample decodes its segment. A step of few lanes costs as much time as
    one of many. So segments have up to 24576 frames of one channel, 12288 of a few, 8192 of more than 8, of hundreds
    about 2^21 samples but not below 4096 frames; and there are at least 8 lanes, of one channel 4, as long as segments
    stay above 1024 frames.
    """
    few = min(4 if channels == 1 else -(-8 // channels), frames // 1024)
    longest = 24576 if channels == 1 else 12288 if channels <= 8 else 8192
    usual = min(max(_SEGMENT_SAMPLES // channels, 4096), longest)
    return -(-frames // max(few, frames // usual, 1))


def join(parts: list[tuple[SideInformation, int, int]], reconstruction: np.ndarray) -> Lanes:
    """Return the lanes of chunks given as (side information, frames, frames of a segment)."""
    columns, first = [], 0
    for owner, (side, frames, steps) in enumerate(parts):
        made = _chunk_columns(side, frames, steps, reconstruction)
        made["references"] += first
        made["owner"] = np.full(len(made["mean"]), owner)
        columns.append(made)
        first += len(made["mean"])
    together = {name: np.concatenate([c[name] for c in columns], axis=-1) for name in columns[0]}
    joined = Lanes(**{name: np.ascontiguousarray(values) for name, values in together.items()})
    if not joined.order_level.any():
        return joined
    return joined.take(np.argsort(joined.order_level, kind="stable"))


def _chunk_columns(side: SideInformation, frames: int, steps: int, reconstruction: np.ndarray) -> dict[str, np.ndarray]:
    channels = side.coded
    count, segments = len(channels), -(-frames // steps)
    linear = side.kind[channels] == LINEAR
    shift = np.where(linear, side.shift[channels], 0)
    mean = np.where(
        linear, q6_values(side.mean[channels], shift), reconstruction[np.where(linear, 0, side.mean[channels])]
    )
    place = np.zeros(len(side.kind), np.int64)
    place[channels] = np.arange(count)
    chosen = side.references[channels].T
    references = np.where(chosen >= 0, place[chosen], np.arange(count))

    def tile(values: np.ndarray, kind: type) -> np.ndarray:
        return np.tile(values, segments).astype(kind)

    return {
        "coefficients": tile(side.coefficients[channels, ::-1].T, np.int32).reshape(ORDER, -1),
        "mean": tile(mean, np.int32),
        "initial_scale": tile(side.initial_scale[channels], np.int64),
        "offset": tile(np.where(linear, LINEAR_OFFSET, 0), np.int64),
        "linear": tile(np.where(linear, -1, 0), np.int32),
        "shift": tile(shift, np.int32),
        "adaptive": tile(side.adaptive[channels], np.int32),
        "length": np.repeat(np.minimum(steps, frames - np.arange(segments) * steps), count),
        "order_level": tile(side.order_levels()[channels], np.int64),
        "references": tile(references, np.int64).reshape(REFERENCES, -1)
        + np.repeat(np.arange(segments) * count, count),
        "correlation": tile(np.where(chosen >= 0, side.correlation[channels].T, 0), np.int32).reshape(REFERENCES, -1),
        "reference_taps": tile(side.reference_taps[channels, :, ::-1].transpose(1, 2, 0), np.int32).reshape(
            REFERENCES, REFERENCE_TAPS, -1
        ),
        "start": np.repeat(np.arange(segments) * steps, count),
        "channel": tile(channels, np.int64),
        "number": np.arange(segments * count),
    }


def to_lanes(chunks: list[np.ndarray], lanes: Lanes) -> np.ndarray:
    """Return values int16 [frames, channels] of chunks as lanes, int16 [steps, lanes], zero where a lane has ended."""
    out = np.zeros((int(lanes.length.max()), len(lanes)), np.int16)
    for owner, start, index in lanes.segments():
        length = int(lanes.length[index[0]])
        rows = chunks[owner][start : start + length]
        out[:length, as_columns(index)] = rows[:, as_columns(lanes.channel[index])]
    return out


class Places:
    """Where the samples of lanes belong, worked out once."""

    def __init__(self, lanes: Lanes):
        self._segments = [
            (owner, start, int(lanes.length[index[0]]), as_columns(lanes.channel[index]), as_columns(index))
            for owner, start, index in lanes.segments()
        ]

    def put(self, values: np.ndarray, chunks: list[np.ndarray], first: int = 0) -> None:
        """Put values [steps, lanes] from step `first` on into the arrays [frames, channels] of chunks."""
        for owner, start, length, channels, lanes in self._segments:
            steps = min(length - first, len(values))
            if steps > 0:
                chunks[owner][start + first : start + first + steps, channels] = values[:steps, lanes]


def columns(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield every channel's samples side by side."""
    if samples.shape[1] == 1:
        yield np.ascontiguousarray(samples[:, 0])
        return
    for channel in range(0, samples.shape[1], _SIDE_BY_SIDE):
        some = samples[:, channel : channel + _SIDE_BY_SIDE]
        out = np.empty(some.shape[::-1], samples.dtype)
        for first in range(0, len(some), _FRAMES):
            out[:, first : first + _FRAMES] = np.ascontiguousarray(some[first : first + _FRAMES]).T
        yield from out


def as_columns(index: np.ndarray) -> np.ndarray | slice:
    """Return an index for columns; a slice, which is quicker, where they lie side by side."""
    side_by_side = index[-1] - index[0] == len(index) - 1 and (np.diff(index) == 1).all()
    return slice(int(index[0]), int(index[-1]) + 1) if side_by_side else index
