"""Names that are imported when they are first used, and settings that numpy reads when it is imported."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any


def getter(namespace: dict[str, object], homes: dict[str, str]) -> Callable[[str], Any]:
    """Return a package's `__getattr__`, so that importing the package alone is quick.

    Parameters
    ----------
    namespace : the package's `globals()`; what is found is kept there
    homes : the module of each name, and behind a colon its name there if that is another one
    """
    package = str(namespace["__name__"])

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = homes[name].partition(":")
        value = getattr(importlib.import_module(f".{module}", package), there or name)
        namespace[name] = value
        return value

    return find


def one_thread() -> None:
    """Keep numpy's linear algebra to one thread; call it before numpy is imported.

    The products of this package are small: threads that wait for each other cost more than they bring.
    """
    for library in ("OPENBLAS", "MKL", "VECLIB"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
