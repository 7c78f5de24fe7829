"""Chunks of many files through one stream of batches.

The codec is fast where it codes many chunks at once, so batches go across files; and batches are independent, so they
can go to several processes. Results come back in order: only one file at a time is being written, and what is held is
some batches, however long the files are.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import MiddleoutError
from ..core.limits import BATCH_SAMPLES
from ..core.threads import one_thread
from ..recording.paths import as_error
from . import shared_memory

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_SMALL = 1 << 21
"""Samples that are not worth starting processes for."""
_MAX_BATCH_ITEMS = 1024
_MAX_PENDING = 3 << 26
"""Samples that are in work or wait for it: 400 MB, however many processes there are."""
_DIED = "a worker process died: out of memory, or a script that lacks `if __name__ == '__main__':`; try jobs=1"


@dataclass(frozen=True)
class Item:
    """What a job gives: work for a batch, or (`work` None) bytes that just keep their place in the order.

    work : arguments for one chunk: the chunk, its channels, its sample bits, and for encoding the topology or None
    key : chunks of one batch have the same, e.g. the model
    """

    samples: int
    work: tuple | None = None
    key: Any = None
    passed: bytes = b""


class Job(Protocol):
    """One file on its way. All calls are made in one process and thread."""

    def items(self) -> Iterator[Item]:
        """Read the input."""

    def put_bytes(self, data: bytes) -> None:
        """Take what was passed, in the order of the items."""

    def put_chunk(self, result: Any) -> None:
        """Take a result, in the order of the items."""

    def finish(self) -> None:
        """Everything has been put."""

    def fail(self, error: Exception | None) -> None:
        """Give up, tidy up; `error` is None where the whole command is given up."""


@dataclass
class _Batch:
    entries: list[tuple[Job, Item | Exception | None]] = field(default_factory=list)
    key: Any = None
    samples: int = 0

    def works(self) -> list[tuple]:
        return [item.work for _, item in self.entries if isinstance(item, Item) and item.work is not None]

    def forget(self) -> None:
        """Keep of the works only that there were some: they are with another process."""
        for index, (job, item) in enumerate(self.entries):
            if isinstance(item, Item) and item.work is not None:
                self.entries[index] = job, replace(item, work=())


class Runner:
    """Runs jobs, with `call(key, works)` giving a result for each of a batch's works.

    Parameters
    ----------
    call : picklable function of key and list of works
    processes : at most that many; 1 for none besides this one
    total : samples expected; None if unknown
    advance : called with the number of samples that have gone through
    size : of batches, as a multiple of the usual one
    """

    def __init__(
        self,
        call: Callable,
        processes: int = 1,
        total: int | None = None,
        advance: Callable = lambda samples: None,
        size: int = 1,
    ) -> None:
        self._call = call
        self._processes = processes if total is None else max(1, min(processes, total // (_SMALL // 2)))
        self._advance = advance
        self._target = size * BATCH_SAMPLES
        if self._processes > 1:
            self._target = min(self._target, _MAX_PENDING // self._processes)
        self._most = self._target + self._target // 16
        if total is not None and self._processes > 1:  # whole rounds of equal batches
            rounds = -(-total * 15 // (16 * self._target * self._processes))  # totals may be estimates
            self._target = -(-total // (rounds * self._processes))
        self._pool: ProcessPoolExecutor | None = None
        self._pending: deque[tuple[_Batch, Future]] = deque()
        self._open: dict[int, Job] = {}

    def run(self, jobs: Iterable[Job]) -> None:
        """Run all jobs; their errors go to `Job.fail`, only interrupts and broken pipes come out of here."""
        batch = _Batch()
        try:
            for job in jobs:
                self._open[id(job)] = job
                for item in _read(job):
                    if batch.entries and self._is_full(batch, item):
                        self._submit(batch)
                        batch = _Batch()
                    _add(batch, job, item)
                    if id(job) not in self._open:
                        break
            self._submit(batch)
            while self._pending:
                self._deliver()
        finally:
            for job in list(self._open.values()):
                job.fail(None)
            if self._pool is not None:
                _end(self._pool, given_up=bool(self._pending))

    def _is_full(self, batch: _Batch, item: Item | Exception | None) -> bool:
        if not isinstance(item, Item):
            return False
        other = None not in (item.key, batch.key) and item.key != batch.key
        # as close to the target as chunks allow; a little over it, so that rounding does not leave a small last batch
        little = self._target // 16
        full = batch.samples + item.samples // 2 >= self._target + little or batch.samples + item.samples > self._most
        return other or full or len(batch.entries) >= _MAX_BATCH_ITEMS

    def _submit(self, batch: _Batch) -> None:
        works = batch.works()
        small = self._pool is None and batch.samples < min(_SMALL, self._target // 2)
        if self._processes == 1 or small or not works:
            future: Future = Future()
            try:
                future.set_result(self._call(batch.key, works) if works else [])
            except (MiddleoutError, MemoryError) as error:
                future.set_exception(error)
        else:
            self._pool = self._pool or _pool(self._processes)
            works = shared_memory.shared(works)
            batch.forget()
            future = self._pool.submit(shared_memory.call, self._call, batch.key, works)
        self._pending.append((batch, future))
        while self._pending and self._enough_pending():
            self._deliver()

    def _enough_pending(self) -> bool:
        if self._pool is None or len(self._pending) > self._processes:
            return True
        return sum(batch.samples for batch, _ in self._pending) > _MAX_PENDING

    def _deliver(self) -> None:
        batch, future = self._pending.popleft()
        try:
            results = iter(future.result())
        except BrokenExecutor:
            results = itertools.repeat(MiddleoutError(_DIED))
        except (MiddleoutError, MemoryError) as error:
            results = itertools.repeat(error)
        for job, item in batch.entries:
            result = next(results) if isinstance(item, Item) and item.work is not None else item
            if id(job) in self._open:
                self._hand_over(job, item, result)
        self._advance(batch.samples)

    def _hand_over(self, job: Job, item: Item | Exception | None, result: Any) -> None:
        try:
            if isinstance(result, Exception):
                raise result
            if result is None:
                job.finish()
                del self._open[id(job)]
            elif item.work is None:
                job.put_bytes(item.passed)
            else:
                job.put_chunk(result)
        except (MiddleoutError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):  # whoever reads our output has gone
                raise
            del self._open[id(job)]
            job.fail(tidy_error(error))


def tidy_error(error: Exception) -> Exception:
    """One of our errors for any that is to be reported."""
    if isinstance(error, OSError):
        return as_error(error)
    return MiddleoutError("out of memory") if isinstance(error, MemoryError) else error


def _read(job: Job) -> Iterator[Item | Exception | None]:
    """A job's items, then None, or the error that ended them."""
    try:
        yield from job.items()
    except (MiddleoutError, OSError, MemoryError) as error:
        yield error
    else:
        yield None


def _add(batch: _Batch, job: Job, item: Item | Exception | None) -> None:
    batch.entries.append((job, item))
    if isinstance(item, Item):
        batch.samples += item.samples
        batch.key = item.key if batch.key is None else batch.key


def _pool(processes: int) -> ProcessPoolExecutor:
    import multiprocessing  # slow to import, and one file needs none
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start_worker)


def _end(pool: ProcessPoolExecutor, given_up: bool) -> None:
    if given_up:  # do not wait for what nobody wants any more
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    one_thread()


def default_processes() -> int:
    """As many as there are processors for this process."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
