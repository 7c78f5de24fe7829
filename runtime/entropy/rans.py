"""Range asymmetric numeral systems over lanes: one 56-bit state per lane, 32-bit words, 20-bit frequencies.

docs/format.md section 7; after J. Duda, "Asymmetric numeral systems" (arXiv:1311.2540), in the streaming form of
F. Giesen, "Interleaved entropy coders" (arXiv:1402.3392). ANS is a stack: the encoder runs backwards in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import bits
from ..core.bits import bit_length
from ..core.errors import CorruptError
from ..core.scalars import constant
from .entropy_model import PRECISION

LOW = 1 << 24
"""Every state is in [LOW, LOW << 32) between codes."""

WORD_CODES = 1 << 15
"""Most codes that a word, or a state, lasts for: no frequency is above 2^20 - 1023, so that a code takes 2^-10 bits."""

RAW_BITS = 16
"""Bits of a number that is coded as it is."""

_SHORTEST = 25
_WORD_BITS = 32
_EMIT = constant(24 + _WORD_BITS - PRECISION, np.uint64)
_ONE, _SLOT_MASK = constant(1 << PRECISION, np.uint64), constant((1 << PRECISION) - 1, np.uint64)
_PRECISION, _WORD, _LEAST = (constant(value, np.uint64) for value in (PRECISION, _WORD_BITS, LOW))
_RAW_SHIFT = PRECISION - RAW_BITS
RAN_OUT = "a chunk's coded words do not end where they should"
_COUNT_HEAD = 5
"""Bits that tell a width in front of the counts of words."""


@dataclass(frozen=True)
class Words:
    """Words of some lanes in decoding order, by step, then by lane, uint32; and the lane of each, int32."""

    values: np.ndarray
    lanes: np.ndarray

    def by_lane(self, lanes: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the words lane after lane, and how many each of so many lanes has, int64 [lanes]."""
        narrow = self.lanes.astype(np.uint16) if lanes <= 1 << 16 else self.lanes  # sorts ten times faster
        return self.values[np.argsort(narrow, kind="stable")], np.bincount(self.lanes, minlength=lanes)


@dataclass(frozen=True)
class RawNumbers:
    """Numbers of 16 bits that follow symbols, uint16 [n], by step and lane (int64 [n]) of these symbols, in order of
    step."""

    step: np.ndarray
    lane: np.ndarray
    value: np.ndarray


