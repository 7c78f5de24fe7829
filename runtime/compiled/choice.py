"""Which engine does a job: compiled loops, or numpy and onnxruntime. Both give the same bytes."""

from __future__ import annotations

import math
import warnings
import weakref
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..core import compiled
from ..core.compiled import use
from ..core.threads import ForkSafeLock
from ..predictor.model import Model

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["engine_of", "explain", "line_loops", "spike_loops", "use"]

_FOLDER = Path(__file__).parent
_LOOPS = _FOLDER / "rans_kernels.py"
_BAND_LOOPS, _LINE_LOOPS = "spike_loops", "line_loops"
_FIRST_OF = {_BAND_LOOPS: "band", _LINE_LOOPS: "draw_lines"}
_LOADED: dict[str, ModuleType] = {}
_LOCK = ForkSafeLock()
_KEPT: weakref.WeakKeyDictionary[Model, Engine | None] = weakref.WeakKeyDictionary()


def engine_of(model: Model, seconds: float) -> Engine | None:
    """Return the compiled engine of a model, or None where numpy and onnxruntime are to do a job.

    Parameters
    ----------
    model : Model
    seconds : float
        What they would take.
    """
    if compiled.wanted() == compiled.NUMPY or model.layers is None:
        return None
    if model not in _KEPT and not compiled.worth(seconds, _LOOPS, "decode"):
        return None
    with _LOCK:
        if model not in _KEPT:
            _KEPT[model] = _made(model)
        return _KEPT[model]


def spike_loops(seconds: float, name: str = _BAND_LOOPS) -> ModuleType | None:
    """Return a module of spike mode's loops, or None where numpy, which would take so many seconds, is to do a job."""
    if compiled.wanted() == compiled.NUMPY:
        return None
    if name not in _LOADED and compiled.worth(seconds, _FOLDER / f"{name}.py", _FIRST_OF[name]) and compiled.loads():
        _LOADED[name] = import_module(f".{name}", __package__)
    return _LOADED.get(name)


def line_loops(seconds: float) -> ModuleType | None:
    """Return the loops that draw lines, as `spike_loops` does."""
    return spike_loops(seconds, _LINE_LOOPS)


def explain(model: Model) -> str:
    """Return which engine long jobs with a model get on this machine, and why."""
    if compiled.wanted() == compiled.NUMPY:
        return "numpy and onnxruntime, as chosen"
    if model.layers is None:
        return "numpy and onnxruntime: its network is none that can be compiled"
    if not compiled.available():
        return "numpy and onnxruntime: numba is not installed (middleout[fast])"
    if engine_of(model, math.inf) is None:
        return "numpy and onnxruntime: the compiled loops can't be used here"
    return "compiled loops: they agree with onnxruntime"


def _made(model: Model) -> Engine | None:
    if not compiled.loads():
        return None
    from .engine import Engine

    engine = Engine(model)
    if (wrong := engine.wrong_rows(model)) > 0:
        warnings.warn(
            f"compiled loops are not used: {wrong} results of model {model.name} differ from onnxruntime's on this "
            "machine; please report this",
            stacklevel=2,
        )
        return None
    return engine
