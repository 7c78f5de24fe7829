"""Features of whole recordings of single channels, and random batches of them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from runtime.core.near_lossless import implant_bins
from runtime.predictor import input_arithmetic as rf
from runtime.predictor.lanes import Lanes

from .features import WINDOW, fit_lane, lane_inputs, reconstruction_of
from .recordings import LEVELS, Recordings

SKIP = 32  # samples at a recording's start that are left to the rows of lane starts
START_LANES, START_STEPS = 24, 40  # lanes per recording that begin somewhere in it, with no history; their first steps
START_SHARE = 0.02  # of each batch

Rows = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Features uint8 [N, F], linear prediction int32 [N] in Q6 units, codes int32 [N]."""


@dataclass
class Dataset:
    """Hold the network's inputs, per sample of joined recordings.

    Attributes
    ----------
    residual, last : uint8 [n]
        Features 0..15 (of one step each) and 16 of docs/format.md, section 5.2.
    means : uint8 [n, 3]
        Features 17..19.
    prediction : int32 [n]
        Mean plus linear prediction, Q6 units.
    codes : uint16 [n]
        What is coded, as an index into all levels of an `entropy.EntropyModel`.
    spans : int64 [recordings, 2]
        Start and end of each recording.
    starts : Rows
        From the first steps of lanes; a share of each batch.
    """

    residual: np.ndarray
    last: np.ndarray
    means: np.ndarray
    prediction: np.ndarray
    codes: np.ndarray
    spans: np.ndarray
    starts: Rows

    def rows(self, i: np.ndarray) -> Rows:
        """Return the rows at positions i."""
        window = self.residual[i[:, None] + np.arange(-WINDOW, 0)]
        rows = np.concatenate([window, self.last[i, None], self.means[i]], axis=1)
        return rows, self.prediction[i], self.codes[i].astype(np.int32)

    def positions(self, random: np.random.Generator, spans: np.ndarray) -> np.ndarray:
        """Return one random position in each of the spans, behind its start."""
        start, end = spans.T
        return start + SKIP + (random.random(len(spans)) * (end - start - SKIP)).astype(np.int64)

    def batch(self, random: np.random.Generator, size: int) -> Rows:
        """Return random rows: every recording equally likely, a few from lane starts."""
        few = round(size * START_SHARE)
        i = self.positions(random, self.spans[random.integers(0, len(self.spans), size - few)])
        pick = random.integers(0, len(self.starts[1]), few)
        return tuple(np.concatenate([a, b[pick]]) for a, b in zip(self.rows(i), self.starts))

    def fixed(self, each: int = 8000, seed: int = 7, size: int = 50000) -> Iterator[Rows]:
        """Yield the same random rows in every call, `each` per recording, in batches; no lane starts."""
        random = np.random.default_rng(seed)
        i = np.concatenate([self.positions(random, np.repeat(span[None], each, axis=0)) for span in self.spans])
        for k in range(0, len(i), size):
            yield self.rows(i[k : k + size])

    def fingerprint(self) -> int:
        """Return a checksum of recordings and levels, which tells whether a run goes on with what it began with."""
        value = 0
        for array in (self.codes, self.prediction, self.spans):
            value = zlib.crc32(np.ascontiguousarray(array).data, value)
        return value

    def subset(self, numbers: list[int]) -> Self:
        """Return the same data restricted to some recordings, by number."""
        each = START_LANES * START_STEPS
        keep = np.concatenate([np.arange(n * each, (n + 1) * each) for n in numbers])
        return replace(self, spans=self.spans[numbers], starts=tuple(a[keep] for a in self.starts))


def joined(parts: list[Dataset]) -> Dataset:
    """Return datasets as one."""
    first = np.cumsum([0] + [len(part.codes) for part in parts])
    each = [[getattr(part, name) for part in parts] for name in ("residual", "last", "means", "prediction", "codes")]
    spans = [part.spans + start for part, start in zip(parts, first)]
    starts = tuple(np.concatenate(column) for column in zip(*(part.starts for part in parts)))
    return Dataset(*map(np.concatenate, each), np.concatenate(spans), starts)


def views(recordings: Recordings, levels: np.ndarray, bounds: list[int], each: int | None = None) -> list[Dataset]:
    """Return datasets of recordings under each of several error bounds; see `prepare`.

    With `each`, every recording is in that many of them only, taking turns.
    """
    made = []
    for block, bound in enumerate(bounds):
        chosen = [i for i in range(len(recordings)) if each is None or (block - i) % len(bounds) < each]
        if chosen:
            made.append(prepare(recordings.subset(chosen), levels, bound, block))
    return made


def prepare(recordings: Recordings, levels: np.ndarray, max_error: int = 0, block: int = 0) -> Dataset:
    """Return the dataset of recordings under transition levels int [1025] in Q6 units.

    With a `max_error` the history is what a decoder has under that bound, and what is coded are bins, with their levels
    in the given block of `entropy.EntropyModel`.
    """
    decoded, target = under_bound(max_error)
    seen, target = replace(recordings, codes=decoded[recordings.codes].astype(np.uint16)), target + block * LEVELS
    reconstruction, random = reconstruction_of(levels), np.random.default_rng(0)
    lanes, starts = [], []
    for i in range(len(seen)):
        lane = fit_lane(seen[i], reconstruction, max_error)
        lanes.append(lane_inputs(lane, seen[i][:, None], reconstruction))
        starts.append(start_rows(lane, seen[i], reconstruction, random))
    features, prediction, codes = (np.concatenate(column) for column in zip(*starts))
    newest = [np.append(lane.own[1:, 0, WINDOW - 1], np.uint8(rf.ZERO)) for lane in lanes]
    rest = np.concatenate([lane.own[:, 0, WINDOW:] for lane in lanes])
    return Dataset(
        np.concatenate(newest),
        rest[:, 0],
        rest[:, 1:],
        np.concatenate([lane.prediction[:, 0] for lane in lanes]),
        target[recordings.codes].astype(np.uint16),
        np.stack([recordings.offsets[:-1], recordings.offsets[1:]], axis=1),
        (features, prediction, target[codes]),
    )


def under_bound(max_error: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what each code decodes to under an error bound, int64 [1024], and what is coded for it, int32 [1024]."""
    if not max_error:
        return np.arange(LEVELS - 1), np.arange(LEVELS - 1, dtype=np.int32)
    _, decoded, bins = implant_bins(max_error)
    return decoded[bins], bins


def start_rows(lane: Lanes, codes: np.ndarray, reconstruction: np.ndarray, random: np.random.Generator) -> Rows:
    """Return rows of lanes that start at random places of a recording, as segments of a chunk do."""
    start = random.integers(0, max(len(codes) - START_STEPS, 1), START_LANES)
    picked = codes[np.minimum(start + np.arange(START_STEPS)[:, None], len(codes) - 1)]
    inputs = lane_inputs(lane, picked, reconstruction)
    own = inputs.own.transpose(1, 0, 2).reshape(-1, inputs.own.shape[2])
    return own, inputs.prediction.T.ravel(), picked.T.ravel().astype(np.int32)
