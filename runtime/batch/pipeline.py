"""Chunks of many files through one stream of batches.

The codec is fast where it codes many chunks at once, so batches go across files; and batches are independent, so that
several threads can run them. Results come back in order: only one file at a time is being written, and what is held is
some batches, however long the files are. Reading and writing is done by the thread that called.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import as_error
from ..core.limits import BATCH_SAMPLES
from ..core.threads import stoppable

if TYPE_CHECKING:
    from ..codec.coding import DecodeTask, EncodeTask
    from .coders import Decoder, Encoder

_SMALL = 1 << 20
"""Samples that are not worth a thread of their own: small batches take longer."""

_MAX_BATCH_ENTRIES = 1024

_MAX_PENDING = 3 << 26
"""Samples that are in work or done but for what is in front of them: 400 MB, however many threads there are."""

_PATIENCE = 0.5
"""Seconds: a wait without an end can't be interrupted on Windows."""


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
    coder : its method `run` gives a result for each of a list of tasks
    task : None once a thread has it
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
    """One file on its way. All calls are made in one thread."""

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

    def take_tasks(self) -> list[Any]:
        """Return the tasks; the batch does not hold them any more."""
        tasks = []
        for entry in self.entries:
            if isinstance(entry.item, Chunk):
                tasks.append(entry.item.task)
                entry.item = replace(entry.item, task=None)
        return tasks


class Runner:
    """Run jobs.

    Parameters
    ----------
    threads : at most that many; with 1 the calling thread does all
    total : samples expected; None if unknown
    advance : called with the number of samples that have gone through
    """

    def __init__(
        self,
        threads: int = 1,
        total: int | None = None,
        advance: Callable[[int], None] = lambda samples: None,
    ) -> None:
        self._threads = threads if total is None else max(1, min(threads, total // _SMALL))
        self._advance = advance
        self._target = BATCH_SAMPLES
        if self._threads > 1:
            self._target = min(self._target, _MAX_PENDING // self._threads)
        self._most = self._target + self._target // 16
        if total is not None and self._threads > 1:  # whole rounds of equal batches
            rounds = -(-total * 15 // (16 * self._target * self._threads))  # totals may be estimates
            self._target = -(-total // (rounds * self._threads))
        self._pool = ThreadPoolExecutor(self._threads, "runtime") if self._threads > 1 else None
        self._stop = threading.Event()
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
                    if isinstance(item, Chunk) and self._is_full(batch, item):  # the next one is as long, most likely
                        self._submit(batch)
                        batch = _Batch()
                    if job not in self._open:
                        break
            self._submit(batch)
            while self._pending:
                self._deliver()
        finally:
            self._stop.set()
            for job in list(self._open):
                job.fail(None)
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    def _is_full(self, batch: _Batch, item: Front | Chunk | Back | _End | _Failure) -> bool:
        if isinstance(item, _End | _Failure):
            return False
        other = isinstance(item, Chunk) and batch.coder not in (None, item.coder)
        # as close to the target as chunks allow; a little over it, so that rounding does not leave a small last batch
        little = self._target // 16
        full = batch.samples + item.samples // 2 >= self._target + little or batch.samples + item.samples > self._most
        return other or full or len(batch.entries) >= _MAX_BATCH_ENTRIES

    def _submit(self, batch: _Batch) -> None:
        """Run a batch, or have it run once a thread is free: none waits, for that would only take memory."""
        while self._pending and self._is_busy(batch.samples):
            self._deliver()
        tasks = batch.take_tasks()
        if self._pool is None:
            future: Future = Future()
            try:
                future.set_result(batch.coder.run(tasks) if tasks else [])
            except Exception as error:  # of a file in the batch
                future.set_exception(error)
        else:
            future = self._pool.submit(self._run, batch.coder, tasks)
        self._pending.append((batch, future))
        while self._pending and self._pending[0][1].done():
            self._deliver()

    def _is_busy(self, samples: int) -> bool:
        """Wait until a thread is free or the first batch is done. Return whether that must be delivered first."""
        running = [future for _, future in self._pending if not future.done()]
        while len(running) >= self._threads and not self._pending[0][1].done():
            wait(running, _PATIENCE, FIRST_COMPLETED)
            running = [future for future in running if not future.done()]
        pending = samples + sum(batch.samples for batch, _ in self._pending)
        return len(running) >= self._threads or len(self._pending) >= 2 * self._threads or pending > _MAX_PENDING

    def _run(self, coder: Encoder | Decoder | None, tasks: list[Any]) -> list[Any]:
        """Run tasks in a thread of the pool."""
        with stoppable(self._stop):
            return coder.run(tasks) if coder is not None else []

    def _deliver(self) -> None:
        batch, future = self._pending.popleft()
        while not future.done():
            wait([future], _PATIENCE)
        try:
            results = iter(future.result())
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


def default_threads() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; it heeds more than affinity
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
