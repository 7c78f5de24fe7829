"""A parser of arguments that suggests the option that was meant."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import NoReturn

_OTHERS_SAY = {
    "--leads": "--channels",
    "--num-channels": "--channels",
    "--fs": "--sample-rate",
    "--rate": "--sample-rate",
    "--threads": "--jobs",
    "--n-jobs": "--jobs",
    "--skip-existing": "--skip-done",
    "--overwrite": "--force",
    "--output-dir": "--directory",
}


class Parser(argparse.ArgumentParser):
    """Like its base, but for the message about an unknown option."""

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse arguments; an unknown one ends the program with exit code 2."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            _refuse(unknown[0], self._command(sys.argv[1:] if args is None else args))
        return found

    def _command(self, arguments: list[str]) -> argparse.ArgumentParser:
        """Return the parser of the command that was given."""
        parser: argparse.ArgumentParser = self
        for argument in map(str, arguments):
            for action in parser._actions:
                if isinstance(action, argparse._SubParsersAction) and argument in action.choices:
                    parser = action.choices[argument]
        return parser


def _refuse(unknown: str, parser: argparse.ArgumentParser) -> NoReturn:
    """End the program, with the option that was meant."""
    name, options = unknown.partition("=")[0], list(parser._option_string_actions)
    meant = [_OTHERS_SAY[name]] if _OTHERS_SAY.get(name) in options else difflib.get_close_matches(name, options, 1)
    more = f"; did you mean {meant[0]}?" if meant else ""
    parser.error(f"there is no option {name}{more}")
