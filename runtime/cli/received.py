"""What the commands that read packets have in common: options, standard input, and what went wrong."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .shared_options import verbose

if TYPE_CHECKING:
    from ..streaming.decoder import Event, StreamDecoder

READ = 1 << 16
"""Bytes that are read from a pipe at once."""


def receiving_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a decoder, and how much is told."""
    command.add_argument("--join", action="store_true", help="begin with the first frames that can be decoded")
    reorder = "packets that may come before one that was sent earlier, for which the decoder waits (default: 0)"
    command.add_argument("--reorder", type=int, default=0, metavar="N", help=reorder)
    number = "number of the stream, where others may be on the link too (default: that of the first packet)"
    command.add_argument("--stream", type=int, metavar="NUMBER", help=number)
    command.add_argument("-q", "--quiet", action="store_true", help="no summary")
    verbose(command)


def received(decoder: StreamDecoder) -> Iterator[list[tuple[int, Any]]]:
    """Yield the blocks of packets on standard input, as they come."""
    while data := os.read(sys.stdin.fileno(), READ):
        yield decoder.push(data)
    yield decoder.finish()


def tell(events: list[Event], blocks: list[tuple[int, Any]] | None = None) -> bool:
    """Tell on standard error what went wrong, and forget it; return whether frames are lost by it.

    What is missing or damaged is told when one of the `blocks` has come behind it, or if there are None any more: until
    then the decoder adds to it.
    """
    told = list(events)
    if told and blocks is not None and _may_grow(told[-1], blocks):
        told.pop()
    for text, same in itertools.groupby(told, lambda event: event.text):
        count = len(list(same))
        print(f"runtime: {text}{f', {count} times' if count > 1 else ''}", file=sys.stderr)
    del events[: len(told)]
    return any(event.kind != "restored" for event in told)


def _may_grow(event: Event, blocks: list[tuple[int, Any]]) -> bool:
    """Return whether the decoder may add to the last event: no block has come behind what is missing or damaged."""
    return event.kind in ("missing", "damaged") and all(first < event.first + event.frames for first, _ in blocks)
