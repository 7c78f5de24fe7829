"""Whether the fit's loops are compiled ones. Their results are the same."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..core import compiled

_FIRST = Path(__file__).parent / "compiled" / "sums.py"
_LOADED: dict[str, ModuleType] = {}


def prepare(seconds: float) -> None:
    """Load the compiled loops, where they are worth it for a fit that takes so many seconds without them."""
    if not _LOADED and compiled.worth(seconds, _FIRST, "weighted_sums") and compiled.loads():
        _LOADED.update({name: import_module(f".compiled.{name}", __package__) for name in ("sums", "solve", "order")})


def loops(name: str) -> ModuleType | None:
    """Return a module of compiled loops, None if they are not loaded or not wanted."""
    return None if compiled.wanted() == compiled.NUMPY else _LOADED.get(name)
