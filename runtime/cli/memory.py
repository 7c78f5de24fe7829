"""How long this process keeps memory that it is done with."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of settings in glibc's malloc.h."""
_LARGE, _MOST = 1 << 20, 1 << 25
"""Bytes of an array that goes back to the system, and of the largest that the C library may keep."""
_KEPT = 1 << 27
"""Bytes that are kept at most."""


def give_back() -> None:
    """Let arrays that are done with return to the system: glibc keeps those of up to 32 MB, for each thread."""
    _set(_MMAP_THRESHOLD, _LARGE)


def keep() -> None:
    """Keep memory, for a stream that needs arrays of the same sizes again and again.

    New pages take as long as half of the work with them. Collections of garbage need not visit what is there by now,
    which takes milliseconds.
    """
    _set(_MMAP_THRESHOLD, _MOST)
    _set(_TRIM_THRESHOLD, _KEPT)
    gc.freeze()


def _set(name: int, value: int) -> None:
    with contextlib.suppress(AttributeError, OSError, TypeError):  # other systems have no such setting
        ctypes.CDLL(None).mallopt(name, value)
