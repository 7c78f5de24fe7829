"""What is made of a run: latency, bits per second, spikes found again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.report import fidelity

from .processes import Run, Setting

PIECE = 5.0
"""Seconds in which spikes are looked for at once, with the deviation of their own."""
_LEAST_NOISE, _MOST_DEVIATION = 128, 12800
"""Sample units: in-band noise and deviation of channels whose spikes count; 2 and 200 of the implant's codes."""


@dataclass(frozen=True)
class Latency:
    """Seconds from a block's last frame, by block of the run; NaN where there is none.

    Attributes
    ----------
    packet : until the encoder's packet
    arrival : until it arrives
    decoded : until its frames come out of the decoder
    decoding : from the arrival to the frames
    """

    packet: np.ndarray
    arrival: np.ndarray
    decoded: np.ndarray
    decoding: np.ndarray


def latency(setting: Setting, run: Run) -> Latency:
    """Return the latencies of a run. Blocks that are missing have a packet, and no more."""
    first, count = setting.lead // setting.block, setting.frames // setting.block
    exists = (np.arange(count) + 1) * setting.block / setting.rate
    sent, arrived = (np.full(first + count + 1, np.nan) for _ in range(2))
    packets = run.sent[run.sent[:, 1] == 0]
    sent[packets[:, 0].astype(int)] = packets[:, 3]
    packets = run.arrived[run.arrived[:, 1] == 0][::-1]  # the first of two counts
    arrived[packets[:, 0].astype(int)] = packets[:, 2]
    decoded = np.where(run.missing, np.nan, run.decoded)[first:]
    sent, arrived = sent[first : first + count], arrived[first : first + count]
    return Latency(sent - exists, arrived - exists, decoded - exists, decoded - arrived)


def milliseconds(values: np.ndarray) -> list[str]:
    """Return p50, p99 and the maximum of seconds, as text in milliseconds."""
    values = values[np.isfinite(values)]
    return [f"{1e3 * np.percentile(values, q):.1f}" for q in (50, 99, 100)] if len(values) else ["", "", ""]


def bits_by_block(setting: Setting, run: Run) -> np.ndarray:
    """Return the bits of each block of the run; parity counts for the block behind which it was sent."""
    first, count = setting.lead // setting.block, setting.frames // setting.block
    parity = run.sent[:, 1] == 1
    last_block = np.maximum.accumulate(np.where(parity, 0, run.sent[:, 0])).astype(int)
    bits = np.bincount(last_block, 8 * run.sent[:, 2], minlength=first + count)
    return bits[first : first + count]


def fullest_second(setting: Setting, bits: np.ndarray) -> float:
    """Return the most bit/s over as many blocks in a row as a second has, rounded up."""
    window = min(-(-setting.rate // setting.block), len(bits))
    return float(np.convolve(bits, np.ones(window), "valid").max() * setting.rate / (window * setting.block))


def live(samples: np.ndarray, rate: float, most: int) -> np.ndarray:
    """Return the numbers of so many channels, spread over all, whose spikes count."""
    found = []
    for number in np.random.default_rng(0).permutation(samples.shape[1]).tolist():
        signal = samples[:, number].astype(float)
        noise = np.median(np.abs(fidelity.band_passed(signal, rate, fidelity.SPIKE_BAND))) / 0.6745
        if noise >= _LEAST_NOISE and signal.std() < _MOST_DEVIATION:
            found.append(number)
        if len(found) == most:
            break
    return np.sort(np.array(found, int))


@dataclass
class Found:
    """Spikes, and which of them are found again.

    Attributes
    ----------
    times : seconds, of the original's spikes
    again : bool, whether the decoded signal has them
    clear : bool, whether they are clear (runtime/report/fidelity.py)
    others : number of the decoded signal's spikes
    """

    times: np.ndarray
    again: np.ndarray
    clear: np.ndarray
    others: int

    def recall(self) -> float:
        """Return the share of spikes that are found again."""
        return float(self.again.mean()) if len(self.again) else 1.0

    def clear_recall(self) -> float:
        """Return that of clear spikes."""
        return float(self.again[self.clear].mean()) if self.clear.any() else 1.0

    def precision(self) -> float:
        """Return the share of the decoded signal's spikes that are the original's."""
        return float(self.again.sum() / self.others) if self.others else 1.0


class Original:
    """Channels whose spikes are known: downward crossings as in runtime/report/fidelity.py.

    Parameters
    ----------
    samples : int16 [frames, channels]
    rate : Hz
    """

    def __init__(self, samples: np.ndarray, rate: float) -> None:
        self._rate = rate
        self._channels = [fidelity.Channel(signal, rate) for signal in samples.T]

    def compare(self, decoded: np.ndarray) -> Found:
        """Return which spikes decoded samples [frames, channels] have."""
        rate, times, again, clear, others = self._rate, [], [], [], 0
        for channel, signal in zip(self._channels, decoded.T, strict=True):
            band = fidelity.band_passed(signal.astype(float), rate, fidelity.SPIKE_BAND)
            found, own, _ = channel.again(band)
            times.append(channel.times / rate)
            again.append(np.isin(np.arange(len(channel.times)), own))
            clear.append(channel.clear)
            others += len(found)
        return Found(*(np.concatenate(part) for part in (times, again, clear)), others)


def compare(recording: np.ndarray, start: int, decoded: np.ndarray, rate: float) -> Found:
    """Return which spikes are found again, piece by piece.

    Parameters
    ----------
    recording : int16 [frames, channels], which is repeated
    start : its frame, counted through, that the first decoded one stands for
    decoded : int16 [frames, channels]
    rate : Hz
    """
    size, parts = round(PIECE * rate), []
    for first in range(0, len(decoded), size):
        piece = decoded[first : first + size]
        if len(piece) < rate / 4:
            break
        original = recording[(start + first + np.arange(len(piece))) % len(recording)]
        part = Original(original, rate).compare(piece)
        part.times += first / rate
        parts.append(part)
    fields = ([getattr(part, name) for part in parts] for name in ("times", "again", "clear"))
    return Found(*(np.concatenate(field) for field in fields), sum(part.others for part in parts))


def by_second(times: np.ndarray, values: np.ndarray, seconds: float) -> np.ndarray:
    """Return the mean of values in each second, NaN where there are none."""
    count = int(np.ceil(seconds))
    second = np.clip(times.astype(int), 0, count - 1)
    number = np.bincount(second, minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(second, values, minlength=count) / number
