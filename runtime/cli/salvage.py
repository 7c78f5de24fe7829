"""`runtime salvage`: what is left of a damaged file, and what is not."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..core.errors import MiddleoutError, UsageError
from ..core.terms import FILLS, STREAM, ZEROS
from .outcomes import complain, say
from .shared_options import add_command, model_options, positive

if TYPE_CHECKING:
    from ..archive.restored import Hole
    from ..archive.salvage import Salvaged

_SUMMARY = "save what is left of a damaged, cut or incomplete file"
_EPILOG = "Exit codes: 0 the file is intact, 1 it is damaged (what is lost is printed), 2 usage, 3 model."


def add(commands: Any) -> None:
    """Add the command."""
    command = add_command(commands, "salvage", _run, _SUMMARY, _EPILOG)
    command.add_argument("file", metavar="FILE", help="a coded file, or what a killed process left of one")
    output = "a new coded file if it ends in .mdo; else the original, or the folder of its files"
    command.add_argument("-o", "--output", required=True, metavar="OUT", help=output)
    fill = "what takes the place of lost frames: zeros, or the last frame in front (default: zeros)"
    command.add_argument("--fill", choices=FILLS, default=ZEROS, help=fill)
    command.add_argument("-f", "--force", action="store_true", help="overwrite an existing file")
    model_options(command)
    command.add_argument("--jobs", type=positive, metavar="N", help="threads (default: one per core)")


def _run(options: argparse.Namespace) -> int:
    from ..archive.salvage import salvage_file

    if options.output == STREAM and sys.stdout.isatty():
        raise UsageError("samples are not written to a terminal; use -o")
    try:
        found = salvage_file(
            options.file,
            options.output,
            fill=options.fill,
            force=options.force,
            model=options.model,
            embedded_model=options.embedded_model,
            jobs=options.jobs,
        )
    except MiddleoutError as error:
        return complain(error, options.file)
    for line in describe(found):
        say(f"{found.path}: {line}")
    return 0 if found.intact else 1


def describe(found: Salvaged) -> list[str]:
    """Say what was lost, and what there is."""
    from ..archive.inventory import OPEN_END

    lines = [_hole(hole, found) for hole in found.holes] + list(found.damage)
    lost = sum(hole.stop - hole.start for hole in found.holes)
    if found.intact:
        return [f"intact: {found.frames} frames"]
    if not lost:
        there = " that are there" if OPEN_END in found.damage else ""
        return [*lines, f"all {found.frames} frames{there} were saved"]
    return [*lines, f"{found.frames - lost} of {found.frames} frames were saved"]


def _hole(hole: Hole, found: Salvaged) -> str:
    channels = "the only channel" if found.channels == 1 else f"all {found.channels} channels"
    text = f"lost: frames {hole.start} to {hole.stop - 1} of {channels}"
    if found.sample_rate:
        text += f", {hole.start / found.sample_rate:.6f} s to {hole.stop / found.sample_rate:.6f} s"
    return text + (" (how many frames are missing is assumed)" if hole.assumed else "")
