"""What threads need: to stop work that was given up, and locks in objects that processes inherit by fork."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator


class Stopped(BaseException):
    """The work was given up: no error of a file, so that no `except Exception` takes it for one."""


_current = threading.local()


@contextlib.contextmanager
def stoppable(stop: threading.Event) -> Iterator[None]:
    """Let `check_stop` raise in this thread once `stop` is set."""
    _current.stop = stop
    try:
        yield
    finally:
        _current.stop = None


def check_stop() -> None:
    """Raise `Stopped` if this thread's work was given up. Loops that take long call it in each round."""
    stop = getattr(_current, "stop", None)
    if stop is not None and stop.is_set():
        raise Stopped


class ForkSafeLock:
    """A lock that is free in a forked child, whichever thread of the parent held it; a context manager."""

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        """Forget who holds it."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_locks: weakref.WeakSet[ForkSafeLock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in _locks:
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
