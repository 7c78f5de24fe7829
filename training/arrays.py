"""Rows of channels that hear each other, from the encoder's own steps, and mixtures with single channels."""

import zlib
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit.parameters import fit
from runtime.predictor.block import Encoder
from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.features import FEATURES
from runtime.predictor.lanes import join, to_lanes
from runtime.predictor.messages import INPUTS, ZERO

from . import past
from .dataset import middles
from .entropy import LEVELS

ROWS = FEATURES + REFERENCES * INPUTS  # of a network that hears peers
KEPT = 200_000  # rows of each view of an array
KEPT_OF_A_CHANNEL = 5_000  # of each channel of a simultaneous pair
SAMPLES = 800_000  # of a stretch of an array that is one view
FRAMES = 16_384  # of a stretch of a simultaneous pair
FADED = 0.25  # share of rows whose peers are missing, where channels hear each other


@dataclass
class Rows:
    """Rows in any order.

    Attributes
    ----------
    features : uint8 [n, 20] or [n, 52]
        Features, and what peers say.
    reference : int32 [n]
        In Q6 units, as levels are counted.
    codes : int32 [n]
        Index into all levels of an `entropy.EntropyModel`, where flat levels are the last block.
    """

    features: np.ndarray
    prediction: np.ndarray
    codes: np.ndarray

    def batch(self, random, size):
        """Random rows."""
        i = random.integers(0, len(self.codes), size)
        return self.features[i], self.prediction[i], self.codes[i]

    def fixed(self, each=0, seed=7, size=50000):
        """All rows, in batches."""
        for k in range(0, len(self.codes), size):
            yield self.features[k : k + size], self.prediction[k : k + size], self.codes[k : k + size]

    def fingerprint(self):
        return zlib.crc32(np.ascontiguousarray(self.codes).data, len(self.codes))


@dataclass
class Mixture:
    """Datasets of which each gives a share of every batch; rows without peers get silent ones where others have any."""

    parts: list
    shares: list
    width: int

    def batch(self, random, size):
        counts = np.rint(np.cumsum([0, *self.shares]) * size).astype(int)
        drawn = [part.batch(random, int(n)) for part, n in zip(self.parts, np.diff(counts)) if n]
        return tuple(np.concatenate(column) for column in zip(*(self._padded(*rows) for rows in drawn)))

    def fixed(self, each=1000, seed=7, size=50000):
        for part in self.parts:
            for rows in part.fixed(each, seed, size):
                yield self._padded(*rows)

    def _padded(self, features, prediction, codes):
        return padded(features, self.width), prediction, codes.astype(np.int32)

    def fingerprint(self):
        return zlib.crc32(repr([part.fingerprint() for part in self.parts]).encode())


def padded(features, width):
    """Rows of features with silent peers behind them, if the network hears any."""
    missing = width - features.shape[1]
    return np.pad(features, ((0, 0), (0, missing)), constant_values=ZERO) if missing > 0 else features[:, :width]


def prepare(samples, levels, keep, random, hearing="order_levels", width=FEATURES, first=0):
    """Rows of a recording: `keep` random ones.

    Parameters
    ----------
    samples : int16 [time, channels]
    levels : int array [1025], Q6 units
    hearing : one of `config.HEARING`
    width : 20, or 52 with peers
    first : frame from which on rows are taken
    """
    reconstruction = middles(np.asarray(levels, np.int64))
    side = (
        past.fit(samples, reconstruction)
        if hearing == "past"
        else fit(samples, reconstruction, None, hearing == "order_levels")
    )
    lanes = join([(side, len(samples), 1)], reconstruction)
    probe = SimpleNamespace(
        entropy=SimpleNamespace(reconstruction=reconstruction, bins=None), hears=width > FEATURES, state=0
    )
    steps = Encoder(probe, lanes, to_lanes([samples], lanes)).prepared()
    wanted, made, seen = keep / ((len(samples) - first) * len(lanes)), [], 0
    for where, block in steps:
        skipped = max(first - where.start, 0) * len(lanes)
        count = block.code.size - skipped
        if count <= 0:
            continue
        i = np.sort(random.permutation(count)[: round(wanted * (seen + count)) - round(wanted * seen)]) + skipped
        seen += count
        rows = [part.reshape(block.code.size, -1)[i] for part in block.inputs]
        linear = np.broadcast_to(lanes.linear != 0, block.code.shape).ravel()[i]
        codes = block.code.ravel()[i] + np.where(linear, LEVELS, 0)
        made.append((padded(np.concatenate(rows, axis=1), width), block.prediction.ravel()[i], codes))
    features, prediction, codes = (np.concatenate(column) for column in zip(*made))
    if width > FEATURES:
        features[random.random(len(features)) < FADED / 4, FEATURES:] = ZERO
    return Rows(features, prediction, codes.astype(np.int32))


