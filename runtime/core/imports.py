"""Names that are imported when they are first used, and packages that need settings before they are imported."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable
from functools import cache
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


@cache
def onnxruntime() -> Any:
    """Import onnxruntime with its telemetry off. Nothing else of this project may import it.

    From version 1.29 on, it records events in the user's cache folder and sends them where it can, and its thread keeps
    forked children from ending. The variable is read when it is imported; where another package has imported it before,
    its own switch is all that is left, and this is logged.
    """
    late = "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY") != "1"
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime as module

    if hasattr(module, "disable_telemetry_events"):
        module.disable_telemetry_events()
    if late:
        text = "onnxruntime was imported before: it may have recorded telemetry, which is switched off from here on"
        logging.getLogger("runtime").warning(text)
    return module
