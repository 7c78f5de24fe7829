"""Rows of windows around spikes, as spike mode codes them (docs/format.md, section 12.2). No PyTorch."""

from argparse import Namespace
from dataclasses import dataclass

import numpy as np

from runtime.core.implant_table import CODES
from runtime.predictor.inputs import NetworkInputs
from runtime.predictor.past import Past
from runtime.spikes.detection.offline import detect
from runtime.spikes.options import SpikeOptions

from .dataset import under_bound
from .features import reconstruction_of
from .mixture import RowSet, joined
from .recordings import LEVELS, Recordings
from .training_sets import load_split

THRESHOLDS = 4.0, 4.5  # deviations: of windows to train on, and of those to validate on
GAINS = 0.6, 1.6  # of recordings as further views: of the least and the largest one
INITIAL_SCALES = 104, 152  # windows begin with one of these


@dataclass
class Windows:
    """Hold windows of recordings: codes int64 [windows, frames], padded with their last one; length int64 [windows]."""

    codes: np.ndarray
    length: np.ndarray


def open_windows(options: Namespace, levels: np.ndarray, bounds: list[int]) -> tuple[RowSet, dict[str, RowSet]]:
    """Return rows of the windows of recordings under each of several error bounds, and validation rows by bound."""
    training, validation = load_split(options)
    if not len(training):
        raise ValueError("training.windows needs recordings that do not all belong together")
    random = np.random.default_rng(3)
    plain, held = windows_of(training, THRESHOLDS[0]), windows_of(validation, THRESHOLDS[1])
    views = [plain, louder(plain, random)]
    made = joined([rows(view, levels, bound, i, random) for i, bound in enumerate(bounds) for view in views])
    names = (f"validation, windows, error of at most {bound}" for bound in bounds)
    return made, {name: rows(held, levels, bound, i) for i, (name, bound) in enumerate(zip(names, bounds))}


def windows_of(recordings: Recordings, threshold: float) -> Windows:
    """Return the windows around the spikes of all recordings, cut to three times their usual length."""
    options = SpikeOptions(threshold=threshold).with_rate(recordings.sample_rate)
    longest = 3 * sum(options.window_frames)
    codes, lengths = [], []
    for number in range(len(recordings)):
        signal = recordings[number].astype(np.int64)
        found = detect(signal[:, None] - CODES // 2, options, -CODES // 2, CODES // 2 - 1).windows
        length = np.minimum(found.length, longest)
        place = found.start[:, None] + np.minimum(np.arange(longest), length[:, None] - 1)
        codes.append(signal[place])
        lengths.append(length)
    return Windows(np.concatenate(codes), np.concatenate(lengths))


def louder(windows: Windows, random: np.random.Generator) -> Windows:
    """Return windows with random gains, as of channels with more or less noise."""
    gain = np.exp(random.uniform(*np.log(GAINS), len(windows.length)))[:, None]
    dither = random.uniform(-0.5, 0.5, windows.codes.shape)
    codes = np.rint((windows.codes + dither - CODES // 2) * gain).astype(np.int64) + CODES // 2
    return Windows(np.clip(codes, 0, CODES - 1), windows.length)


def rows(
    windows: Windows, levels: np.ndarray, max_error: int, block: int, random: np.random.Generator | None = None
) -> RowSet:
    """Return rows for all samples of windows but the first ones.

    Parameters
    ----------
    levels : transition levels int [1025], Q6 units
    block : of `entropy.EntropyModel`'s levels, which are those of the bound
    random : for the windows' initial scales; None for the middle one
    """
    decoded, target = under_bound(max_error)
    values = reconstruction_of(levels)[decoded[windows.codes]].T
    steps, count = values.shape
    low, high = INITIAL_SCALES
    initial = np.full(count, (low + high) // 2) if random is None else random.integers(low, high, count, endpoint=True)
    inputs = NetworkInputs(Past(initial.astype(np.int64), steps - 1), steps=steps - 1)
    made = inputs.run_block(np.diff(values, axis=0), np.zeros((steps - 1, count), np.int32))
    inside = np.arange(1, steps)[:, None] < windows.length
    codes = target[windows.codes].T[1:][inside] + block * LEVELS
    return RowSet(made[inside], values[:-1][inside].astype(np.int32), codes.astype(np.int32))
