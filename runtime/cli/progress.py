"""A progress bar on standard error; rich is loaded only where there is one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class Progress:
    """A progress bar on standard error, if it is to be shown."""

    def __init__(self, verb: str, total: int | None, shown: bool) -> None:
        self._bar = None
        if shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(verb), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stderr=False)
            self._task = self._bar.add_task(verb, total=total)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, samples: int) -> None:
        """Count samples as done."""
        if self._bar is not None:
            self._bar.advance(self._task, samples)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bar while something else is printed."""
        self.__exit__()
        yield
        self.__enter__()
