"""What a command says of its files: progress, errors, a summary."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..core.names import printable
from .progress import Progress

if TYPE_CHECKING:
    from ..batch.jobs import Outcome


def complain(error: Exception, file: str | None = None) -> int:
    """Print what went wrong. Returns the exit code."""
    place = "" if file is None else f"{file}: "
    say(f"runtime: {place}{error}")
    return getattr(error, "exit_code", 1)


def say(text: str) -> None:
    """Print a line on standard error."""
    print(printable(text), file=sys.stderr)


def run(verb: str, call: Callable, options: argparse.Namespace, total: int | None) -> int:
    """Call it for all files, with a progress bar on a terminal, and summarise."""
    start = time.perf_counter()
    with Progress(verb, total, shown=not options.quiet and sys.stderr.isatty()) as progress:

        def done(outcome: Outcome) -> None:
            if outcome.error is not None:
                with progress.paused():
                    complain(outcome.error, outcome.path)
            elif not options.quiet:
                with progress.paused():
                    _tell(outcome)

        outcomes = call(options.files, jobs=options.jobs, done=done, advance=progress.advance)
    good = [outcome for outcome in outcomes if outcome.error is None]
    if good and not options.quiet:
        say(_summary(verb, good, time.perf_counter() - start))
    return max((getattr(outcome.error, "exit_code", 1) for outcome in outcomes if outcome.error), default=0)


def _summary(verb: str, outcomes: list[Outcome], seconds: float) -> str:
    original = sum(outcome.original_bytes for outcome in outcomes)
    coded = sum(outcome.coded_bytes for outcome in outcomes)
    samples = sum(outcome.samples for outcome in outcomes)
    what = outcomes[0].path if len(outcomes) == 1 else f"{len(outcomes)} files"
    sizes = f"{coded} -> {original}" if verb == "decode" else f"{original} -> {coded}"
    if verb == "test":
        what, sizes = f"{what}: good", f"{coded} bytes for {original}"
    else:
        sizes += " bytes"
    bits = f", {8 * coded / samples:.3f} bits/sample" if samples else ""
    speed = f", {samples / seconds / 1e6:.2f} Msamples/s"
    return f"{what}: {sizes}, ratio {original / coded:.3f}{bits}{speed}"


def _tell(outcome: Outcome) -> None:
    """Print what is to be known of a file besides its sizes."""
    if outcome.bit_rate is not None:
        say(_rate(outcome))
    if outcome.stored:
        text = "channels hold floats that are no whole numbers times a step: stored, compressed by zstd"
        say(f"{outcome.path}: note: {outcome.stored} {text}")


def _rate(outcome: Outcome) -> str:
    """Describe what a target rate made of a file."""
    errors = outcome.max_errors or [0]
    used = f"largest error {min(errors)} to {max(errors)}, {sum(errors) / len(errors):.2f} in the mean of the chunks"
    return f"{outcome.path}: {outcome.bit_rate:.0f} bit/s; {used}"
