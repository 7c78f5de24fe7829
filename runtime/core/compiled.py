"""Numba, an extra: whether it is there, and the one way in which this package's loops are compiled.

A module of compiled loops decorates them with `njit` and is imported inside of the function that needs it, behind
`loads()`, where the work is worth the import of numba (0.5 s) and, once on a machine, some seconds of compilation.
Numba keeps machine code by the file of the function that was called and does not notice changes of other modules in
its folder that it calls. What was kept before one of them changed is removed here.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any

from .errors import UsageError

AUTO, COMPILED, NUMPY = "auto", "compiled", "numpy"

_LOADING, _LOADING_MORE, _COMPILING = 0.45, 0.1, 10.0
"""Seconds for the import of numba and of loops that were compiled before, for more loops once numba is there, and for
compiling them; of the machine on which numpy and onnxruntime take the seconds that callers of `worth` estimate."""

_wanted = AUTO
_compiled: dict[Callable[..., Any], Any] = {}
"""What `compiled_or_plain` has compiled."""
_spent: dict[Path, float] = {}
"""Seconds of the jobs of this process so far, by the module that would have done them."""


@cache
def available() -> bool:
    """Return whether numba is installed, without importing it."""
    return find_spec("numba") is not None


@cache
def loads() -> bool:
    """Import numba and return whether that works: an installed one may refuse the numpy or the machine it finds."""
    if not available():
        return False
    try:
        import numba  # noqa: F401
    except Exception as error:
        warnings.warn(f"numba is installed but does not load ({error}); going on without it", stacklevel=2)
        return False
    return True


def use(engine: str) -> None:
    """Choose what does all work that follows in this process.

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
    if engine == COMPILED and not loads():
        raise UsageError("no compiled loops without numba; install middleout[fast]")
    _wanted = engine


def wanted() -> str:
    """Return what `use` has chosen."""
    return _wanted


def worth(seconds: float, module: Path, function: str) -> bool:
    """Return whether work that takes so many seconds without compiled loops is worth loading a module of these.

    Work that was not worth it before counts, so that many short jobs get them too: that of all modules, since what
    takes long is numba's own start, but where numba has not kept a function of the module beside it, of the version of
    all modules there, and compiles them all.
    """
    if _wanted != AUTO:
        return _wanted == COMPILED
    _spent[module] = _spent.get(module, 0) + seconds
    if sum(_spent.values()) < (_LOADING_MORE if "numba" in sys.modules else _LOADING):
        return False
    newest, before = _last_change(module.parent), False
    with contextlib.suppress(OSError):  # another process tidies up
        kept = (module.parent / "__pycache__").glob(f"{module.stem}.{function}-*.nbi")
        before = any(path.stat().st_mtime > newest for path in kept)
    return available() and (before or _spent[module] >= _COMPILING)


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call, without the GIL, kept on disk where numba finds a folder that it may write.

    Division by zero gives inf and nan as in numpy. Sums keep their order: nothing is reassociated or contracted, so
    float results are those of the same operations in numpy.
    """
    return _njit(function)


def njit_exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function like `njit`, whose sums are of whole numbers that are exact in any order."""
    return _njit(function, fastmath={"reassoc", "contract", "nsz"})


def compiled_or_plain(function: Callable[..., Any], seconds: float, *inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that runs compiled and as it is, in the one way or in the other.

    Parameters
    ----------
    function : undecorated
    seconds : what it takes as it is
    inner : functions of its module that it calls, each after those that it calls itself
    """
    if _wanted == NUMPY:
        return function
    if function not in _compiled and worth(seconds, Path(function.__code__.co_filename), function.__name__) and loads():
        names = dict(function.__globals__)
        for one in (*inner, function):
            names[one.__name__] = njit(FunctionType(one.__code__, names, one.__name__))
        _compiled[function] = names[function.__name__]
    return _compiled.get(function, function)


def _last_change(folder: Path) -> float:
    """Return when a module of the folder was changed last."""
    return max(path.stat().st_mtime for path in folder.glob("*.py"))


@cache
def _forget_old(folder: Path) -> None:
    """Remove machine code that was kept before a module of the folder changed."""
    newest = _last_change(folder)
    for path in (folder / "__pycache__").glob("*.nb[ci]"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < newest:
                path.unlink()


def _njit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    import numba

    _forget_old(Path(function.__code__.co_filename).parent)
    options |= {"nogil": True, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache: compiled again in each process
        return numba.njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function of compiled loops whose body goes into its callers: a call that passes many arrays counts the
    references to each, which takes longer than a small body."""
    import numba

    return numba.njit(inline="always", error_model="numpy")(function)
