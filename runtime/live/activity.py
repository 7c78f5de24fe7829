"""Activity mode in packets: blocks of tens of milliseconds, each of which can be decoded alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

import numpy as np

from .. import activity
from .. import model as models
from ..errors import CorruptError
from ..limits import MAX_LEADS
from ..model import Model
from ..records import ACTIVITY, CHUNK_HEAD, chunk_bound
from ..recurrent import stateless
from . import encoder as lossless
from .packets import MAX_BLOCK_SAMPLES, Description, Packet

BLOCK_SECONDS = 0.05
"""Length of a block unless it is said: shorter ones cost more, longer ones hardly less."""
_BITS = 16


def default_block(leads: int, rate: int) -> int:
    """Frames of a block: 50 ms, less where that would be too many samples."""
    return max(1, min(round(BLOCK_SECONDS * rate), MAX_BLOCK_SAMPLES // leads))


class ActivityStreamEncoder:
    """`StreamEncoder` for activity mode: windows around spikes, lines between them. Of leads on the implant's lattice.

    A packet comes out when what follows its block is known, `delay` frames of it.

    Parameters
    ----------
    leads : int
    rate : Hz, a whole number of at least 2000
    keep : "spikes"
    max_error : bound of the error inside windows, 0..255; None for the default, 3
    threshold : of spikes, in robust deviations; None for the default, 4.5
    window : milliseconds before and after a crossing; None for the default, 0.5 and 1.5
    block : frames of a packet; None for 50 ms
    model : name, path or bytes of the model
    resync : seconds between the packets that say what the stream is, with which a decoder can join
    groups, stream : as for `StreamEncoder`

    Raises
    ------
    UsageError, ModelError
    """

    def __init__(
        self,
        leads: int,
        rate: int,
        *,
        keep: str | Iterable[str] = "spikes",
        max_error: int | None = None,
        threshold: float | None = None,
        window: tuple[float, float] | None = None,
        block: int | None = None,
        model: str | os.PathLike | bytes = models.DEFAULT,
        resync: float = 1.0,
        groups: int = 1,
        stream: int = 0,
    ):
        block = default_block(leads, rate) if block is None and 0 < leads <= MAX_LEADS and rate > 0 else block
        lossless.check(leads, rate, 1 if block is None else block, resync, groups, stream)
        options, bound = activity.resolve(keep, max_error, threshold, window)
        options, network = options.at(rate), stateless(models.load(model))
        self.leads, self.block, self._stream = leads, block, stream
        self._parts = lossless.split(leads, groups)
        self._encoders = [activity.ActivityEncoder(p.stop - p.start, options, block, network) for p in self._parts]
        period = max(1, round(resync * rate / block))
        shape = network.identity, rate, block, period, bound, groups, leads
        self._descriptions = [Description(*shape, p.start, p.stop - p.start, activity=True) for p in self._parts]
        self._sequence = self._frames = 0

    @property
    def delay(self) -> int:
        """Frames behind a block that must be known before its packets come out."""
        return self._encoders[0].delay

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take frames, int16 [frames, leads], any number of them; packets of the blocks that are now complete."""
        lossless.check_frames(frames, self.leads)
        self._frames += len(frames)
        made = [encoder.push(frames[:, p]) for encoder, p in zip(self._encoders, self._parts, strict=True)]
        return [packet for chunks in zip(*made, strict=True) for packet in self._packets(chunks)]

    def finish(self) -> list[bytes]:
        """The packets of what frames are left; the last ones tell a decoder that the stream is complete."""
        left = self._frames % self.block
        made = [encoder.flush() for encoder in self._encoders]
        if not left:
            made = [[*chunks, b""] for chunks in made]
        blocks = list(zip(*made, strict=True))
        packets = [packet for chunks in blocks[:-1] for packet in self._packets(chunks)]
        return packets + self._packets(blocks[-1], left)

    def _packets(self, chunks: tuple[bytes, ...], left: int | None = None) -> list[bytes]:
        """The packets of a block, one for each group; `left` is the number of frames of the last block."""
        sequence, last = self._sequence, left is not None
        self._sequence += 1
        made = []
        for group, (chunk, description) in enumerate(zip(chunks, self._descriptions, strict=True)):
            key = sequence % description.period == 0
            head = description.pack() if key else b""
            length = left.to_bytes(2, "little") if last else b""
            made.append(Packet(self._stream, group, sequence, key, last, head + length + chunk).pack())
        return made


class ActivityGroupDecoder:
    """`GroupDecoder` for packets of activity mode, which do not depend on each other."""

    elsewhere = False

    def __init__(self, model: Model, description: Description):
        self.description, self._model = description, model
        self._waiting: deque[Packet] = deque()

    def start(self, packet: Packet, sequence: int) -> None:
        """Begin to decode a packet."""
        self._waiting.append(packet)

    def result(self) -> np.ndarray:
        """What `decode` gives for the oldest packet that was started."""
        return self.decode(self._waiting.popleft(), 0)

    def decode(self, packet: Packet, sequence: int) -> np.ndarray:
        """Samples int16 [frames, leads] of a packet. Raises `CorruptError`."""
        chunk = chunk_of(packet, self.description)
        if not chunk:
            return np.empty((0, self.description.count), np.int16)
        return activity.decode(chunk, self.description.count, _BITS, self._model)


def chunk_of(packet: Packet, description: Description) -> bytes:
    """The chunk in a packet of activity mode, empty for a last packet without frames. Raises `CorruptError`."""
    payload, at, frames = packet.payload, 0, description.block
    if packet.key:
        told, at = Description.parse(payload)
        if told != description:
            raise CorruptError("a key packet describes another stream")
    if packet.last:
        frames, at = int.from_bytes(payload[at : at + 2], "little"), at + 2
        if frames >= description.block or len(payload) < at:
            raise CorruptError("a last packet holds impossible values")
    chunk = payload[at:]
    if not frames and not chunk and packet.last:
        return b""
    if len(chunk) < CHUNK_HEAD.size or CHUNK_HEAD.unpack_from(chunk) != (frames, ACTIVITY):
        raise CorruptError("a packet holds another chunk than its stream's")
    if chunk_bound(chunk) != description.max_error:
        raise CorruptError("a packet has another bound than its stream")
    return chunk


def mask(packet: Packet, description: Description, frames: int) -> np.ndarray:
    """bool [frames, leads of the group]: samples of a good packet that are within the bound."""
    if not description.activity or not frames:
        return np.ones((frames, description.count), bool)
    return activity.mask(chunk_of(packet, description), description.count, _BITS)
