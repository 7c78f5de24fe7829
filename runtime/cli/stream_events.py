"""The command `runtime stream events`: spikes, or counts of them, straight from packets."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError
from .shared_options import verbose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..streaming.packets import Description
    from ..streaming.spike_events import SpikeBlock, SpikeCounter, SpikeCounts

_READ = 1 << 16
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
    events.add_argument("--bins", type=_milliseconds, metavar="MS", help=bins)
    events.add_argument("--join", action="store_true", help="begin with the first packet that can be decoded")
    reorder = "packets that may come before one that was sent earlier, for which the decoder waits (default: 0)"
    events.add_argument("--reorder", type=int, default=0, metavar="N", help=reorder)
    events.add_argument("-q", "--quiet", action="store_true", help="no summary")
    verbose(events)
    events.set_defaults(run=_run)


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds above 0")
    return value


def _run(options: argparse.Namespace) -> int:
    from ..streaming.spike_events import SpikeCounter, SpikeEventDecoder

    decoder = SpikeEventDecoder(join=options.join, reorder=options.reorder)
    counter: SpikeCounter | None = None
    spikes, bad = 0, False
    gc.freeze()

    def deliver(blocks: list) -> None:
        nonlocal counter, spikes, bad
        for _, block in blocks:
            spikes += len(block.channel)
            if decoder.description is not None and options.bins and counter is None:
                counter = SpikeCounter(
                    decoder.description.channels, decoder.description.sample_rate, options.bins / 1000
                )
            _write(decoder.description, block, counter)
        for event in decoder.events:
            bad = bad or event.kind != "restored"
            print(f"runtime: {event.text}", file=sys.stderr)
        decoder.events.clear()

    if options.bins is None:
        print("second,frame,channel")
    while data := os.read(sys.stdin.fileno(), _READ):
        deliver(decoder.push(data))
    deliver(decoder.finish())
    if counter is not None and decoder.description is not None:
        _write_counts(counter.finish(), decoder.description)
    sys.stdout.flush()
    if not options.quiet:
        lost = f", {decoder.missing} frames missing" if decoder.missing else ""
        print(f"{spikes} spikes{lost}", file=sys.stderr)
    return int(bad)


def _write(description: Description | None, block: SpikeBlock, counter: SpikeCounter | None) -> None:
    """Write the spikes of a block, or the bins that it completes."""
    if description is None:
        raise UsageError("the stream has no description")
    if counter is not None:
        _write_counts(counter.add(block), description)
        return
    rate = description.sample_rate
    lines = zip(block.frame.tolist(), block.channel.tolist(), strict=True)
    sys.stdout.write("".join(f"{frame / rate:.6f},{frame},{channel}\n" for frame, channel in lines))
    sys.stdout.flush()


def _write_counts(bins: Iterable[SpikeCounts], description: Description) -> None:
    """Write a line for every bin, and before the first one the names of the columns."""
    for made in bins:
        if made.first == 0:
            print("second,missing," + ",".join(map(str, range(description.channels))))
        print(f"{made.first / description.sample_rate:.6f},{made.missing}," + ",".join(map(str, made.counts.tolist())))
    sys.stdout.flush()
