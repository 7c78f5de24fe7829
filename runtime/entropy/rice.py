"""A Rice-like code for one time step after the other: docs/format.md section 10.

The codes that a sample may have are ranked by their frequency at the predicted location and scale. A rank falls into
one of 15 bins of 2^w ranks, chosen for each scale index; the number of the bin is written in unary, and the w bits of
the place within it behind that. All unary parts come first, all remainders after them, so that whole rows of lanes are
written and read at once. Everything is made from the model's own integer tables.

Where the first rank is more likely than not, a sample of that rank costs less than a bit. These quiet samples form one
sequence, in which the lengths of runs of first ranks are written instead of bins.
"""

from __future__ import annotations

import weakref

import numpy as np

from .entropy_model import CODES, LINEAR_OFFSET, PRECISION, SCALES, EntropyModel

RANKS = 256
"""Codes that are ranked at one place."""
BINS = 15
ESCAPE = BINS
"""The bin of samples that have no rank: the sample itself follows, in 16 bits."""
ESCAPE_BITS = 16
PLACE_BITS = 6
"""A place is one code step: 64 Q6 units of location."""
PLACES = 1024
RUNS = 0x80
"""Flag in the first byte of a body: it has runs, whose parameter is in the low bits."""
MAX_RUN_BITS = 24
CLASS_BITS = 4
"""Scale indices that share a ranking: 16, an octave."""

QUIET = 9 << (PRECISION - 4)
"""A place is quiet if its first rank has at least this frequency."""

_MAX_WIDTH = 7
_ROW_BITS = 8
_CLASS_SHIFT = 10 + _ROW_BITS
_WEIGHT_PLACES = np.arange(480, 544, 2)
"""The widths of bins follow from the sum of the frequencies over these places."""
_CLASSES = SCALES >> CLASS_BITS
_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


class RiceTables:
    """Tables of an entropy model for implant channels and, if asked for, behind them for linear channels.

    order   int16: code at index ((class * 1024 + place) * 256 + rank)
    rank    uint8: rank at index ((class * 1024 + place) * 256 + code - first[place])
    first   int64 [1024]: the first of the 256 codes that are ranked at a place
    quiet   bool [8 * 1024], at index class * 1024 + place
    bin     uint8: bin at index (scale * 256 + rank)
    width   int64: bits of the remainder at index (scale * 16 + bin)
    base    int64: first rank of the bin at the same index, plus the index of the scale's class in `order`

    `bin`, `width` and `base` have the rows of quiet samples, which are known not to be of rank 0, behind the others.
    """

    IMPLANT_ROWS = 2 * SCALES
    """Rows of `bin`, `width` and `base` in front of those for linear channels."""

    def __init__(self, entropy: EntropyModel, linear: bool):
        parts = [_tables_of_levels(entropy, 0)] + ([_tables_of_levels(entropy, LINEAR_OFFSET)] if linear else [])
        if linear:
            parts[1]["base"] += len(parts[0]["order"])
        joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        self.order, self.rank, self.first = joined["order"], joined["rank"], joined["first"]
        self.quiet, self.bin = joined["quiet"], joined["bin"]
        self.width, self.base = joined["width"], joined["base"]

    @classmethod
    def of(cls, entropy: EntropyModel, linear: bool) -> RiceTables:
        """Return the tables, which are made once for each entropy model."""
        kept = _KEPT.setdefault(entropy, {})
        if linear not in kept:
            kept[linear] = cls(entropy, linear)
        return kept[linear]


