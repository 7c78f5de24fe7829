"""Rows of arrays whose channels are predicted from each other."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit.steps import find_steps, free_channels
from runtime.predictor.channel_parameters import REFERENCES
from runtime.predictor.input_arithmetic import FEATURES
from runtime.predictor.networks.messages import INPUTS, ZERO

from ..simulate.arrays import ArraySimulation
from .features import Preparation, array_blocks, reconstruction_of
from .mixture import RowSet, joined, padded
from .recordings import LEVELS

MESSAGE_WIDTH = FEATURES + REFERENCES * INPUTS  # of rows with inputs from reference channels
ROWS_PER_VIEW = 200_000
ROWS_PER_CHANNEL = 5_000  # of simultaneous pairs
SAMPLES = 800_000  # of a stretch of an array that is one view
FRAMES = 16_384  # of a stretch of a simultaneous pair
FADED = 0.25  # share of rows whose references are missing, where channels are predicted from each other

Arrays = dict[str, np.ndarray]
"""Samples int16 [time, channel] by name."""


class RowBuilder:
    """Make rows of arrays under transition levels.

    Parameters
    ----------
    levels : int array [1025], Q6 units
    width : 20, or `MESSAGE_WIDTH`
    cross_channel : whether channels are predicted from each other at all
    """

    def __init__(self, levels: np.ndarray, width: int = FEATURES, cross_channel: bool = True):
        self.reconstruction, self.width, self.cross_channel = reconstruction_of(levels), width, cross_channel

    def rows(
        self,
        samples: np.ndarray,
        count: int,
        random: np.random.Generator,
        how: Preparation = Preparation(),  # noqa: B008 (it is frozen)
        first: int = 0,
    ) -> RowSet:
        """Return `count` random rows of an array int16 [time, channel], from frame `first` on."""
        messages = self.width > FEATURES
        how = replace(how, cross_channel=how.cross_channel and self.cross_channel, messages=messages)
        wanted, made, seen = count / (samples[first:].size), [], 0
        for steps, block, lanes in array_blocks(samples, self.reconstruction, how):
            skipped = max(first - steps.start, 0) * len(lanes)
            size = block.code.size - skipped
            if size <= 0:
                continue
            i = np.sort(random.permutation(size)[: round(wanted * (seen + size)) - round(wanted * seen)]) + skipped
            seen += size
            parts = [block.own] if block.messages is None else [block.own, block.messages]
            features = np.concatenate([part.reshape(block.code.size, -1)[i] for part in parts], axis=1)
            linear = np.broadcast_to(lanes.linear != 0, block.code.shape).ravel()[i]
            codes = np.clip(block.code.ravel()[i], 0, LEVELS - 2) + np.where(linear, LEVELS, 0)
            made.append((padded(features, self.width), block.prediction.ravel()[i], codes.astype(np.int32)))
        rows = RowSet(*(np.concatenate(column) for column in zip(*made)))
        if messages:
            rows.features[random.random(len(rows.features)) < FADED / 4, FEATURES:] = ZERO
        return rows

    def of_arrays(self, recordings: Arrays, seed: int = 0, count: int = ROWS_PER_VIEW) -> RowSet:
        """Return rows of arrays in all their `views`."""
        random = np.random.default_rng(seed)
        made = []
        for samples in recordings.values():
            for view, cross_channel in views(samples, random):
                part = stretch(view, max(SAMPLES // view.shape[1], 1), random)
                how = Preparation(cross_channel)
                made.append(self.rows(part, min(count, samples.size // 2, part.size), random, how))
        return joined(made)

    def of_devices(self, recordings: Arrays, seed: int = 0, count: int = ROWS_PER_VIEW) -> RowSet:
        """Return rows of recordings of any device in all their `device_views`, with adaptive predictors."""
        random = np.random.default_rng(seed)
        made = []
        for samples in recordings.values():
            for view, how in device_views(indices_of(samples)):
                part = stretch(view, max(SAMPLES // view.shape[1], 1), random)
                made.append(self.rows(part, min(count, part.size), random, how))
        return joined(made)

    def of_pairs(self, pairs: list[list[np.ndarray]], seed: int = 0, count: int = ROWS_PER_CHANNEL) -> RowSet:
        """Return rows of simultaneous channels: codes uint16 [2, time]."""
        random = np.random.default_rng(seed)
        made = [CODE_TO_SAMPLE[np.stack(pair, axis=1)] for pair in pairs]
        parts = [stretch(samples, FRAMES, random) for samples in made]
        return joined([self.rows(part, min(2 * count, part.size), random) for part in parts])

    def split(self, recordings: Arrays, share: float) -> tuple[Arrays, dict[str, RowSet]]:
        """Return arrays to train on, and rows by name to validate on.

        These are of the last `share` of frames, which training does not get; or if that is 0, of frames that it gets.
        """
        seen, held = {}, {}
        for name, samples in recordings.items():
            random = np.random.default_rng(1)
            first = len(samples) - round(share * len(samples))
            seen[name] = samples[:first]
            if share:
                held[f"{name} (held part)"] = self.rows(samples >> 3, ROWS_PER_VIEW // 2, random, first=first)
            else:
                part = stretch(samples >> 3, SAMPLES // samples.shape[1], random)
                held[f"{name} (trained on)"] = self.rows(part, ROWS_PER_VIEW // 2, random)
        return seen, held


def views(samples: np.ndarray, random: np.random.Generator) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield variants of an array (gains, directions, subsets of channels), and whether to predict across channels."""
    few = np.sort(random.permutation(samples.shape[1])[: max(2, samples.shape[1] // 4)])
    yield samples, True
    yield samples >> 3, True
    yield samples >> 3, False
    yield (samples >> 4)[::-1], True
    yield -(samples[:, few] >> 2), True
    yield np.clip(samples >> 3, -512, 511), True
    yield (samples.astype(np.int32) * 11 >> 6).astype(np.int16), True
    yield samples >> 5, True


def indices_of(samples: np.ndarray) -> np.ndarray:
    """Return what is coded in place of samples int16 [time, channel], by the encoder's index maps but palettes."""
    return find_steps(samples, free_channels(samples))[1]


def device_views(samples: np.ndarray) -> Iterator[tuple[np.ndarray, Preparation]]:
    """Yield variants of a recording of any device, and how rows of them are made."""
    adaptive, plain = (Preparation(adaptive=choice, segmented=True) for choice in (True, False))
    yield samples, adaptive
    yield samples, plain
    yield ~samples, adaptive
    yield np.ascontiguousarray(samples[::-1]), adaptive
    yield samples >> 1, adaptive
    yield (samples.astype(np.int32) * 3 >> 2).astype(np.int16), plain


def stretch(samples: np.ndarray, frames: int, random: np.random.Generator) -> np.ndarray:
    """Return a stretch of a recording at a random place."""
    start = int(random.integers(0, max(len(samples) - frames, 0) + 1))
    return np.ascontiguousarray(samples[start : start + frames])


def simulated(frames: int = 15_000, channels: int = 48, seeds: tuple[int, ...] = (11, 12)) -> Arrays:
    """Return simulated arrays as 16-bit recordings, the steps of their converter filled with noise."""
    made = {}
    for seed in seeds:
        codes = np.concatenate(list(ArraySimulation(frames, channels, seed=seed, hum=60).blocks()))
        made[f"simulated {seed}"] = codes * 8 + np.random.default_rng(seed).integers(0, 8, codes.shape, np.int16)
    return made
