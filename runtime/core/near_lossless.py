"""Near-lossless coding: samples in fixed bins (docs/format.md section 3.2).

A bin holds 2 E + 1 neighbouring values, and every value in it decodes to its middle one. What a bin decodes to depends
on nothing else, so an encoder knows beforehand what the decoder will see, and batches over time as without a bound.

On the implant's table bins begin at code 0 upwards and at code -3 downwards. Codes -1 and -2, which the converter
hardly ever gives, have a bin of their own: the bins that are used cover more of the signal than if these codes took up
room in them.
"""

from __future__ import annotations

import functools

import numpy as np

from .implant_table import CODE_TO_SAMPLE, CODES, codes_of
from .limits import whole

MAX_ERROR = 255
"""Largest bound E; 0 stands for lossless."""
_BLOCK = 1 << 12
"""Frames that are restored or compared at once: what is known of a whole chunk's takes too much memory."""
_ZERO = CODES // 2
_GAP = _ZERO - 2
"""Codes 0 and -2, counted from the start of the implant's table."""


def check(max_error: int) -> int:
    """Return the bound itself. Raises `UsageError` if it is not a whole number 0..255."""
    return whole(max_error, 0, MAX_ERROR, f"the largest error is a whole number from 0 to {MAX_ERROR}")


@functools.cache
def implant_bins(max_error: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the bins of implant channels, in order; do not write into them.

    Returns the first code 0..1023 of each (int64 [bins]), the code that each decodes to (int64 [bins]), and the bin of
    each code (int32 [1024]).
    """
    step = 2 * max_error + 1
    below, above = np.arange(_GAP, 0, -step)[::-1], np.arange(_ZERO, CODES, step)
    first = np.concatenate([np.maximum(below - step, 0), [_GAP], above])
    middle = np.concatenate([np.maximum(below - 1 - max_error, 0), [_GAP], np.minimum(above + max_error, CODES - 1)])
    return first, middle, np.searchsorted(first, np.arange(CODES), side="right").astype(np.int32) - 1


def quantise(samples: np.ndarray, max_error: int, sample_bits: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Return what is coded in place of int16 samples [frames, channels] of a chunk, and which channels are linear.

    Implant channels code what they decode to, linear channels the number of the bin (`restore` undoes that). A channel
    that one value represents within the bound becomes constant. All channels of 8-bit recordings are linear: their
    range ends before the implant's codes do.
    """
    step = 2 * max_error + 1
    out, linear = samples.copy(), np.zeros(samples.shape[1], bool)
    for channel in range(samples.shape[1]):
        column = np.ascontiguousarray(samples[:, channel])
        codes = codes_of(column)
        on_implant = sample_bits == 16 and codes.min() >= 0
        values = codes if on_implant else column
        low, high = int(values.min()), int(values.max())
        if high - low <= 2 * max_error:
            middle = (low + high) >> 1
            out[:, channel] = CODE_TO_SAMPLE[middle] if on_implant else middle
        elif on_implant:
            _, decoded, bins = implant_bins(max_error)
            out[:, channel] = CODE_TO_SAMPLE[decoded[bins[codes]]]
        else:
            linear[channel] = True
            out[:, channel] = column // np.int16(step)
    return out, linear


def restore(samples: np.ndarray, linear: np.ndarray, max_error: int, sample_bits: int = 16) -> None:
    """Put the middles of bins in place of their numbers in the linear channels of int16 [frames, channels]."""
    top = (1 << (sample_bits - 1)) - 1
    for first in range(0, len(samples), _BLOCK):
        block = samples[first : first + _BLOCK]
        middles = block[:, linear].astype(np.int32) * (2 * max_error + 1) + max_error
        block[:, linear] = np.clip(middles, -top - 1, top)


def within(original: np.ndarray, decoded: np.ndarray, max_error: int, sample_bits: int = 16) -> bool:
    """Return whether all samples [frames, channels] are within the bound, which is in codes in the implant's table."""
    if max_error == 0 or original.shape != decoded.shape:
        parts = range(0, max(len(original), len(decoded)), _BLOCK)
        return all(np.array_equal(original[at : at + _BLOCK], decoded[at : at + _BLOCK]) for at in parts)
    for channel in range(original.shape[1]):
        before, after = (np.ascontiguousarray(x[:, channel]) for x in (original, decoded))
        codes = codes_of(before)
        if sample_bits == 16 and codes.min() >= 0:
            before, after = codes, codes_of(after)
            if after.min() < 0:
                return False
        if np.abs(after.astype(np.int32) - before).max() > max_error:
            return False
    return True
