"""The simulated radio, as a process between the encoder's and the decoder's.

    carrier.py OPTIONS LOG.npz SPARED

OPTIONS are those of Radio, as JSON. Nothing happens to the first SPARED blocks, with which the others start (their
parity goes by the radio). Packets go from standard input to standard output when they arrive by the clock. The log
holds what was sent (block, parity, bytes, time) and which good packets arrived (block, parity, time), with times of
the monotonic clock.
"""

from __future__ import annotations

import heapq
import json
import os
import select
import sys
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2]))

from runtime.streaming import Radio  # noqa: E402
from runtime.streaming.packets import Packet, PacketReader  # noqa: E402


class Carrier:
    """Packets on their way."""

    def __init__(self, radio: Radio, spared: int) -> None:
        self._spared = spared
        self._radio, self._reader, self._number = radio, PacketReader(), 0
        self._way: list[tuple[float, int, bytes]] = []
        self.sent: list[tuple[int, bool, int, float]] = []
        self.arrived: list[tuple[int, bool, float]] = []

    def take(self, data: bytes) -> None:
        """Send the packets that are whole with these bytes."""
        now = time.monotonic()
        self._reader.push(data)
        while (packet := self._reader.next()) is not None:
            whole = packet.pack()
            self.sent.append((packet.sequence, packet.parity, len(whole), now))
            spared = packet.sequence < self._spared and not packet.parity  # parity may be of later blocks as well
            self._start([(now, whole)] if spared else self._radio.send(whole, now))

    def finish(self) -> None:
        """Send what the radio has kept back."""
        self._start(self._radio.finish())

    def _start(self, packets: list[tuple[float, bytes]]) -> None:
        for moment, packet in packets:
            heapq.heappush(self._way, (moment, self._number, packet))
            self._number += 1

    def pause(self) -> float | None:
        """Return the seconds until the next packet arrives, None if there is none."""
        return max(0.0, self._way[0][0] - time.monotonic()) if self._way else None

    def deliver(self) -> None:
        """Write the packets that have arrived by now."""
        while self._way and self._way[0][0] <= time.monotonic():
            moment, _, data = heapq.heappop(self._way)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            packet = good(data)
            if packet is not None:
                self.arrived.append((packet.sequence, packet.parity, moment))


def good(data: bytes) -> Packet | None:
    """Return the packet of bytes that are not damaged."""
    reader = PacketReader()
    reader.push(data)
    return reader.next()


def main() -> None:
    """Carry all packets, and write the log."""
    carrier, open_ = Carrier(Radio(**json.loads(sys.argv[1])), int(sys.argv[3])), True
    while open_ or carrier.pause() is not None:
        ready, _, _ = select.select([sys.stdin.fileno()] if open_ else [], [], [], carrier.pause())
        if ready:
            data = os.read(sys.stdin.fileno(), 1 << 16)
            carrier.take(data)
            open_ = bool(data)
            if not open_:
                carrier.finish()
        carrier.deliver()
    sys.stdout.buffer.close()
    np.savez(sys.argv[2], sent=np.array(carrier.sent), arrived=np.array(carrier.arrived).reshape(-1, 3))


if __name__ == "__main__":
    main()