def _tables_of_levels(entropy: EntropyModel, offset: int) -> dict[str, np.ndarray]:
    """Return the tables of `RiceTables` for the levels that start at `offset`."""
    levels = entropy.levels[offset : offset + CODES + 1]
    places = np.arange(PLACES)
    nearest = np.searchsorted(levels, _reconstruction_of(places), side="right") - 1
    first = np.clip(nearest - RANKS // 2, 0, CODES - RANKS)
    scales = (np.arange(_CLASSES) << CLASS_BITS) + (1 << (CLASS_BITS - 1))
    ranked = [_ranked(entropy, offset, first, places, scale) for scale in scales]
    within = np.concatenate([order for _, order in ranked])
    rank = np.empty((len(within), RANKS), np.uint8)
    np.put_along_axis(rank, within, np.arange(RANKS, dtype=np.uint8)[None], axis=1)
    sums = [_ranked(entropy, offset, first, _WEIGHT_PLACES, scale)[0].sum(axis=0) for scale in range(SCALES)]
    weights = np.array(sums, np.int64)
    quiet_weights = np.concatenate([weights[:, 1:], np.zeros((SCALES, 1), np.int64)], axis=1)
    plain, quiet = _bin_tables(optimal_widths(weights), 0), _bin_tables(optimal_widths(quiet_weights), 1)
    tables = {key: np.concatenate([plain[key], quiet[key]]).ravel() for key in plain}
    return tables | {
        "order": (within + np.tile(first, _CLASSES)[:, None]).astype(np.int16).ravel(),
        "rank": rank.ravel(),
        "first": first,
        "quiet": np.concatenate([frequency[:, 0] >= QUIET for frequency, _ in ranked]),
    }


def _ranked(
    entropy: EntropyModel, offset: int, first: np.ndarray, places: np.ndarray, scale: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies in falling order, and the codes (less the first) that have them, int64 [places, 256].

    Of two equally frequent codes the nearer one comes first, of two equally near ones the lower one.
    """
    location = _reconstruction_of(places)[:, None]
    codes = first[places][:, None] + np.arange(RANKS)
    frequency = entropy.intervals(codes, location, np.int64(scale), np.int64(offset))[1].astype(np.int64)
    levels = entropy.levels[offset:]
    distance = np.abs(levels[codes] + levels[codes + 1] - 2 * location)
    order = np.argsort((((1 << PRECISION) - frequency) << 27) + distance, axis=1, kind="stable")
    return np.take_along_axis(frequency, order, axis=1), order


def _bin_tables(widths: np.ndarray, skipped: int) -> dict[str, np.ndarray]:
    """Return `bin`, `width` and `base` [128, ...] for the widths [128, 15], for ranks from `skipped` on."""
    ends = np.cumsum(1 << widths, axis=1) + skipped
    width, base = np.full((SCALES, BINS + 1), ESCAPE_BITS), np.full((SCALES, BINS + 1), skipped)
    width[:, :BINS], base[:, 1:BINS] = widths, ends[:, :-1]
    bins = (np.arange(RANKS)[None, :, None] >= ends[:, None, :]).sum(axis=2).astype(np.uint8)
    row = (np.arange(SCALES) >> CLASS_BITS) << _CLASS_SHIFT
    return {"bin": bins, "width": width.astype(np.int64), "base": base + row[:, None]}


def _reconstruction_of(places: np.ndarray) -> np.ndarray:
    return ((places.astype(np.int64) - PLACES // 2) << PLACE_BITS) + (1 << (PLACE_BITS - 1))


def optimal_widths(weights: np.ndarray) -> np.ndarray:
    """Return the widths int64 [scales, 15] of the bins that cost the fewest bits.

    From the last bin back: the cost of ranks n and above, if they begin with bin b, is the least over w of the
    weights of 2^w ranks times b + 1 + w bits and the cost of the rest; of equally good ones the smallest w.

    Parameters
    ----------
    weights : int64 [scales, ranks]
    """
    scales, ranks = weights.shape
    above = np.zeros((scales, ranks + 1), np.int64)
    above[:, :-1] = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    cost = above * (ESCAPE + 1 + ESCAPE_BITS)
    choice = np.zeros((BINS, scales, ranks + 1), np.int64)
    for number in range(BINS - 1, -1, -1):
        rest, cost = cost, np.full_like(cost, np.iinfo(np.int64).max)
        for width in range(_MAX_WIDTH + 1):
            end = np.minimum(np.arange(ranks + 1) + (1 << width), ranks)
            total = (above - above[:, end]) * (number + 1 + width) + rest[:, end]
            better = total < cost
            cost[better], choice[number][better] = total[better], width
    widths, at = np.zeros((scales, BINS), np.int64), np.zeros(scales, np.int64)
    for number in range(BINS):
        widths[:, number] = choice[number][np.arange(scales), at]
        at = np.minimum(at + (1 << widths[:, number]), ranks)
    return widths
