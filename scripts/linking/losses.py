"""Recall of spikes against lost packets, without and with parity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.streaming import ParityEncoder, Radio, SpikeStreamEncoder, StreamDecoder
from runtime.streaming.filling import Filler
from runtime.streaming.ordering import RECEIVED, RESTORED, PacketOrder
from runtime.streaming.packets import PacketReader

from .figures import Original


class Again:
    """An encoder's packets, as often as they are wanted."""

    def __init__(self, encoder: SpikeStreamEncoder, samples: np.ndarray) -> None:
        self.channels, self.block = encoder.channels, encoder.block
        step = encoder.block
        parts = [encoder.push(samples[first : first + step]) for first in range(0, len(samples), step)]
        self._packets = [packet for part in parts for packet in part] + encoder.finish()

    def push(self, frames: np.ndarray) -> list[bytes]:
        """Return all but the last packet, whatever the frames are."""
        return self._packets[:-1]

    def finish(self) -> list[bytes]:
        """Return the last packet."""
        return self._packets[-1:]


@dataclass
class Cell:
    """What some losses make of a stream: sums over all passes.

    Attributes
    ----------
    sent, lost, missing : packets with frames that were sent; blocks whose packets were lost, and that stayed missing
    spikes, again, clear, clear_again : spikes and those found again
    """

    sent: int = 0
    lost: int = 0
    missing: int = 0
    spikes: int = 0
    again: int = 0
    clear: int = 0
    clear_again: int = 0


class Losses:
    """One stream, sent through radios again and again.

    Parameters
    ----------
    samples : int16 [frames, channels]
    rate : Hz
    kept : channels whose spikes are looked for
    target_rate : bit/s, or None
    """

    def __init__(self, samples: np.ndarray, rate: int, kept: np.ndarray, target_rate: float | None) -> None:
        self._original, self._kept = Original(samples[:, kept], rate), kept
        self._source = Again(SpikeStreamEncoder(samples.shape[1], rate, target_rate=target_rate), samples)
        self._decoded = dict[int, tuple[int, np.ndarray]]()
        decoder = StreamDecoder()
        for first, part in decoder.push(b"".join(self.packets(None))) + decoder.finish():
            if len(part):
                self._decoded[first // self._source.block] = first, part[:, kept]
        self._frames = len(samples)
        self._known: dict[frozenset[int], tuple[int, ...]] = {}

    def packets(self, every: int | None) -> list[bytes]:
        """Return the packets, with parity behind every so many or without."""
        encoder = self._source if every is None else ParityEncoder(self._source, every)
        return encoder.push(np.empty(0)) + encoder.finish()

    def bit_rate(self, every: int | None, rate: int) -> float:
        """Return bit/s of all packets."""
        return 8 * sum(map(len, self.packets(every))) * rate / self._frames

    def cell(self, every: int | None, share: float, passes: int) -> Cell:
        """Send the stream through radios that lose a share of packets, with seeds from 0 on."""
        cell, packets = Cell(), self.packets(every)
        for seed in range(passes):
            radio = Radio(lost=share, seed=seed)
            arrived = [packet for sent in packets for _, packet in radio.send(sent)]
            kinds = _blocks(arrived, every)
            missing = frozenset(self._decoded) - set(kinds)
            restored = sum(kind == RESTORED and block in self._decoded for block, kind in kinds.items())
            spikes, again, clear, clear_again = self._figures(missing)
            cell.sent += len(self._decoded)
            cell.missing += len(missing)
            cell.lost += len(missing) + restored
            cell.spikes, cell.again = cell.spikes + spikes, cell.again + again
            cell.clear, cell.clear_again = cell.clear + clear, cell.clear_again + clear_again
        return cell

    def _figures(self, missing: frozenset[int]) -> tuple[int, ...]:
        """Return spikes, those found again, and the same of clear ones, with blocks missing."""
        if missing not in self._known:
            filler, parts = Filler("hold"), []
            for block, (first, samples) in sorted(self._decoded.items()):
                if block not in missing:
                    parts += filler.add(first, samples)
            parts += filler.up_to(self._frames, len(self._kept))
            found = self._original.compare(np.concatenate(parts))
            both = found.again & found.clear
            self._known[missing] = tuple(map(int, (len(found.times), found.again.sum(), found.clear.sum(), both.sum())))
        return self._known[missing]


def _blocks(packets: list[bytes], every: int | None) -> dict[int, str]:
    """Return the blocks that a decoder gets, received or restored."""
    reader, order, found = PacketReader(), PacketOrder(every or 0), []
    reader.push(b"".join(packets))
    while (packet := reader.next()) is not None:
        found += order.push(packet)
    found += order.finish()
    return {one.sequence: one.kind for one in found if one.kind in (RECEIVED, RESTORED)}
