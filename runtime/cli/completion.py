"""The command `runtime completion`: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from ..core.errors import UsageError

SHELLS = ("bash", "zsh", "fish")
_FOLDERS = ("DIR",)
_FILES = ("FILE", "FILE.json", "LIST", "NAME|PATH", "OLD", "ORIGINAL", "OUT", "PAGE.html", "PATH", "RECORDING", "X")
"""Metavariables that stand for paths."""


def add(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command to those of a parser."""
    summary = "print a script that lets a shell complete commands and options (needs shtab)"
    command = commands.add_parser("completion", help=summary, description=summary)
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=partial(_run, parser), verbose=False)


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    try:
        import shtab
    except ImportError:
        raise UsageError("completion needs shtab: pip install 'middleout[completion]'") from None
    for action in _actions(parser):
        if action.metavar in _FILES or action.metavar in _FOLDERS:
            action.complete = shtab.DIR if action.metavar in _FOLDERS else shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the actions of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
