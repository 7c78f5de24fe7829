"""What a folder of recordings is like, channel by channel, before anybody trains on it."""

from dataclasses import dataclass

import numpy as np
from rich.table import Table

from runtime.core import implant_table

from . import data

FLAT_RUN = 1000  # equal samples in a row that make a channel partly flat
CLIPPED = 0.001  # share of samples at a rail, in runs, from which a channel counts as clipped


@dataclass
class Channel:
    """One channel: `problems` are short texts, empty where all is well; `used` says whether training takes it."""

    name: str
    rate: int
    samples: int
    low: int
    high: int
    deviation: float
    values: int
    on_implant: float
    problems: list
    used: bool


def longest_run(samples):
    """Length of the longest run of equal samples."""
    edges = np.flatnonzero(np.diff(samples, prepend=samples[:1] - 1, append=samples[-1:] + 1))
    return int(np.diff(edges).max(initial=0))


def clipped(samples):
    """Share of samples that are at the channel's smallest or largest value together with a neighbour."""
    at_rail = (samples == samples.min()) | (samples == samples.max())
    return float((at_rail[1:] & at_rail[:-1] & (samples[1:] == samples[:-1])).mean()) if len(samples) > 1 else 0.0


def check_channel(name, samples, rate):
    """A `Channel` from samples int16 [time]."""
    problems = []
    if len(samples) == 0:
        return Channel(name, rate, 0, 0, 0, 0.0, 0, 0.0, ["empty"], False)
    on_implant = float((implant_table.codes_of(samples) >= 0).mean())
    if len(samples) < data.SHORTEST:
        problems.append("short")
    if samples.min() == samples.max():
        problems.append("flat")
    elif longest_run(samples) >= FLAT_RUN:
        problems.append("flat in part")
    elif clipped(samples) > CLIPPED:
        problems.append("clipped")
    if 0.5 < on_implant < 1:
        problems.append("partly off the implant's table")
    low, high, values = int(samples.min()), int(samples.max()), len(np.unique(samples))
    deviation = float(samples.std(dtype=np.float64))
    used = data.usable(samples)
    return Channel(name, rate, len(samples), low, high, deviation, values, on_implant, problems, used)


def check(source, given=data.NOTHING):
    """A `Channel` for every channel of the recordings in a file or folder."""
    return [check_channel(*entry) for entry in data.each_channel(source, given)]


def report(found, console, everything=False):
    """Print totals, and a line for each channel with problems (or for all)."""
    rates = sorted({channel.rate for channel in found})
    samples = sum(channel.samples for channel in found)
    lattices = sum(channel.on_implant == 1 for channel in found)
    lengths = [channel.samples for channel in found]
    console.print(f"{len(found)} channels, {samples:,} samples, {min(lengths):,} to {max(lengths):,} each")
    console.print("rates: " + ", ".join(f"{rate} Hz" if rate else "unknown" for rate in rates))
    console.print(f"on the implant's 10-bit lattice: {lattices}; others are used without their low bits")
    console.print(f"median deviation {np.median([channel.deviation for channel in found]):.0f} in units of the samples")
    console.print(f"fit for training: {sum(channel.used for channel in found)}")
    table = Table("channel", "Hz", "samples", "range", "deviation", "values", "on lattice", "problems")
    for channel in found:
        if channel.problems or everything:
            cells = (
                channel.rate,
                channel.samples,
                f"{channel.low}..{channel.high}",
                f"{channel.deviation:.1f}",
                channel.values,
            )
            table.add_row(channel.name, *map(str, cells), f"{channel.on_lattice:.1%}", ", ".join(channel.problems))
    if table.row_count:
        console.print(table)
    else:
        console.print("no channel is short, flat or clipped")
    if len(rates) > 1:
        console.print("The recordings have different rates: one model for all of them will be a compromise.")
