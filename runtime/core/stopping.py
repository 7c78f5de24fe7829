"""Stop long work that runs in another thread: Python can't end a thread from outside."""

from __future__ import annotations

import contextlib
import threading
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
