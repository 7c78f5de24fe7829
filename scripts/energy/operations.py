"""Operations of an encoder, counted from the shipped models and the constants of the code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from runtime.core.near_lossless import implant_bins
from runtime.entropy.entropy_model import SCALES
from runtime.entropy.rice import RiceTables
from runtime.predictor import input_arithmetic
from runtime.predictor.channel_parameters import COEFFICIENT_BITS, IMPLANT_MAGNITUDE_BITS, ORDER
from runtime.predictor.model import Model
from runtime.predictor.past import Past
from runtime.spikes.detection import filters
from runtime.spikes.options import SpikeOptions
from runtime.spikes.payload.symbol_loops import CLASSES
from runtime.spikes.render import lfp_fit
from runtime.spikes.render.lfp import COEFFICIENT_BITS as KNOT_BITS

from .figures import Node

SAMPLE_BITS, CHANNELS = 10, 1024
WORD = 64
"""Bits of a memory access."""
_LFP_TAP_BITS, _PLACES = 24, 4
"""Of the field potential's low-pass, and places between knots at which it is computed."""
_RANS_BITS = 32
"""Bits of a quotient, each of which is a subtraction."""


@dataclass
class Cost:
    """Operations of one step, and how often it is done.

    name : str
    share : times per sample
    products : count by the bits of both numbers
    additions : count; shifts are free, comparisons are additions
    look_ups : count by the bytes of the table; each is one access
    moved : bits to and from memory, which is read and written 64 bits at a time
    memory : bytes of the memory that they move through
    of_windows : whether it is done for windows or samples in them only
    """

    name: str
    share: float = 1.0
    products: Counter = field(default_factory=Counter)
    additions: float = 0.0
    look_ups: Counter = field(default_factory=Counter)
    moved: float = 0.0
    memory: int = 0
    of_windows: bool = False

    @property
    def multiplications(self) -> float:
        """Products, whatever their bits."""
        return sum(self.products.values())

    @property
    def table_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(self.look_ups)

    def energy(self, node: Node) -> float:
        """Return pJ of one step."""
        total = sum(count * node.product(bits) for bits, count in self.products.items())
        total += self.additions * node.add
        total += sum(count * node.access(size) for size, count in self.look_ups.items())
        return total + (self.moved / WORD * node.access(self.memory) if self.moved else 0.0)


def inputs() -> Cost:
    """Return the 20 inputs of the network: running means, their logarithms, quantised residuals."""
    means = len(input_arithmetic.RATES)
    return Cost("inputs of the network", additions=3 * means + 4)


def network(model: Model) -> Cost:
    """Return the network: one product a weight; sums, and rounding and clipping of every output."""
    shapes = [layer.weights.shape for layer in model.layers]
    weights, outputs = sum(a * b for a, b in shapes), sum(b for _, b in shapes)
    return Cost("network", products=Counter({(8, 8): weights}), additions=weights + 3 * outputs)


def predictor() -> Cost:
    """Return the linear predictor."""
    bits = IMPLANT_MAGNITUDE_BITS, COEFFICIENT_BITS + 1
    return Cost("linear predictor", products=Counter({bits: ORDER}), additions=ORDER + 2)


