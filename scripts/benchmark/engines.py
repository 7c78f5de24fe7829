"""Which engine of `runtime` computes: the only place that knows how one is chosen."""

from __future__ import annotations

import sys

from roundtrip import Command, runtime_command

from runtime.compiled import choice
from runtime.core import compiled

AUTOMATIC = "auto"
"""The engine that a command takes by itself."""


def installed() -> list[str]:
    """Return the names of the engines that work here, the fastest first."""
    return ["compiled", "numpy"] if compiled.loads() else ["numpy"]


def use(engine: str) -> None:
    """Let this process use an engine from now on."""
    choice.use(engine)


def command(engine: str) -> Command:
    """Return the command line of `runtime` with an engine, and its environment."""
    words, environment = runtime_command()
    if engine == AUTOMATIC:
        return words, environment
    program = (
        f"import sys; from runtime.compiled import choice; choice.use({engine!r}); "
        "from runtime.cli.main import main; sys.exit(main())"
    )
    return [sys.executable, "-c", program], environment
