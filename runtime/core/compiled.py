"""Numba, an extra: whether it is there, and the one way in which this package's loops are compiled.

A module of compiled loops decorates them with `njit` and is imported inside of the function that needs it, behind
`loads()`, where the work is worth the import of numba (0.35 s) and, once on a machine, some seconds of compilation.
Compiled functions may call each other within one module. Numba keeps machine code by the file of the function that
was called, so that a call into another module would not notice changes there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

_LOADING_SECONDS = 0.5
"""What the import of numba and the loading of compiled functions take."""


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


def worth(seconds: float) -> bool:
    """Return whether to use compiled loops that save so many seconds: numba is imported already, or it is worth it."""
    return available() and ("numba" in sys.modules or seconds > _LOADING_SECONDS) and loads()


def njit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call, without the GIL, kept on disk where numba finds a folder that it may write.

    Division by zero gives inf and nan as in numpy. Sums keep their order: nothing is reassociated or contracted, so
    float results are those of the same operations in numpy.
    """
    return _njit(function)


def njit_exact(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function like `njit`, whose sums are of whole numbers that are exact in any order."""
    return _njit(function, fastmath={"reassoc", "contract", "nsz"})


def _njit(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    import numba

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
