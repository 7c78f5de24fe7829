"""Spike mode in packets: blocks of tens of milliseconds, each of which can be decoded alone."""

from __future__ import annotations

import os

import numpy as np

from .. import spikes
from ..container.chunk_head import CHUNK_HEAD, SPIKES, chunk_bound
from ..core import limits
from ..core.errors import CorruptError
from ..predictor import model as models
from ..predictor.model import Model
from ..spikes.link_budget import LinkBudget
from ..spikes.options import SpikeOptions
from .framing import Framing, check_frames
from .packets import DESCRIPTION_BYTES, MAX_BLOCK_SAMPLES, OVERHEAD, Description, Packet

BLOCK_SECONDS = 0.05
"""Default length of a block: shorter ones cost more, longer ones hardly less."""
BITS = 16
"""Of samples."""
_LENGTH_BYTES = 2
"""Length of a last block."""


def default_block(channels: int, sample_rate: int) -> int:
    """Return the frames of a block: 50 ms, less where that would be too many samples."""
    return max(1, min(round(BLOCK_SECONDS * sample_rate), MAX_BLOCK_SAMPLES // channels))


class SpikeStreamEncoder:
    """Encodes a stream in spike mode: windows around spikes, and lines or the field potential between them.

    A packet comes out when what follows its block is known, `delay` frames of it.

    Parameters
    ----------
    channels : int
    sample_rate : Hz, a whole number of at least 2000
    options : SpikeOptions, whose sample rate does not count; None for the defaults
    target_rate : bit/s of all channels and packets, which no second of packets exceeds; the bound is then the least
        one, and grows where it must; None for no such
    block : frames of a packet; None for 50 ms
    model : name, path or bytes of the model; None for that of spike mode
    resync : seconds between the packets that describe the stream, with which a decoder can join
    stream : as for `StreamEncoder`

    Raises
    ------
    UsageError, ModelError
    """

    def __init__(
        self,
        channels: int,
        sample_rate: int,
        options: SpikeOptions | None = None,
        *,
        block: int | None = None,
        target_rate: float | None = None,
        model: str | os.PathLike | bytes | None = None,
        resync: float = 1.0,
        stream: int = 0,
    ):
        framing = Framing.of(channels, sample_rate, block, resync, stream, default_block)
        self.channels, self.block, self._stream = framing.channels, framing.block, framing.stream
        options = (options or SpikeOptions()).with_rate(framing.sample_rate)
        network = models.load(models.SPIKES if model is None else model).stateless()
        spikes.prepare(network)
        self._description = framing.description(network.identity, options.max_error, spikes=True)
        self._target, self._budget = target_rate, None
        if target_rate is not None:
            rate, blocks = limits.target_rate(target_rate), (framing.sample_rate, self.block)
            self._budget = LinkBudget(rate, *blocks, OVERHEAD + _LENGTH_BYTES, framing.period, DESCRIPTION_BYTES)
        self._encoder = spikes.SpikeEncoder(self.channels, options, self.block, network, self._budget)
        self._sequence = self._frames = 0

    @property
    def delay(self) -> int:
        """Frames behind a block that must be known before its packets come out."""
        return self._encoder.delay

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Take int16 [frames, channels]; return the packets of the blocks that are complete."""
        check_frames(frames, self.channels)
        self._frames += len(frames)
        return [self._packet(chunk) for chunk in self._encoder.push(frames)]

    def finish(self) -> list[bytes]:
        """Return the packets of what frames are left; the last one marks the end of the stream."""
        left = self._frames % self.block
        chunks = self._encoder.flush()
        if not left:
            chunks.append(b"")
        return [self._packet(chunk) for chunk in chunks[:-1]] + [self._packet(chunks[-1], left)]

    @property
    def crowded(self) -> int:
        """Packets that took more than the target rate leaves: they can't take less."""
        return self._encoder.crowded

    @property
    def errors(self) -> set[int]:
        """Bounds that packets have had."""
        return self._encoder.errors

    def report(self) -> str:
        """Return a summary of the stream so far, empty without a target rate."""
        if self._budget is None or self._target is None:
            return ""
        errors = sorted(self.errors)
        raised = int((self._encoder.raised > 0).sum())
        text = f"errors within {errors[0]} to {errors[-1]}, " if errors else ""
        text += f"at most {self._budget.highest} of {self._target:.0f} bit/s over a second, "
        text += f"{self._encoder.left_out} of {self._encoder.windows} windows left out, "
        text += f"thresholds of {raised} channels raised"
        return text + (f", {self.crowded} packets larger than they should be" if self.crowded else "")

    def _packet(self, chunk: bytes, left: int | None = None) -> bytes:
        """Return the packet of a block; `left` is the number of frames of the last block."""
        sequence, last = self._sequence, left is not None
        self._sequence += 1
        key = sequence % self._description.period == 0
        head = self._description.pack() if key else b""
        length = b"" if left is None else left.to_bytes(_LENGTH_BYTES, "little")
        return Packet(self._stream, sequence, key, last, head + length + chunk).pack()


class SpikePacketDecoder:
    """Decodes packets of spike mode, which do not depend on each other."""

    def __init__(self, model: Model, description: Description):
        self.description, self._model = description, model
        spikes.prepare(model)

    def decode(self, packet: Packet, sequence: int) -> np.ndarray:
        """Return the samples int16 [frames, channels] of a packet. Raises `CorruptError`."""
        chunk = chunk_of(packet, self.description)
        if not chunk:
            return np.empty((0, self.description.channels), np.int16)
        return spikes.decode(chunk, self.description.channels, BITS, self._model)


def chunk_of(packet: Packet, description: Description) -> bytes:
    """Return the chunk in a packet of spike mode, empty for a last packet without frames. Raises `CorruptError`."""
    payload, at, frames = packet.payload, DESCRIPTION_BYTES if packet.key else 0, description.block
    if packet.last:
        frames, at = int.from_bytes(payload[at : at + _LENGTH_BYTES], "little"), at + _LENGTH_BYTES
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
    """Return which samples of a good packet are within the bound, bool [frames, channels]."""
    if not description.spikes or not frames:
        return np.ones((frames, description.channels), bool)
    return spikes.mask(chunk_of(packet, description), description.channels, BITS)