def views(samples, random):
    """Variants of an array, with whether channels hear each other: other gains, directions, subsets of channels."""
    few = np.sort(random.permutation(samples.shape[1])[: max(2, samples.shape[1] // 4)])
    yield samples, True
    yield samples >> 3, True
    yield samples >> 3, False
    yield (samples >> 4)[::-1], True
    yield -(samples[:, few] >> 2), True
    yield np.clip(samples >> 3, -512, 511), True
    yield (samples.astype(np.int32) * 11 >> 6).astype(np.int16), True
    yield samples >> 5, True


def stretch(samples, frames, random):
    """A stretch of a recording at a random place."""
    start = int(random.integers(0, max(len(samples) - frames, 0) + 1))
    return np.ascontiguousarray(samples[start : start + frames])


def split(recordings, levels, width, hearing, share):
    """Arrays to train on (name -> samples), and sets of rows by name to validate on: of the last `share` of frames,
    which are kept from the others; or if that is 0, of frames that are not."""
    seen, held = {}, {}
    for name, samples in recordings.items():
        random = np.random.default_rng(1)
        first = len(samples) - round(share * len(samples))
        seen[name] = samples[:first]
        if share:
            rows = prepare(samples >> 3, levels, KEPT // 2, random, hearing, width, first)
        else:
            part = stretch(samples >> 3, SAMPLES // samples.shape[1], random)
            rows = prepare(part, levels, KEPT // 2, random, hearing, width)
        held[f"{name} ({'held part' if share else 'trained on'})"] = rows
    return seen, held


def of_arrays(recordings, levels, width, hearing="order_levels", seed=0, keep=KEPT):
    """Rows of arrays (name -> int16 [time, channels]) in all their `views`."""
    random = np.random.default_rng(seed)
    made = []
    for samples in recordings.values():
        rows = min(keep, samples.size // 2)
        for view, hear in views(samples, random):
            part = stretch(view, max(SAMPLES // view.shape[1], 1), random)
            made.append(prepare(part, levels, min(rows, part.size), random, hearing if hear else "none", width))
    return joined(made)


def simulated(frames=15_000, channels=48, seeds=(11, 12)):
    """Simulated arrays as 16-bit recordings, the steps of their converter filled with noise; name -> samples."""
    from .simulate_array import ArraySimulation

    made = {}
    for seed in seeds:
        codes = np.concatenate(list(ArraySimulation(frames, channels, seed=seed, hum=60).blocks()))
        made[f"simulated {seed}"] = codes * 8 + np.random.default_rng(seed).integers(0, 8, codes.shape, np.int16)
    return made


def of_pairs(pairs, levels, width, hearing="order_levels", seed=0, keep=KEPT_OF_A_CHANNEL):
    """Rows of simultaneous channels: arrays uint16 [2, time] of codes."""
    random = np.random.default_rng(seed)
    made = [CODE_TO_SAMPLE[np.stack(pair, axis=1)] for pair in pairs]
    parts = [stretch(samples, FRAMES, random) for samples in made]
    return joined([prepare(part, levels, min(2 * keep, part.size), random, hearing, width) for part in parts])


def joined(parts):
    """Rows as one."""
    return Rows(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("features", "prediction", "codes")))
