"""Whether the fit's loops are compiled ones."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from ..core import compiled

_SAVES = 5e-8
"""Seconds that compiled loops save of a pass over one sample."""


def loops(name: str, samples: int = 0) -> ModuleType | None:
    """Return a module of compiled loops if numba is loaded or worth it for a pass over so many samples, else None."""
    return import_module(f".compiled.{name}", __package__) if compiled.worth(samples * _SAVES) else None
