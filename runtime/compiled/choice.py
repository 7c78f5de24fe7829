"""Which engine does a job: compiled loops, or numpy and onnxruntime. Both give the same bytes."""

from __future__ import annotations

import math
import warnings
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import compiled
from ..core.errors import UsageError
from ..core.threads import ForkSafeLock
from ..predictor.model import Model

if TYPE_CHECKING:
    from .engine import Engine

AUTO, COMPILED, NUMPY = "auto", "compiled", "numpy"

_LOADING, _COMPILING = 0.2, 10.0
"""Seconds for the import of numba and of loops that were compiled before, and for compiling them; of the machine on
which numpy and onnxruntime take the seconds that callers of `engine_of` estimate."""

_LOCK = ForkSafeLock()
_KEPT: weakref.WeakKeyDictionary[Model, Engine | None] = weakref.WeakKeyDictionary()
_wanted = AUTO


def use(engine: str) -> None:
    """Choose the engine for all that follows in this process.

    Parameters
    ----------
    engine : {"auto", "compiled", "numpy"}
        With "auto", compiled loops where they are installed and the work is worth loading them.

    Raises
    ------
    UsageError
        For another name, or for "compiled" without numba.
    """
    global _wanted
    if engine not in (AUTO, COMPILED, NUMPY):
        raise UsageError(f"engine {engine!r}; there are {AUTO}, {COMPILED} and {NUMPY}")
    if engine == COMPILED and not compiled.loads():
        raise UsageError("no compiled loops without numba; install middleout[fast]")
    _wanted = engine


def engine_of(model: Model, seconds: float) -> Engine | None:
    """Return the compiled engine of a model, or None where numpy and onnxruntime are to do a job.

    Parameters
    ----------
    model : Model
    seconds : float
        What they would take.
    """
    if _wanted == NUMPY or model.layers is None:
        return None
    if _wanted == AUTO and model not in _KEPT and seconds < (_LOADING if _compiled_before() else _COMPILING):
        return None
    with _LOCK:
        if model not in _KEPT:
            _KEPT[model] = _made(model)
        return _KEPT[model]


def explain(model: Model) -> str:
    """Return which engine long jobs with a model get on this machine, and why."""
    if _wanted == NUMPY:
        return "numpy and onnxruntime, as chosen"
    if model.layers is None:
        return "numpy and onnxruntime: its network is none that can be compiled"
    if not compiled.available():
        return "numpy and onnxruntime: numba is not installed (middleout[fast])"
    if engine_of(model, math.inf) is None:
        return "numpy and onnxruntime: the compiled loops can't be used here"
    return "compiled loops: they agree with onnxruntime"


def _compiled_before() -> bool:
    """Return whether numba has kept the loops of this version beside this module."""
    folder = Path(__file__).parent
    newest = max((folder / name).stat().st_mtime for name in ("kernels.py", "rans_kernels.py", "vectors.py"))
    kept = (folder / "__pycache__").glob("rans_kernels.decode-*.nbi")
    return any(path.stat().st_mtime > newest for path in kept)


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
