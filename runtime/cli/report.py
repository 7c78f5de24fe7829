"""The command `runtime report`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from ..core.errors import UsageError, as_error
from .outcomes import complain, say
from .progress import Progress
from .shared_options import add_command, given_model


def add(commands: Any, epilog: str) -> None:
    """Add the command to those of a parser."""
    summary = "a page on coded files: whether they are intact, sizes, channels, signals (needs matplotlib)"
    command = add_command(commands, "report", _run, summary, epilog)
    command.add_argument("files", nargs="+", metavar="FILE", help="coded files; all of them are decoded")
    command.add_argument("-o", "--output", required=True, metavar="PAGE.html", help="the page to write")
    command.add_argument("-f", "--force", action="store_true", help="overwrite an existing page")
    more = "compare with this recording (a folder where it is one file for each channel), for one FILE"
    command.add_argument("--original", metavar="X", help=more)
    given_model(command)
    command.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary; only errors")


def _run(options: argparse.Namespace) -> int:
    from ..batch.files import coded_samples
    from ..core.terms import STREAM
    from ..recording.outputs import paths

    try:
        from ..report.page import MOST_FILES, Page
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "matplotlib":
            raise
        raise UsageError("report needs matplotlib: pip install 'middleout[report]'") from None
    from ..report.findings import gather

    if STREAM in options.files:
        raise UsageError("report reads files more than once; standard input can't be")
    if options.original is not None and len(options.files) > 1:
        raise UsageError("--original is for one file")
    if options.original is not None and not os.path.exists(options.original):
        raise UsageError(f"{options.original}: No such file or directory")
    if len(options.files) > MOST_FILES:
        raise UsageError(f"{len(options.files)} files; a page takes {MOST_FILES}")
    inputs = options.files + ([] if options.original is None else [options.original])
    outputs = paths.Outputs(options.output, force=options.force)
    target = outputs.claim(STREAM, str, inputs)
    folder = None if target == STREAM else os.path.dirname(target) or os.curdir
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(f"there is no folder for {target}; make it")
    page, verdicts, worst = Page(len(options.files)), [], 0
    shown = not options.quiet and sys.stderr.isatty()
    with Progress("report", coded_samples(options.files), shown) as progress:
        for file in options.files:
            try:
                found = gather(file, options.original, options.model, folder, progress.advance)
                page.add(found)
                verdicts.append((file, found.verdict))
            except Exception as error:
                with progress.paused():
                    worst = max(worst, complain(as_error(error), file))
    if not verdicts:
        return worst
    outputs.open(target).complete(page.html().encode())
    if not options.quiet:
        for file, verdict in verdicts:
            say(f"{file}: {verdict.title}")
    return max([worst, *(verdict.exit_code for _, verdict in verdicts)])
