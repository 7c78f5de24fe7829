"""A report on a folder of recordings, channel by channel."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from runtime.core import implant_table

from .recordings import NOTHING, SHORTEST, Given, each_channel, paths_of, usable

FLAT_RUN = 1000  # equal samples in a row that make a channel partly flat
CLIPPED = 0.001  # share of samples at a rail, in runs, from which a channel counts as clipped


@dataclass
class Channel:
    """Describe one channel: `problems` are short texts; `used` tells whether training takes it."""

    name: str
    sample_rate: float
    samples: int
    low: int
    high: int
    deviation: float
    values: int
    on_implant: float
    problems: list[str]
    used: bool


def longest_run(samples: np.ndarray) -> int:
    """Return the length of the longest run of equal samples."""
    edges = np.flatnonzero(np.diff(samples, prepend=samples[:1] - 1, append=samples[-1:] + 1))
    return int(np.diff(edges).max(initial=0))


def clipped(samples: np.ndarray) -> float:
    """Return the share of samples that are at the channel's smallest or largest value together with a neighbour."""
    at_rail = (samples == samples.min()) | (samples == samples.max())
    return float((at_rail[1:] & at_rail[:-1] & (samples[1:] == samples[:-1])).mean()) if len(samples) > 1 else 0.0


def check_channel(name: str, samples: np.ndarray, sample_rate: float) -> Channel:
    """Return a `Channel` from samples int16 [time]."""
    problems = []
    if len(samples) == 0:
        return Channel(name, sample_rate, 0, 0, 0, 0.0, 0, 0.0, ["empty"], False)
    on_implant = float((implant_table.codes_of(samples) >= 0).mean())
    if len(samples) < SHORTEST:
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
    used = usable(samples)
    return Channel(name, sample_rate, len(samples), low, high, deviation, values, on_implant, problems, used)


def check(source: str | Path, given: Given = NOTHING) -> tuple[list[Channel], list[str]]:
    """Return a `Channel` for every channel in a file or folder, and a message for every file that can't be read."""
    found, unreadable = [], []
    for path in paths_of(source):
        try:
            found += [check_channel(*channel) for channel in each_channel(path, given)]
        except (OSError, ValueError) as error:
            unreadable.append(str(error))
    return found, unreadable


def report(found: list[Channel], console: Console, everything: bool = False) -> None:
    """Print totals, and a line for each channel with problems (or for all)."""
    rates = Counter(channel.sample_rate for channel in found)
    lengths = [channel.samples for channel in found]
    on_table = sum(channel.on_implant == 1 for channel in found)
    console.print(f"{len(found)} channels, {sum(lengths):,} samples, {min(lengths):,} to {max(lengths):,} each")
    console.print("sample rates: " + ", ".join(f"{rate} Hz" if rate else "unknown" for rate in sorted(rates)))
    console.print(f"on the implant's table: {on_table}; others are used without their low bits")
    console.print(f"median deviation {np.median([channel.deviation for channel in found]):.0f} in units of the samples")
    console.print(f"fit for training: {sum(channel.used for channel in found)}")
    table = Table("channel", "Hz", "samples", "range", "deviation", "values", "on table", "problems")
    for c in found:
        if c.problems or everything:
            cells = (c.sample_rate, c.samples, f"{c.low}..{c.high}", f"{c.deviation:.1f}", c.values)
            table.add_row(c.name, *map(str, cells), f"{c.on_implant:.1%}", ", ".join(c.problems))
    console.print(table if table.row_count else "no channel is short, flat or clipped")
    if len(rates) > 1:
        console.print("The recordings have different sample rates: one model for all of them will be a compromise.")
