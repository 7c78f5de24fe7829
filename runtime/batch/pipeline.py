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

from ..core.errors import MiddleoutError, as_error
from ..core.imports import one_thread
from ..core.limits import BATCH_SAMPLES
from . import shared_memory

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

    from ..codec.coding import DecodeTask, EncodeTask
    from .worker import Decoder, Encoder

_SMALL = 1 << 21
"""Samples that are not worth starting processes for."""

_MAX_BATCH_ENTRIES = 1024

_MAX_PENDING = 3 << 26
"""Samples that are in work or wait for it: 400 MB, however many processes there are."""

_DIED = "a worker process died: out of memory, or a script that lacks `if __name__ == '__main__':`; try jobs=1"


@dataclass(frozen=True)
class Front:
    """Bytes of a file in front of its samples, which keep their place in the order of results."""

    data: bytes

    @property
    def samples(self) -> int:
        """Samples that take as many bytes."""
        return 0


@dataclass(frozen=True)
class Back(Front):
    """Bytes of a file behind its samples."""

    @property
    def samples(self) -> int:
        """Samples that take as many bytes."""
        return len(self.data) // 2


@dataclass(frozen=True)
class Chunk:
    """Work for a batch, in which all chunks have equal coders.

    Attributes
    ----------
    coder : picklable; its method `run` gives a result for each of a list of tasks
    task : None once it is with another process
    samples : of the chunk
    """

    coder: Encoder | Decoder
    task: EncodeTask | DecodeTask | None
    samples: int


class _End:
    """The end of a file's items."""

    samples = 0


@dataclass(frozen=True)
class _Failure:
    """The end of a file's items, by an error."""

    error: Exception
    samples: int = 0


class Job(Protocol):
    """One file on its way. All calls are made in one process and thread."""

    def items(self) -> Iterator[Front | Chunk | Back]:
        """Read the input: bytes in front of the samples, chunks, bytes behind them; in this order."""

    def put_front(self, data: bytes) -> None:
        """Take bytes in front of the samples."""

    def put_chunk(self, result: Any) -> None:
        """Take the result of a chunk, in the order of the items."""

    def put_back(self, data: bytes) -> None:
        """Take bytes behind the samples."""

    def finish(self) -> None:
        """Complete the output: everything has been put."""

    def fail(self, error: Exception | None) -> None:
        """Give up and tidy up; `error` is None where the whole command is given up."""


@dataclass
class _Entry:
    job: Job
    item: Front | Chunk | Back | _End | _Failure


@dataclass
class _Batch:
    entries: list[_Entry] = field(default_factory=list)
    coder: Any = None
    samples: int = 0

    def add(self, entry: _Entry) -> None:
        self.entries.append(entry)
        self.samples += entry.item.samples
        if isinstance(entry.item, Chunk):
            self.coder = entry.item.coder

    def tasks(self) -> list[Any]:
        return [entry.item.task for entry in self.entries if isinstance(entry.item, Chunk)]

    def forget(self) -> None:
        """Drop the tasks, which are with another process."""
        for entry in self.entries:
            if isinstance(entry.item, Chunk):
                entry.item = replace(entry.item, task=None)


class Runner:
    """Run jobs.

    Parameters
    ----------
    processes : at most that many; 1 for none besides this one
    total : samples expected; None if unknown
    advance : called with the number of samples that have gone through
    size : of batches, as a multiple of the usual one
    """

    def __init__(
        self,
        processes: int = 1,
        total: int | None = None,
        advance: Callable[[int], None] = lambda samples: None,
        size: int = 1,
    ) -> None:
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
        self._open: dict[Job, None] = {}

    def run(self, jobs: Iterable[Job]) -> None:
        """Run all jobs. Their errors go to `Job.fail`; only interrupts and broken pipes are raised."""
        batch = _Batch()
        try:
            for job in jobs:
                self._open[job] = None
                for item in _read(job):
                    if batch.entries and self._is_full(batch, item):
                        self._submit(batch)
                        batch = _Batch()
                    batch.add(_Entry(job, item))
                    if job not in self._open:
                        break
            self._submit(batch)
            while self._pending:
                self._deliver()
        finally:
            for job in list(self._open):
                job.fail(None)
            if self._pool is not None:
                _end(self._pool, given_up=bool(self._pending))

    def _is_full(self, batch: _Batch, item: Front | Chunk | Back | _End | _Failure) -> bool:
        if isinstance(item, _End | _Failure):
            return False
        other = isinstance(item, Chunk) and batch.coder not in (None, item.coder)
        # as close to the target as chunks allow; a little over it, so that rounding does not leave a small last batch
        little = self._target // 16
        full = batch.samples + item.samples // 2 >= self._target + little or batch.samples + item.samples > self._most
        return other or full or len(batch.entries) >= _MAX_BATCH_ENTRIES

    def _submit(self, batch: _Batch) -> None:
        tasks = batch.tasks()
        small = self._pool is None and batch.samples < min(_SMALL, self._target // 2)
        if self._processes == 1 or small or not tasks:
            future: Future = Future()
            try:
                future.set_result(batch.coder.run(tasks) if tasks else [])
            except Exception as error:  # of a file in the batch
                future.set_exception(error)
        else:
            self._pool = self._pool or _pool(self._processes)
            tasks = shared_memory.shared(tasks)
            batch.forget()
            future = self._pool.submit(shared_memory.call, batch.coder, tasks)
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
        except Exception as error:
            results = itertools.repeat(error)
        for entry in batch.entries:
            result = next(results) if isinstance(entry.item, Chunk) else None
            if entry.job in self._open:
                self._hand_over(entry.job, entry.item, result)
        self._advance(batch.samples)

    def _hand_over(self, job: Job, item: Front | Chunk | Back | _End | _Failure, result: Any) -> None:
        """Give a job what comes next. What goes wrong in it becomes the outcome of its file, and of no other."""
        try:
            match item:
                case Chunk():
                    if isinstance(result, Exception):
                        raise result
                    job.put_chunk(result)
                case Back():
                    job.put_back(item.data)
                case Front():
                    job.put_front(item.data)
                case _Failure():
                    raise item.error
                case _End():
                    job.finish()
                    del self._open[job]
        except BrokenPipeError:  # the reader of standard output has gone
            raise
        except Exception as error:
            del self._open[job]
            job.fail(as_error(error))


def _read(job: Job) -> Iterator[Front | Chunk | Back | _End | _Failure]:
    """Give a job's items, then their end, or the error that ended them."""
    try:
        yield from job.items()
    except Exception as error:
        yield _Failure(error)
    else:
        yield _End()


def _pool(processes: int) -> ProcessPoolExecutor:
    import multiprocessing  # slow to import, and one file needs none
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), initializer=_start_worker)


def _end(pool: ProcessPoolExecutor, given_up: bool) -> None:
    if given_up:  # the results of pending batches are not needed
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    one_thread()


def default_processes() -> int:
    """Return the number of processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
