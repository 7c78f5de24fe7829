"""Features of whole recordings, computed by the runtime's own code, and random batches of them."""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.core.near_lossless import implant_bins
from runtime.fit.parameters import FitOptions, fit
from runtime.predictor import features as rf

from .entropy import LEVELS

WINDOW = rf.WINDOW
SKIP = 32  # samples at a recording's start that are left to the cold-start rows
COLD_LANES, COLD_STEPS = 24, 40  # lanes per recording that begin somewhere in it, with no history; their first steps


@dataclass
class Dataset:
    """Everything the network sees, per sample of joined recordings.

    Attributes
    ----------
    residual, last : uint8 [n]
        Features 0..15 (of one step each) and 16 of docs/format.md, section 5.2.
    means : uint8 [n, 3]
        Features 17..19.
    reference : int32 [n]
        Mean plus linear prediction, Q6 units.
    codes : uint16 [n]
        What is coded, as an index into all levels of an `entropy.EntropyModel`.
    spans : int64 [recordings, 2]
        Start and end of each recording.
    cold : tuple of arrays
        Rows (features, reference, codes) from the first steps of lanes; a share `cold_part` of each batch.
    """

    residual: np.ndarray
    last: np.ndarray
    means: np.ndarray
    prediction: np.ndarray
    codes: np.ndarray
    spans: np.ndarray
    cold: tuple
    cold_part: float = 0.02

    def rows(self, i):
        """Features uint8 [N, 20], reference int32 [N], codes int32 [N] at positions i."""
        window = self.residual[i[:, None] + np.arange(-WINDOW, 0)]
        rows = np.concatenate([window, self.last[i, None], self.means[i]], axis=1)
        return rows, self.prediction[i], self.codes[i].astype(np.int32)

    def positions(self, random, spans):
        """One random position in each of the spans, behind its start."""
        start, end = spans.T
        return start + SKIP + (random.random(len(spans)) * (end - start - SKIP)).astype(np.int64)

    def batch(self, random, size):
        """Random rows: every recording equally likely, a few from lane starts."""
        few = round(size * self.cold_part)
        i = self.positions(random, self.spans[random.integers(0, len(self.spans), size - few)])
        pick = random.integers(0, len(self.cold[1]), few)
        return tuple(np.concatenate([a, b[pick]]) for a, b in zip(self.rows(i), self.cold))

    def fixed(self, each=8000, seed=7, size=50000):
        """The same random rows in every call, `each` per recording, in batches; no lane starts."""
        random = np.random.default_rng(seed)
        i = np.concatenate([self.positions(random, np.repeat(span[None], each, axis=0)) for span in self.spans])
        for k in range(0, len(i), size):
            yield self.rows(i[k : k + size])

    def fingerprint(self):
        """A checksum of recordings and levels, which tells whether a run goes on with what it began with."""
        value = 0
        for array in (self.codes, self.prediction, self.spans):
            value = zlib.crc32(np.ascontiguousarray(array).data, value)
        return value

    def of(self, numbers):
        """The same data restricted to some recordings, by number."""
        each = COLD_LANES * COLD_STEPS
        keep = np.concatenate([np.arange(n * each, (n + 1) * each) for n in numbers])
        return replace(self, spans=self.spans[numbers], cold=tuple(a[keep] for a in self.cold))


def middles(levels):
    """Tick value of each code from the transition levels in Q6 units, as in the runtime."""
    return ((levels[:-1] + levels[1:]) >> 1).astype(np.int32)


def joined(parts):
    """Datasets as one."""
    starts = np.cumsum([0] + [len(part.codes) for part in parts])
    each = [[getattr(part, name) for part in parts] for name in ("residual", "last", "means", "prediction", "codes")]
    spans = [part.spans + start for part, start in zip(parts, starts)]
    cold = tuple(np.concatenate(column) for column in zip(*(part.cold for part in parts)))
    return Dataset(*map(np.concatenate, each), np.concatenate(spans), cold)


def views(recordings, levels, bounds, most=None):
    """Datasets of recordings under each of several bounds of the error; see `prepare`.

    With `most`, every recording is in that many of them only, taking turns.
    """
    made = []
    for block, bound in enumerate(bounds):
        turns = range(len(recordings))
        if most is not None:
            turns = [i for i in turns if (block - i) % len(bounds) < most]
        if turns:
            made.append(prepare(recordings.of(turns), levels, bound, block))
    return made


