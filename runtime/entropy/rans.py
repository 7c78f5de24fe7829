"""Range asymmetric numeral systems over lanes: one 56-bit state per lane, 32-bit words, 20-bit frequencies.

docs/format.md section 7; after J. Duda, "Asymmetric numeral systems" (arXiv:1311.2540), in the streaming form of
F. Giesen, "Interleaved entropy coders" (arXiv:1402.3392). ANS is a stack: the encoder runs backwards in time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core import bits
from ..core.bits import bit_length
from ..core.scalars import constant
from .entropy_model import PRECISION

LOW = 1 << 24
"""Every state is in [LOW, LOW << 32) between codes."""

_SHORTEST = 25
_WORD_BITS = 32
_EMIT = constant(24 + _WORD_BITS - PRECISION, np.uint64)
_ONE, _SLOT_MASK = constant(1 << PRECISION, np.uint64), constant((1 << PRECISION) - 1, np.uint64)
_PRECISION, _WORD, _LEAST = (constant(value, np.uint64) for value in (PRECISION, _WORD_BITS, LOW))


@dataclass(frozen=True)
class Words:
    """Words of some lanes in decoding order, uint32; how many there are in each time step; and the lane of each."""

    values: np.ndarray
    counts: np.ndarray
    lanes: np.ndarray


def encode(start: np.ndarray, frequency: np.ndarray) -> tuple[np.ndarray, Words]:
    """Code all steps of all lanes.

    Parameters
    ----------
    start, frequency : uint32 [steps, lanes]
        Interval of each code. Where a lane has no sample: 0 and 2^20, which costs nothing.

    Returns
    -------
    states : uint64 [lanes]
    words : Words
    """
    steps, lanes = start.shape
    state = np.full(lanes, LOW, np.uint64)
    f, quotient = np.empty_like(state), np.empty_like(state)
    values, writers = [], []
    for t in range(steps - 1, -1, -1):
        f[:] = frequency[t]
        (full,) = (state >= np.left_shift(f, _EMIT, out=quotient)).nonzero()
        writers.append(full.astype(np.int32))
        if len(full):
            high = state.take(full)
            values.append(high.astype(np.uint32))
            state[full] = high >> _WORD
        # (quotient << 20) + remainder + start, the remainder being state - quotient * f
        np.floor_divide(state, f, out=quotient)
        quotient *= np.subtract(_ONE, f, out=f)
        state += quotient
        state += start[t]
    counts = np.array([len(full) for full in writers[::-1]], np.int64)
    none = [np.zeros(0, np.uint32)]
    return state, Words(np.concatenate(values[::-1] or none), counts, np.concatenate(writers[::-1]))


def split(groups: list[Words], owner: np.ndarray, owners: int) -> list[np.ndarray]:
    """Words uint32 of the stream of each owner, by step, then by lane, from those of groups of lanes.

    Parameters
    ----------
    owner : int64 [all lanes]
    """
    values, lanes = groups[0].values, groups[0].lanes
    if len(groups) > 1:
        place = _places(groups)
        values = _placed([words.values for words in groups], place)
        lanes = _placed([words.lanes for words in groups], place) if owners > 1 else lanes
    if owners == 1:
        return [values]
    mine = owner.astype(np.uint16)[lanes]
    order = np.argsort(mine, kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(mine, minlength=owners))[:-1])


def _places(groups: list[Words]) -> list[np.ndarray]:
    """Where the words of each group belong among those of all: by step, then by lane."""
    ends = [(int(words.lanes.min()), int(words.lanes.max())) for words in groups if len(words.lanes)]
    counts = np.zeros((len(groups), max(len(words.counts) for words in groups)), np.int64)
    for row, words in zip(counts, groups):
        row[: len(words.counts)] = words.counts
    if any(last >= first for (_, last), (first, _) in zip(ends, ends[1:])):  # lanes of groups lie among each other
        key = np.concatenate([(np.repeat(np.arange(len(w.counts)), w.counts) << 32) + w.lanes for w in groups])
        place = np.empty(len(key), np.int64)
        place[np.argsort(key, kind="stable")] = np.arange(len(key))
        return np.split(place, np.cumsum(counts.sum(axis=1))[:-1])
    first = np.cumsum(counts.sum(axis=0)) - counts.sum(axis=0) + np.cumsum(counts, axis=0) - counts
    own = np.cumsum(counts, axis=1) - counts
    return [np.repeat(start, count) + np.arange(count.sum()) for start, count in zip(first - own, counts)]


def _placed(parts: list[np.ndarray], places: list[np.ndarray]) -> np.ndarray:
    out = np.empty(sum(map(len, parts)), parts[0].dtype)
    for part, place in zip(parts, places, strict=True):
        out[place] = part
    return out


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


class Decoder:
    """Lane states that take words from one stream per owner; lanes are in order of owner.

    Parameters
    ----------
    state : uint64 [lanes]
    words : list of uint32 arrays
    owner : int64 [lanes], not decreasing within an order level
    """

    def __init__(self, state: np.ndarray, words: list[np.ndarray], owner: np.ndarray):
        self.state, self.owner = state, owner
        self._words = np.concatenate([*words, np.zeros(1, np.uint32)])
        ends = np.cumsum([len(stream) for stream in words], dtype=np.int64)
        self._ends = ends
        self._next = np.concatenate([[0], ends[:-1]])

    def part(self, lanes: slice) -> LaneStates:
        """The states of some of the lanes, to be worked with step by step."""
        return LaneStates(self, self.state[lanes], self.owner[lanes])

    def take(self, owner: np.ndarray) -> np.ndarray:
        """The next words for lanes of these owners; behind the end of a stream anything, for `finish` to notice."""
        if len(self._ends) == 1:
            first = int(self._next[0])
            self._next[0] = last = first + len(owner)
            return self._words[first:last] if last < len(self._words) else np.zeros(len(owner), np.uint32)
        counts = np.bincount(owner, minlength=len(self._ends))
        offset = self._next - np.cumsum(counts) + counts
        self._next += counts
        return self._words.take(np.arange(len(owner)) + offset.take(owner), mode="clip")

    def finish(self) -> np.ndarray:
        """bool [owners]: streams that ended as the encoder began, with all words used."""
        good = self._next == self._ends
        np.logical_and.at(good, self.owner, self.state == LOW)
        return good


class LaneStates:
    """The states of some lanes of a decoder."""

    def __init__(self, decoder: Decoder, state: np.ndarray, owner: np.ndarray):
        self._decoder, self._state, self._owner = decoder, state, owner
        self._wide = np.empty(len(state), np.uint64)

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
            more = state.take(hungry)
            more <<= _WORD
            more |= self._decoder.take(self._owner.take(hungry))
            state[hungry] = more
