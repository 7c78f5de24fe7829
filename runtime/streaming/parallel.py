"""Streams over several processes: each has some of the groups of channels, block by block in step.

This process codes the first share itself, while the others code theirs; samples go through memory that all share.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from ..batch.pipeline import one_thread
from ..core.errors import MiddleoutError
from ..predictor import model as models
from .decoder import StreamDecoder, group_decoder
from .encoder import StreamEncoder, split
from .group_decoder import GroupDecoder
from .packets import Description, Packet

_DIED = "a worker process died: out of memory, or a script that lacks `if __name__ == '__main__':`; try jobs=1"


class ParallelEncoder(StreamEncoder):
    """`StreamEncoder` with `jobs` processes; a context manager."""

    def __init__(self, channels: int, rate: int, *, jobs: int, **settings: Any):
        super().__init__(channels, rate, **settings)
        shares = split(len(self.encoders), min(jobs, len(self.encoders)))
        self._own = shares[0]
        self._memory = SharedMemory(create=True, size=max(1, 2 * self.block * channels))
        self._shared = np.ndarray((self.block, channels), np.int16, self._memory.buf)
        self._workers: list[tuple[Any, Connection]] = []
        context = multiprocessing.get_context("spawn")
        try:
            for share in shares[1:]:
                mine, other = context.Pipe()
                arguments = (other, self._memory.name, (self.block, channels), share, {"rate": rate, **settings})
                process = context.Process(target=_encode_share, args=arguments, daemon=True)
                process.start()
                other.close()
                self._workers.append((process, mine))
            for _, connection in self._workers:
                _receive(connection)
        except BaseException:
            self.close()
            raise

    def _code(self, block: np.ndarray, sequence: int, last: bool) -> list[bytes]:
        self._shared[: len(block)] = block
        for _, connection in self._workers:
            connection.send((len(block), sequence, last))
        pairs = zip(self.encoders[self._own], self._parts[self._own], strict=True)
        packets = [encoder.encode(block[:, part], sequence, last) for encoder, part in pairs]
        for _, connection in self._workers:
            packets += _receive(connection)
        return packets

    def __enter__(self) -> ParallelEncoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        _end(self._workers)
        self._shared = None
        self._memory.close()
        self._memory.unlink()


def _encode_share(connection: Connection, name: str, shape: tuple[int, int], share: slice, settings: dict) -> None:
    """A worker: packets of its groups for every block that is announced."""
    _start()
    rate = settings.pop("rate")
    memory = SharedMemory(name)
    shared = np.ndarray(shape, np.int16, memory.buf)
    encoder = StreamEncoder(shape[1], rate, **settings)
    pairs = list(zip(encoder.encoders[share], split(shape[1], len(encoder.encoders))[share], strict=True))
    connection.send([])
    while (work := connection.recv()) is not None:
        frames, sequence, last = work
        try:
            result: Any = [one.encode(shared[:frames, part], sequence, last) for one, part in pairs]
        except MiddleoutError as error:
            result = error
        connection.send(result)
    del shared
    memory.close()


class ParallelDecoder(StreamDecoder):
    """`StreamDecoder` with `jobs` processes; a context manager."""

    def __init__(self, *, jobs: int, model: str | os.PathLike | bytes | None = None, **settings: Any):
        super().__init__(model=model, **settings)
        self._workers: list[tuple[Any, Connection]] = []
        context = multiprocessing.get_context("spawn")
        try:
            for _ in range(jobs - 1):
                mine, other = context.Pipe()
                process = context.Process(target=_decode_share, args=(other, model), daemon=True)
                process.start()
                other.close()
                self._workers.append((process, mine))
        except BaseException:
            self.close()
            raise

    def _decoder(self, group: int, description: Description) -> GroupDecoder:
        shares = split(description.groups, min(len(self._workers) + 1, description.groups))
        share = next(number for number, part in enumerate(shares) if part.start <= group < part.stop)
        if share == 0:
            return super()._decoder(group, description)
        return _RemoteDecoder(self._workers[share - 1][1], group, description)

    def __enter__(self) -> ParallelDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        _end(self._workers)


class _RemoteDecoder:
    """A `GroupDecoder` in another process."""

    elsewhere = True

    def __init__(self, connection: Connection, group: int, description: Description):
        self._connection, self._group = connection, group
        connection.send((group, description, None))

    def start(self, packet: Packet, sequence: int) -> None:
        self._connection.send((self._group, packet, sequence))

    def result(self) -> np.ndarray | None:
        return _receive(self._connection)


def _decode_share(connection: Connection, model: str | os.PathLike | bytes | None) -> None:
    """A worker: samples of the packets that are sent."""
    _start()
    decoders: dict[int, GroupDecoder] = {}
    while (work := connection.recv()) is not None:
        group, what, sequence = work
        if sequence is None:
            network = models.find(what.model) if model is None else models.load(model)
            decoders[group] = group_decoder(network, what)
            continue
        try:
            result: Any = decoders[group].decode(what, sequence)
        except MiddleoutError as error:
            result = error
        connection.send(result)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    one_thread()


def _receive(connection: Connection) -> Any:
    try:
        result = connection.recv()
    except EOFError:
        raise MiddleoutError(_DIED) from None
    if isinstance(result, Exception):
        raise result
    return result


def _end(workers: list) -> None:
    for process, connection in workers:
        try:
            connection.send(None)
        except OSError:
            pass
        process.join(timeout=5)
        if process.is_alive():
            process.terminate()
        connection.close()
