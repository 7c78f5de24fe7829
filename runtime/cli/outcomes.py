"""What a command says of its files: progress, errors, a summary."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..container.blocks import MAGIC
from ..core.errors import UsageError
from ..core.file_io import file_digest
from ..core.names import printable
from ..core.terms import RAW_SUFFIXES
from .progress import Progress

if TYPE_CHECKING:
    from ..batch.outcome import Outcome


def complain(error: Exception, file: str | None = None) -> int:
    """Print what went wrong. Returns the exit code."""
    place = "" if file is None or str(error).startswith(f"{file}: ") else f"{file}: "
    say(f"runtime: {place}{error}")
    return getattr(error, "exit_code", 1)


def say(text: str) -> None:
    """Print a line on standard error."""
    print(printable(text), file=sys.stderr)


def run(verb: str, call: Callable, options: argparse.Namespace, total: int | None) -> int:
    """Call it for all files, with a progress bar on a terminal, and summarise."""
    start = time.perf_counter()
    if options.log is not None and os.path.exists(options.log):
        _check_log(options.log, options.files)
    with contextlib.ExitStack() as stack:
        log = None if options.log is None else stack.enter_context(open(options.log, "a", encoding="utf-8"))
        progress = stack.enter_context(Progress(verb, total, shown=not options.quiet and sys.stderr.isatty()))

        def done(outcome: Outcome) -> None:
            if log is not None:
                print(json.dumps(_facts(outcome)), file=log, flush=True)
            if outcome.error is not None:
                with progress.paused():
                    complain(outcome.error, outcome.path)
            elif not options.quiet:
                with progress.paused():
                    _tell(outcome)

        outcomes = call(options.files, jobs=options.jobs, done=done, advance=progress.advance)
    seconds, skipped = time.perf_counter() - start, sum(outcome.skipped for outcome in outcomes)
    good = [outcome for outcome in outcomes if outcome.error is None and not outcome.skipped]
    if options.json:
        print(json.dumps(_totals(verb, outcomes, seconds), indent=2))
    if skipped and not options.quiet:
        say(f"{skipped} files were done before{', and stay' if getattr(options, 'rm', False) else ''}")
    kept = [outcome.path for outcome in good if outcome.kept]
    if not options.quiet and (len(kept) > 1 or any(outcome.kept and not outcome.notes for outcome in good)):
        _tell_kept(kept)
    if verb == "encode" and options.rm and not options.quiet and (left := sum(map(os.path.exists, kept))):
        say(f"{left} files that are no recordings were not removed: they may describe recordings that are left")
    if good and not options.quiet:
        say(_summary(verb, good, seconds))
    return max((getattr(outcome.error, "exit_code", 1) for outcome in outcomes if outcome.error), default=0)


def _tell_kept(kept: list[str]) -> None:
    """Print how many files were kept as they are, and which may be raw samples."""
    what = "file is no recording" if len(kept) == 1 else "files are no recordings"
    say(f"{len(kept)} {what} of a known format: kept unchanged, compressed by zstd")
    if raw := [path for path in kept if os.path.splitext(path)[1].lower() in RAW_SUFFIXES]:
        some = raw[0] if len(kept) == 1 else f"{len(raw)} of them, {raw[0]} for one,"
        say(f"{some} may be raw samples: --channels N codes such files")


def _check_log(log: str, files: list[str]) -> None:
    """Raise `UsageError` where a log would be written into a recording."""
    with open(log, "rb") as file:
        coded = file.read(len(MAGIC)) == MAGIC
    if coded or any(os.path.exists(file) and os.path.samefile(file, log) for file in files):
        raise UsageError(f"{log} is a recording: name another file for the log")


def _facts(outcome: Outcome) -> dict[str, Any]:
    """Return what a log tells of a file; the SHA-256 is that of the file that was written."""
    facts: dict[str, Any] = {"path": outcome.path, "output": outcome.output, "seconds": round(outcome.seconds, 3)}
    if outcome.error is not None:
        return facts | {"error": str(outcome.error)}
    facts |= {"original_bytes": outcome.original_bytes, "coded_bytes": outcome.coded_bytes, "samples": outcome.samples}
    if outcome.skipped:
        return facts | {"skipped": True}
    if outcome.output is not None and os.path.isfile(outcome.output):
        facts["sha256"] = file_digest(outcome.output).hex()
    return facts


def _totals(verb: str, outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    """Return the summary of a command."""
    good = [outcome for outcome in outcomes if outcome.error is None]
    failed = {outcome.path: str(outcome.error) for outcome in outcomes if outcome.error is not None}
    skipped = sum(outcome.skipped for outcome in good)
    counts = {"command": verb, "files": len(outcomes), "skipped": skipped, "failed": failed}
    return counts | _sums(good) | {"seconds": round(seconds, 3)}


def _sums(outcomes: list[Outcome]) -> dict[str, int]:
    """Return the bytes of originals and of coded files, and the samples."""
    return {name: sum(getattr(o, name) for o in outcomes) for name in ("original_bytes", "coded_bytes", "samples")}


def _summary(verb: str, outcomes: list[Outcome], seconds: float) -> str:
    original, coded, samples = _sums(outcomes).values()
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
    if outcome.likely_channels is not None:
        likely = "1 channel" if outcome.likely_channels == 1 else f"{outcome.likely_channels} channels"
        say(f"{outcome.path}: warning: the samples look like {likely}; check --channels")
    for note in outcome.notes:
        say(f"{outcome.path}: note: {note}")
    if outcome.stored:
        text = "channels hold floats that are no whole numbers times a step: stored, compressed by zstd"
        say(f"{outcome.path}: note: {outcome.stored} {text}")


def _rate(outcome: Outcome) -> str:
    """Describe what a target rate made of a file."""
    errors = outcome.max_errors or [0]
    used = f"largest error {min(errors)} to {max(errors)}, {sum(errors) / len(errors):.2f} in the mean of the chunks"
    return f"{outcome.path}: {outcome.bit_rate:.0f} bit/s; {used}"
