"""The network's inputs, computed by the runtime's own code: one function for lanes alone, one for whole arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit.parameters import fit
from runtime.predictor import features as rf
from runtime.predictor.block import Encoder, Prepared
from runtime.predictor.lanes import Lanes, join, to_lanes

WINDOW = rf.WINDOW


@dataclass
class Lane:
    """A channel under its linear predictor, all int32 [time], Q6 units.

    value : reconstruction of each code, less the mean
    linear : prediction of it
    residual : their difference
    """

    value: np.ndarray
    linear: np.ndarray
    residual: np.ndarray
    mean: int
    coefficients: np.ndarray
    initial_scale: int

    def at(self, i: np.ndarray, codes: np.ndarray, reconstruction: np.ndarray) -> "Lane":
        """Return lanes that start anew at other places of the recording, int [lanes, steps]."""
        value = reconstruction[codes[i]] - self.mean
        return Lane(value, *predict(value, self.coefficients), self.mean, self.coefficients, self.initial_scale)

    def last(self) -> np.ndarray:
        """Return the difference of the last value and the prediction."""
        before = np.concatenate([np.zeros((*self.value.shape[:-1], 1), np.int32), self.value[..., :-1]], axis=-1)
        return before - self.linear


def reconstruction_of(levels: np.ndarray) -> np.ndarray:
    """Return the reconstruction value of each code from transition levels int [1025], Q6 units, as in the runtime."""
    levels = np.asarray(levels, np.int64)
    return ((levels[:-1] + levels[1:]) >> 1).astype(np.int32)


def fit_lane(codes: np.ndarray, reconstruction: np.ndarray, max_error: int) -> Lane:
    """Fit a recording's linear predictor and run it."""
    side = fit(CODE_TO_SAMPLE[codes][:, None], reconstruction, max_error=max_error)
    mean = reconstruction[side.mean[0]]
    value = reconstruction[codes] - mean
    coefficients = side.coefficients[0]
    return Lane(value, *predict(value, coefficients), mean, coefficients, int(side.initial_scale[0]))


def predict(value: np.ndarray, coefficients: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return linear prediction and residual, int32, of one lane [steps], or of lanes [lanes, steps]."""
    order = len(coefficients)
    past = np.concatenate([np.zeros((*value.shape[:-1], order), np.int64), value], axis=-1)
    steps = value.shape[-1]
    total = sum(int(c) * past[..., order - 1 - k : order - 1 - k + steps] for k, c in enumerate(coefficients))
    linear = ((total + rf.ROUND) >> 10).astype(np.int32)
    return linear, value - linear


def running_log_means(residuals: Sequence[np.ndarray], initial_scales: np.ndarray) -> np.ndarray:
    """Return features 17..19 (before each step) of lanes of unequal length, joined: uint8 [n, 3]."""
    steps = max(len(r) for r in residuals)
    magnitudes = np.zeros((steps, len(residuals)), np.int32)
    for k, r in enumerate(residuals):
        magnitudes[: len(r), k] = rf.magnitude(r)
    state, scratch = rf.initial_means(initial_scales), np.empty((len(rf.RATES), len(residuals)), np.int32)
    shifts = rf.shifts(len(residuals))
    out = np.empty((steps, *state.shape), np.uint8)
    for t in range(steps):
        out[t] = rf.log_means(state)
        rf.move_means(state, magnitudes[t], shifts, scratch, state)
    return np.concatenate([out[: len(r), :, k] for k, r in enumerate(residuals)])


def first_rows(lanes: Lane) -> np.ndarray:
    """Return the features uint8 [lanes * steps, 20] of lanes [lanes, steps] from their first step on."""
    count, steps = lanes.residual.shape
    history = np.concatenate([np.full((count, WINDOW), 128, np.uint8), rf.quantise(lanes.residual)], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(history, WINDOW, axis=1)[:, :steps]
    means = running_log_means(list(lanes.residual), np.full(count, lanes.initial_scale))
    return np.concatenate([windows.reshape(-1, WINDOW), rf.quantise(lanes.last()).reshape(-1, 1), means], axis=1)


def array_blocks(
    samples: np.ndarray, reconstruction: np.ndarray, cross_channel: bool, messages: bool
) -> Iterator[tuple[slice, Prepared, Lanes]]:
    """Yield blocks of steps of an array int16 [time, channel] as the encoder prepares them for the network."""
    side = fit(samples, reconstruction, None, cross_channel)
    lanes = join([(side, len(samples), 1)], reconstruction)
    entropy = SimpleNamespace(reconstruction=reconstruction, bins=None)
    model = SimpleNamespace(entropy=entropy, has_messages=messages, state=0)
    for steps, block in Encoder(model, lanes, to_lanes([samples], lanes)).prepared():
        yield steps, block, lanes
