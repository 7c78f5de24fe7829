"""Names of a package that are imported when they are first used, so that importing the package alone is quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable


def getter(namespace: dict[str, object], homes: dict[str, str]) -> Callable[[str], object]:
    """A package's `__getattr__`.

    Parameters
    ----------
    namespace : the package's `globals()`; what is found is kept there
    homes : the module of each name, and behind a colon its name there if that is another one
    """
    package = str(namespace["__name__"])

    def find(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = homes[name].partition(":")
        value = getattr(importlib.import_module(f".{module}", package), there or name)
        namespace[name] = value
        return value

    return find
