"""Activity mode in packets: blocks of tens of milliseconds, each of which can be decoded alone."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable

import numpy as np

from .. import spikes
from ..batch.model_choice import choose
from ..batch.rate_control import check_target
from ..container.header import SPIKES, CHUNK_HEAD, chunk_bound
from ..core.errors import CorruptError
from ..core.limits import MAX_CHANNELS
from ..predictor import model as models
from ..predictor.model import Model
from ..predictor.recurrent import stateless
from ..spikes.token_bucket import TokenBucket
from . import encoder as lossless
from .packets import DESCRIPTION_BYTES, MAX_BLOCK_SAMPLES, OVERHEAD, Description, Packet

BLOCK_SECONDS = 0.05
"""Length of a block unless it is said: shorter ones cost more, longer ones hardly less."""
_BITS = 16


def default_block(channels: int, rate: int) -> int:
    """Frames of a block: 50 ms, less where that would be too many samples."""
    return max(1, min(round(BLOCK_SECONDS * rate), MAX_BLOCK_SAMPLES // channels))


class SpikeStreamEncoder:
    """`StreamEncoder` for activity mode: windows around spikes, lines or a slow band between them.

    A packet comes out when what follows its block is known, `delay` frames of it.

    Parameters
    ----------
    channels : int
    rate : Hz, a whole number of at least 2000
    keep : "spikes", or "spikes,lfp" for a slow band as well
    max_error : bound of the error inside windows, 0..255; None for the default, 3
    target_rate : bits per second of all channels and packets; the bound is then the least one, and grows where it must;
        groups have shares of the rate by their channels. None for no such
    threshold : of spikes, in robust deviations; None for the default, 4.5
    window : milliseconds before and after a crossing; None for the default, 0.5 and 1.5
    block : frames of a packet; None for 50 ms
    model : name, path or bytes of the model; None for n1, or a1 where the first frames are off the implant's table
    resync : seconds between the packets that say what the stream is, with which a decoder can join
    groups, stream : as for `StreamEncoder`

    Raises
    ------
    UsageError, ModelError
    """

    def __init__(
        self,
        channels: int,
        rate: int,
        *,
        keep: str | Iterable[str] = "spikes",
        max_error: int | None = None,
        threshold: float | None = None,
        window: tuple[float, float] | None = None,
        block: int | None = None,
        target_rate: float | None = None,
        model: str | os.PathLike | bytes | None = None,
        resync: float = 1.0,
        groups: int = 1,
        stream: int = 0,
    ):
        block = default_block(channels, rate) if block is None and 0 < channels <= MAX_CHANNELS and rate > 0 else block
        lossless.check(channels, rate, 1 if block is None else block, resync, groups, stream)
        options, bound = spikes.resolve(keep, max_error, threshold, window)
        check_target(target_rate, 0)
        self.channels, self.block, self._stream = channels, block, stream
        self._parts = lossless.split(channels, groups)
        self._options, self._target, self._chooses = options.with_rate(rate), target_rate, model is None
        self._shape = rate, block, max(1, round(resync * rate / block)), bound, groups, channels
        self._begin(stateless(models.load(models.DEFAULT if model is None else model)))
        self._sequence = self._frames = 0

    def _begin(self, network: Model) -> None:
        """Set up the encoders of all groups."""
        rate, block, period, *_ = self._shape
        packet = OVERHEAD, period, DESCRIPTION_BYTES
        self._encoders, self._descriptions, self._buckets = [], [], []
        for part in self._parts:
            count = part.stop - part.start
            bucket = None if self._target is None else TokenBucket(self._target * count / self.channels, rate, *packet)
            self._buckets.append(bucket)
            self._encoders.append(spikes.SpikeEncoder(count, self._options, block, network, bucket))
            self._descriptions.append(Description(network.identity, *self._shape, part.start, count, activity=True))

    @property
    def delay(self) -> int:
        """Frames behind a block that must be known before its packets come out."""
        return self._encoders[0].delay

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take frames, int16 [frames, channels], any number of them; packets of the blocks that are now complete."""
        lossless.check_frames(frames, self.channels)
        if self._chooses and len(frames):
            self._chooses = False
            if (name := choose(frames, kept=True)) != models.DEFAULT:
                self._begin(models.load(name))
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

    @property
    def errors(self) -> set[int]:
        """Bounds that packets have had."""
        return set().union(*(encoder.errors for encoder in self._encoders))

    def report(self) -> str:
        """What a target has made of the stream so far, in words; empty without one."""
        if self._target is None:
            return ""
        errors = sorted(self.errors)
        raised = sum(int((encoder.raised > 0).sum()) for encoder in self._encoders)
        crowded = sum(encoder.crowded for encoder in self._encoders)
        text = f"errors within {errors[0]} to {errors[-1]}, " if errors else ""
        highest = sum(bucket.highest for bucket in self._buckets)
        text += (
            f"at most {highest:.0f} of {self._target:.0f} bit/s over a second, thresholds of {raised} channels raised"
        )
        return text + (f", {crowded} packets larger than they should be" if crowded else "")

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


class SpikeGroupDecoder:
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
        """Samples int16 [frames, channels] of a packet. Raises `CorruptError`."""
        chunk = chunk_of(packet, self.description)
        if not chunk:
            return np.empty((0, self.description.count), np.int16)
        return spikes.decode(chunk, self.description.count, _BITS, self._model)


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
    if len(chunk) < CHUNK_HEAD.size or CHUNK_HEAD.unpack_from(chunk) != (frames, SPIKES):
        raise CorruptError("a packet holds another chunk than its stream's")
    if chunk_bound(chunk) < description.max_error:
        raise CorruptError("a packet has a smaller bound than its stream")
    return chunk


def mask(packet: Packet, description: Description, frames: int) -> np.ndarray:
    """bool [frames, channels of the group]: samples of a good packet that are within the bound."""
    if not description.activity or not frames:
        return np.ones((frames, description.count), bool)
    return spikes.mask(chunk_of(packet, description), description.count, _BITS)