class _Encoder:
    """Lane states on their way back in time."""

    def __init__(self, lanes: int):
        self.state = np.full(lanes, LOW, np.uint64)
        self._quotient = np.empty_like(self.state)
        self._values: list[np.ndarray] = []
        self._lanes: list[np.ndarray] = []

    def push(self, start: np.ndarray, frequency: np.ndarray) -> None:
        """Code an interval for every lane; uint64 [lanes], `frequency` is overwritten."""
        state, quotient = self.state, self._quotient
        (full,) = (state >= np.left_shift(frequency, _EMIT, out=quotient)).nonzero()
        if len(full):
            state[full] = self._emit(state.take(full), full)
        # (quotient << 20) + remainder + start, the remainder being state - quotient * frequency
        np.floor_divide(state, frequency, out=quotient)
        quotient *= np.subtract(_ONE, frequency, out=frequency)
        state += quotient
        state += start

    def push_raw(self, lanes: np.ndarray, values: np.ndarray) -> None:
        """Code a number of 16 bits for some lanes."""
        state = self.state[lanes]
        full = state >= np.uint64(1 << _RAW_SHIFT) << _EMIT
        state[full] = self._emit(state[full], lanes[full])
        rest = state & np.uint64((1 << _RAW_SHIFT) - 1)
        high = state >> np.uint64(_RAW_SHIFT) << _PRECISION
        self.state[lanes] = high + (values.astype(np.uint64) << np.uint64(_RAW_SHIFT)) + rest

    def _emit(self, states: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """Write a word of each of these states; returns what is left of them."""
        self._values.append(states.astype(np.uint32))
        self._lanes.append(lanes.astype(np.int32))
        return states >> _WORD

    def words(self) -> Words:
        """Return all words."""
        values, lanes = [np.zeros(0, np.uint32)], [np.zeros(0, np.int32)]
        return Words(np.concatenate(values + self._values[::-1]), np.concatenate(lanes + self._lanes[::-1]))


def encode(start: np.ndarray, frequency: np.ndarray, raw: RawNumbers | None = None) -> tuple[np.ndarray, Words]:
    """Code all steps of all lanes.

    Parameters
    ----------
    start, frequency : uint32 [steps, lanes]
        Interval of each symbol. Where a lane has no sample: 0 and 2^20, which costs nothing.
    raw : RawNumbers or None

    Returns
    -------
    states : uint64 [lanes]
    words : Words
    """
    steps, lanes = start.shape
    coder, f = _Encoder(lanes), np.empty(lanes, np.uint64)
    ends = None if raw is None else np.searchsorted(raw.step, np.arange(steps + 1)).tolist()
    for t in range(steps - 1, -1, -1):
        if ends is not None and ends[t] < ends[t + 1]:
            assert raw is not None
            numbers = slice(ends[t], ends[t + 1])
            coder.push_raw(raw.lane[numbers], raw.value[numbers])
        f[:] = frequency[t]
        coder.push(start[t], f)
    return coder.state, coder.words()


def pack_states(state: np.ndarray) -> bytes:
    """Bit string: the bit length of every state, less 25, in 5 bits; then every state without its leading bit."""
    length = bit_length(state)
    return bits.to_bytes(
        np.concatenate([bits.pack(length - _SHORTEST, np.full(len(state), 5)), bits.pack(state, length - 1)])
    )


def unpack_states(data: bytes, offset: int, lanes: int) -> tuple[np.ndarray, int]:
    """States uint64 [lanes] of the bit string at `offset`, and the offset behind it. Raises `CorruptError`."""
    reader = bits.BitReader(data, offset)
    length = reader.read(np.full(lanes, 5)) + _SHORTEST
    state = reader.read(length - 1) + (1 << (length - 1))
    return state.astype(np.uint64), reader.align()


def pack_counts(counts: np.ndarray) -> bytes:
    """Bit string: the bit length of the least count of words, that count, a width, and what each count is more."""
    least = int(counts.min())
    size, width = least.bit_length(), int(counts.max() - least).bit_length()
    head = bits.pack(np.array([size, least, width]), np.array([_COUNT_HEAD, size, _COUNT_HEAD]))
    return bits.to_bytes(np.concatenate([head, bits.pack(counts - least, np.full(len(counts), width))]))


def unpack_counts(data: bytes, offset: int, lanes: int) -> tuple[np.ndarray, int]:
    """Counts int64 [lanes] of the bit string at `offset`, and the offset behind it. Raises `CorruptError`."""
    reader = bits.BitReader(data, offset)
    least = reader.take(reader.take(_COUNT_HEAD))
    counts = reader.read(np.full(lanes, reader.take(_COUNT_HEAD))) + least
    return counts.astype(np.int64), reader.align()


class Decoder:
    """Lane states that take words from a stream.

    Parameters
    ----------
    state : uint64 [lanes]
    words : uint32 [n]
    first, end : int64 [lanes]
        Where the words of each lane lie, if each has a stream of its own; without them all lanes share one, from which
        they take by step, then by lane.
    """

    def __init__(
        self, state: np.ndarray, words: np.ndarray, first: np.ndarray | None = None, end: np.ndarray | None = None
    ):
        self.state = state
        self._words = words
        self._shared = first is None
        self._next = np.zeros(1, np.int64) if first is None else first.copy()
        self._end = np.array([len(words)]) if end is None else end

    def part(self, lanes: slice) -> LaneStates:
        """The states of some of the lanes, to be worked with step by step."""
        return LaneStates(self, lanes)

    def take(self, lanes: np.ndarray) -> np.ndarray:
        """The next words for lanes int64 [n]. Raises `CorruptError` where there are no more."""
        if self._shared:
            first = int(self._next[0])
            self._next[0] = last = first + len(lanes)
            if last > len(self._words):
                raise CorruptError(RAN_OUT)
            return self._words[first:last]
        at = self._next.take(lanes)
        if (at >= self._end.take(lanes)).any():
            raise CorruptError(RAN_OUT)
        self._next[lanes] = at + 1
        return self._words.take(at)

    def used_up(self) -> bool:
        """Whether all words were taken, and every state is where its encoder began."""
        return bool((self._next == self._end).all() and (self.state == LOW).all())


class LaneStates:
    """The states of some lanes of a decoder."""

    def __init__(self, decoder: Decoder, lanes: slice):
        self._decoder, self._state = decoder, decoder.state[lanes]
        self._first = lanes.start or 0
        self._wide = np.empty(len(self._state), np.uint64)

    def slots(self) -> np.ndarray:
        """int32 [lanes]: position of the next code of each lane within 2^20."""
        return np.bitwise_and(self._state, _SLOT_MASK, out=self._wide).astype(np.int32)

    def advance(self, inside: np.ndarray, frequency: np.ndarray) -> None:
        """Take decoded intervals off the states and refill them; `inside` is slot - start; int32."""
        state, wide = self._state, self._wide
        state >>= _PRECISION
        wide[...] = frequency
        state *= wide
        wide[...] = inside
        state += wide
        (hungry,) = (state < _LEAST).nonzero()
        if len(hungry):
            self._refill(hungry)

    def raw(self, lanes: np.ndarray) -> np.ndarray:
        """Take a number of 16 bits from some of the lanes, int64 [n]: uint16 [n]."""
        slot = self._state[lanes] & _SLOT_MASK
        state = self._state[lanes] >> _PRECISION << np.uint64(_RAW_SHIFT)
        self._state[lanes] = state + (slot & np.uint64((1 << _RAW_SHIFT) - 1))
        self._refill(lanes[self._state[lanes] < _LEAST])
        return (slot >> np.uint64(_RAW_SHIFT)).astype(np.uint16)

    def _refill(self, hungry: np.ndarray) -> None:
        more = self._state.take(hungry)
        more <<= _WORD
        more |= self._decoder.take(hungry + self._first)
        self._state[hungry] = more