def rice(model: Model) -> Cost:
    """Return the Rice coder: first ranked code, rank, quiet place, bin, width and base."""
    tables = RiceTables.of(model.entropy, False)
    sizes = [
        (len(tables.first), SAMPLE_BITS),
        (len(tables.rank), 8),
        (len(tables.quiet), 1),
        (len(tables.bin), 4),
        (len(tables.width), 4 + 8),
    ]
    return Cost("rank and Rice coder", additions=8, look_ups=Counter(count * bits // 8 for count, bits in sizes))


def lane_state(block: int, coded_bits: float, buffered: int) -> Cost:
    """Return what is moved: samples in and out of a block, coded bits, and once a block what a lane carries on.

    Parameters
    ----------
    block : frames
    coded_bits : of a sample
    buffered : frames that are kept of every channel
    """
    past = Past(np.zeros(1, np.int64))
    parts = [past.values[:ORDER], past.history[:, : input_arithmetic.WINDOW], past.means, past.residual]
    state = 8 * sum(part.nbytes for part in parts)
    coefficients = ORDER * (COEFFICIENT_BITS + 1)
    moved = 2 * SAMPLE_BITS + 2 * coded_bits + (2 * state + coefficients) / block
    memory = CHANNELS * (state + coefficients + buffered * SAMPLE_BITS) // 8
    return Cost("samples, state, packets", moved=moved, memory=memory)


def stream(model: Model, block: int, coded_bits: float) -> list[Cost]:
    """Return the steps of a lossless or near-lossless stream; bins of a bound are ranked instead of codes."""
    return [predictor(), inputs(), network(model), rice(model), lane_state(block, coded_bits, block)]


def detector(sample_rate: float, block: int, windows: float) -> list[Cost]:
    """Return the band-pass, of which equal taps share a product, and the comparisons behind it."""
    taps = filters.band_taps(sample_rate)
    reach = len(taps) // 2
    bits = SAMPLE_BITS + 1, int(abs(taps).max()).bit_length() + 1
    again = 1 + 2 * reach / block
    moved = SAMPLE_BITS * (1 + again + windows)
    memory = CHANNELS * SAMPLE_BITS * (block + 2 * reach) // 8
    return [
        Cost("band-pass", products=Counter({bits: len(np.unique(taps))}), additions=2 * reach),
        Cost("noise, threshold, dead time", additions=4),
        Cost("samples of a block", moved=moved, memory=memory),
    ]


def in_windows(model: Model, max_error: int, share: float) -> list[Cost]:
    """Return the steps for samples in windows: inputs, network, interval, rANS."""
    entropy = model.entropy
    tables = Counter({entropy.levels[:1025].nbytes: 2, entropy.by_scale.nbytes: 1, entropy.rows.nbytes: 2})
    if max_error:
        tables[implant_bins(max_error)[0].size * SAMPLE_BITS // 8] += 1
    bits = (IMPLANT_MAGNITUDE_BITS, 24)
    interval = Cost("interval and rANS", products=Counter({bits: 2}), additions=6 + _RANS_BITS, look_ups=tables)
    steps = [inputs(), network(model), interval]
    for step in steps:
        step.share, step.name, step.of_windows = share, f"{step.name} (in windows)", True
    return steps


def per_window(model: Model, options: SpikeOptions, windows: float) -> list[Cost]:
    """Return what a window costs beside its samples: correction pulse, place, scale of the first sample."""
    frames, reach = sum(options.window_frames), len(filters.band_taps(options.sample_rate)) // 2
    bits = SAMPLE_BITS + 1, filters.TAP_BITS + 1
    correction = Cost("correction pulse (a window)", windows, Counter({bits: frames * (reach + 1)}))
    correction.additions = 2 * frames * reach
    place = Cost("place (a window)", windows, additions=CLASSES + _RANS_BITS)
    scale = Cost("scale of first samples (a window)", windows, additions=SCALES)
    scale.look_ups = Counter({model.entropy.rows.nbytes: 2 * SCALES})
    for step in (correction, place, scale):
        step.of_windows = True
    return [correction, place, scale]


def field_potential(sample_rate: float) -> list[Cost]:
    """Return the low-pass at the places where it is computed, and knots."""
    spacing, reach = lfp_fit.spacing_of(sample_rate), lfp_fit.reach_of(sample_rate)
    taps = Counter({(SAMPLE_BITS + 1, _LFP_TAP_BITS): reach + 1})
    knots = Counter({(IMPLANT_MAGNITUDE_BITS, KNOT_BITS + 1): 2, (IMPLANT_MAGNITUDE_BITS,) * 2: 4 * _PLACES})
    return [
        Cost("low-pass of the field potential", _PLACES / spacing, taps, 2 * reach),
        Cost("knots, curve, their error (a knot)", 1 / spacing, knots, 8 * _PLACES + _RANS_BITS),
    ]
