"""The command `runtime stream events`: spikes, or counts of them, straight from packets."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from . import memory
from .received import received, receiving_options, tell
from .shared_options import number_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..streaming.spike_events import SpikeBlock, SpikeCounter, SpikeCounts

_DESCRIPTION = (
    "Packets of a stream in spike mode on standard input; on standard output a line for every spike: its second, frame "
    "and channel. With --bins a line for every bin: its second, how many of its frames are missing, and the number of "
    "spikes of every channel. No waveform is decoded, and no model is needed. Exit codes are those of `stream decode`."
)


def add(commands: Any) -> None:
    """Add the command to those of `stream`."""
    events = commands.add_parser(
        "events", help="spikes, or their counts in bins, from packets", description=_DESCRIPTION
    )
    bins = "count spikes in bins of so many milliseconds, e.g. 20"
    events.add_argument("--bins", type=number_of("milliseconds above 0", 1e6), metavar="MS", help=bins)
    receiving_options(events)
    events.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ..streaming.spike_events import SpikeCounter, SpikeEventDecoder

    decoder = SpikeEventDecoder(join=options.join, reorder=options.reorder, stream=options.stream)
    counter: SpikeCounter | None = None
    spikes, bad = 0, False
    memory.keep()
    if options.bins is None:
        print("second,frame,channel")
    for blocks in received(decoder):
        for _, block in blocks:
            assert decoder.description is not None  # since a block has come
            rate, channels = decoder.description.sample_rate, decoder.description.channels
            spikes += len(block.channel)
            if options.bins is None:
                _write_spikes(block, rate)
                continue
            if counter is None:
                counter = SpikeCounter(channels, rate, options.bins / 1000, options.join)
                print("second,missing," + ",".join(map(str, range(channels))))
            _write_counts(counter.add(block), rate)
        bad |= tell(decoder.events, blocks)
        sys.stdout.flush()
    bad |= tell(decoder.events)
    if counter is not None:
        _write_counts(counter.finish(), rate)
        sys.stdout.flush()
    if not options.quiet:
        lost = f", {decoder.missing} frames missing" if decoder.missing else ""
        print(f"{spikes} spikes{lost}", file=sys.stderr)
    return int(bad)


def _write_spikes(block: SpikeBlock, rate: float) -> None:
    lines = zip(block.frame.tolist(), block.channel.tolist(), strict=True)
    sys.stdout.write("".join(f"{frame / rate:.6f},{frame},{channel}\n" for frame, channel in lines))


def _write_counts(bins: Iterable[SpikeCounts], rate: float) -> None:
    for made in bins:
        print(f"{made.first / rate:.6f},{made.missing}," + ",".join(map(str, made.counts.tolist())))