def prepare(recordings, levels, max_error=0, block=0):
    """Dataset of recordings under transition levels int [1025] in Q6 units.

    With a `max_error` the history is what a decoder has under that bound, and what is coded are bins, with their levels
    in the given block of `entropy.EntropyModel`.
    """
    if max_error:
        _, reconstruction, bins = implant_bins(max_error)
        coded = (bins[recordings.codes] + block * LEVELS).astype(np.uint16)
        made = _prepare(
            replace(recordings, codes=reconstruction[bins[recordings.codes]].astype(np.uint16)), levels, max_error
        )
        target = (bins + block * LEVELS).astype(np.int32)
        rows, prediction, codes = made.cold
        return replace(made, codes=coded, cold=(rows, prediction, target[codes]))
    return _prepare(recordings, levels, 0)


def _prepare(recordings, levels, max_error):
    """Dataset of recordings that are quantised for a bound already, but coded code by code."""
    reconstruction = middles(np.asarray(levels, np.int64))
    lanes, spreads, cold = [], [], []
    random = np.random.default_rng(0)
    for i in range(len(recordings)):
        codes = recordings[i]
        side = fit(CODE_TO_SAMPLE[codes][:, None], reconstruction, options=FitOptions(max_error=max_error))
        mean = reconstruction[side.mean[0]]
        lanes.append((codes, *predict(reconstruction[codes] - mean, side.coefficients[0]), mean))
        spreads.append(int(side.initial_scale[0]))
        cold.append(cold_rows(codes, reconstruction, mean, side, random))
    means = running_log_means([residual for _, residual, *_ in lanes], np.array(spreads))
    codes, residual, linear, value, _ = (list(column) for column in zip(*lanes))
    last = [np.concatenate([[0], v[:-1]]) - r for v, r in zip(value, linear)]
    ends = np.cumsum([len(c) for c in codes])
    return Dataset(
        rf.quantise(np.concatenate(residual)),
        rf.quantise(np.concatenate(last)),
        means,
        np.concatenate([r + lane[-1] for r, lane in zip(linear, lanes)]),
        recordings.codes,
        np.stack([ends - [len(c) for c in codes], ends], axis=1),
        tuple(np.concatenate(column) for column in zip(*cold)),
    )


def predict(value, coefficients):
    """Residual, linear prediction and value (int32) of one lane, or of lanes [lanes, steps]."""
    order = len(coefficients)
    past = np.concatenate([np.zeros((*value.shape[:-1], order), np.int64), value], axis=-1)
    steps = value.shape[-1]
    total = sum(int(c) * past[..., order - 1 - k : order - 1 - k + steps] for k, c in enumerate(coefficients))
    linear = ((total + rf.ROUND) >> 10).astype(np.int32)
    return value - linear, linear, value


def running_log_means(residuals, spreads):
    """Features 17..19 (before each step) of lanes of unequal length, joined: uint8 [n, 3]."""
    steps = max(len(r) for r in residuals)
    magnitudes = np.zeros((steps, len(residuals)), np.int32)
    for k, r in enumerate(residuals):
        magnitudes[: len(r), k] = rf.magnitude(r)
    state, scratch = rf.initial_means(spreads), np.empty((len(rf.RATES), len(residuals)), np.int32)
    shifts = rf.shifts(len(residuals))
    out = np.empty((steps, *state.shape), np.uint8)
    for t in range(steps):
        out[t] = rf.level(state)
        rf.move_means(state, magnitudes[t], shifts, scratch, state)
    return np.concatenate([out[: len(r), :, k] for k, r in enumerate(residuals)])


def cold_rows(codes, reconstruction, mean, side, random):
    """Rows of lanes that start at random places of a recording, as segments of a chunk do."""
    start = random.integers(0, max(len(codes) - COLD_STEPS, 1), COLD_LANES)
    picked = codes[np.minimum(start[:, None] + np.arange(COLD_STEPS), len(codes) - 1)]
    residual, linear, value = predict(reconstruction[picked] - mean, side.coefficients[0])
    history = np.concatenate([np.full((COLD_LANES, WINDOW), 128, np.uint8), rf.quantise(residual)], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(history, WINDOW, axis=1)[:, :COLD_STEPS]
    last = rf.quantise(np.concatenate([np.zeros((COLD_LANES, 1), np.int32), value[:, :-1]], axis=1) - linear)
    levels = running_log_means(list(residual), np.full(COLD_LANES, side.initial_scale[0]))
    rows = np.concatenate([windows.reshape(-1, WINDOW), last.reshape(-1, 1), levels], axis=1)
    return rows, (linear + mean).ravel().astype(np.int32), picked.ravel().astype(np.int32)
