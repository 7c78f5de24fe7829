"""Threads of libraries."""

from __future__ import annotations

import os


def one_thread() -> None:
    """Keep numpy's linear algebra to one thread, if called before numpy is imported.

    Its products are small here, and threads that wait for each other cost more than they bring.
    """
    for library in ("OPENBLAS", "MKL", "VECLIB"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
