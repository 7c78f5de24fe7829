"""Channels that hear each other's past only, as the original MiddleOut did: for the ablation table, no part of the codec.

The encoder's own fit does it: it is given every channel a second time, one frame late, and only these are heard.
"""

from dataclasses import replace

import numpy as np

from runtime.fit.correlation import correlate, whiten
from runtime.fit.parameters import fit as fit_present
from runtime.fit.prediction_order import Arrangement, forward_selection
from runtime.predictor.channel_parameters import REFERENCES

CHANCE = 5.0  # correlations count from so many deviations of chance on
WHITE = 1 << 14  # frames that tell which channels belong together


def fit(samples, reconstruction):
    """Side information of a chunk whose channels are all in order level 0; see `runtime.fit.parameters.fit`."""
    channels = samples.shape[1]
    late = np.concatenate([samples[:1], samples[:-1]])
    both = fit_present(np.hstack([samples, late]), reconstruction, None, True, arrangement(samples, late))
    first = {name: value[:channels] for name, value in vars(both).items()}
    there = first["references"] >= 0
    references = np.where(there, first["references"] - channels, -1)
    octaves = np.where(there, both.shift[references] - both.shift[first["references"]], 0)
    heard = np.rint(first["reference_taps"] * 2.0 ** octaves[:, :, None]).astype(np.int64)
    side = replace(
        both, **first | {"references": references, "reference_taps": heard, "order_level": np.zeros(channels, np.int64)}
    )
    loose = ~side.fits()
    side.references[loose], side.reference_taps[loose] = -1, 0
    return side


def arrangement(samples, late):
    """Which of the channels of `late`, behind those of `samples`, each of these hears."""
    channels = samples.shape[1]
    rows = np.stack([whiten(column) for part in (samples, late) for column in part[:WHITE].T])
    found = correlate(rows, 0)[0]
    found[np.abs(found) < CHANCE / np.sqrt(rows.shape[1])] = 0
    references, metric = np.full((2 * channels, REFERENCES), -1), np.zeros((2 * channels, REFERENCES))
    for channel in range(channels):
        others = np.delete(np.arange(channels), channel) + channels
        chosen = forward_selection(found, channel, others[found[channel, others] != 0], REFERENCES)
        references[channel, : len(chosen)], metric[channel, : len(chosen)] = chosen, found[channel, chosen]
    return Arrangement(np.repeat([1, 0], channels), references, metric)
