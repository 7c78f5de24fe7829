"""Threads of numpy's linear algebra."""

from __future__ import annotations

import os


def one_thread() -> None:
    """Keep numpy's linear algebra to one thread; call it before numpy is imported.

    The products of this package are small: threads that wait for each other cost more than they bring.
    """
    for library in ("OPENBLAS", "MKL", "VECLIB"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
