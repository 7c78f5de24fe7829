"""Range asymmetric numeral systems over lanes: one 56-bit state per lane, 32-bit words, 20-bit frequencies.

docs/format.md section 7; after J. Duda, "Asymmetric numeral systems" (arXiv:1311.2540), in the streaming form of
F. Giesen, "Interleaved entropy coders" (arXiv:1402.3392). ANS is a stack: the encoder runs backwards in time.
"""

from __future__ import annotations

import numpy as np

from . import bits
from .bits import bit_length
from .entropy_model import PRECISION

LOW = 1 << 24
"""Every state is in [LOW, LOW << 32) between codes."""

_SHORTEST = 25
_WORD_BITS = 32
_EMIT_SHIFT = 24 + _WORD_BITS - PRECISION
_SLOT_MASK = np.uint64((1 << PRECISION) - 1)
_PRECISION = np.uint64(PRECISION)
_WORD = np.uint64(_WORD_BITS)


def encode(
    start: np.ndarray, frequency: np.ndarray, owner: np.ndarray, owners: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Code all steps of all lanes.

    Parameters
    ----------
    start, frequency : uint32 [steps, lanes]
        Interval of each code. Where a lane has no sample: 0 and 2^20, which costs nothing.
    owner : int [lanes]
        Which of `owners` word streams a lane writes to.

    Returns
    -------
    states : uint64 [lanes]
    words : list of uint32 arrays, one per owner, in the order in which a decoder takes them
    """
    steps, lanes = start.shape
    state = np.full(lanes, LOW, np.uint64)
    emitted, writers = [], []
    for t in range(steps - 1, -1, -1):
        f = frequency[t].astype(np.uint64)
        full = np.flatnonzero(state >= f << np.uint64(_EMIT_SHIFT))
        if len(full):
            high = state.take(full)
            emitted.append(high.astype(np.uint32))
            writers.append(full)
            state[full] = high >> _WORD
        quotient = state // f
        state -= quotient * f
        state += start[t]
        state += quotient << _PRECISION
    if not emitted:
        return state, [np.zeros(0, np.uint32)] * owners
    words = np.concatenate(emitted[::-1])
    if owners == 1:
        return state, [words]
    owner_of_word = owner[np.concatenate(writers[::-1])]
    order = np.argsort(owner_of_word, kind="stable")
    return state, np.split(words[order], np.cumsum(np.bincount(owner_of_word, minlength=owners))[:-1])


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
    owner : int64 [lanes], not decreasing
    """

    def __init__(self, state: np.ndarray, words: list[np.ndarray], owner: np.ndarray):
        self.state = state
        self._words = np.concatenate([*words, np.zeros(1, np.uint32)]).astype(np.uint64)
        ends = np.cumsum([len(stream) for stream in words], dtype=np.int64)
        self._ends = ends
        self._next = np.concatenate([[0], ends[:-1]])
        self._owner = owner

    def slots(self, lanes: int) -> np.ndarray:
        """int32 [lanes]: position of the next code of the first `lanes` lanes within 2^20."""
        return (self.state[:lanes] & _SLOT_MASK).astype(np.int32)

    def advance(self, slot: np.ndarray, start: np.ndarray, frequency: np.ndarray) -> None:
        """Take the decoded intervals (int32) off the states and refill them."""
        state = self.state[: len(slot)]
        state >>= _PRECISION
        state *= frequency.view(np.uint32)
        state += (slot - start).view(np.uint32)
        hungry = np.flatnonzero(state < LOW)
        if len(hungry):
            state[hungry] = state.take(hungry) << _WORD | self._take(hungry)

    def _take(self, hungry: np.ndarray) -> np.ndarray:
        """The next words of the lanes `hungry`; behind the end of a stream anything, for `finish` to notice."""
        if len(self._ends) == 1:
            first = int(self._next[0])
            self._next[0] += len(hungry)
            return self._words.take(np.arange(first, first + len(hungry)), mode="clip")
        owner = self._owner.take(hungry)
        counts = np.bincount(owner, minlength=len(self._ends))
        offset = self._next - np.cumsum(counts) + counts
        self._next += counts
        return self._words.take(np.arange(len(hungry)) + offset.take(owner), mode="clip")

    def finish(self) -> np.ndarray:
        """bool [owners]: streams that ended as the encoder began, with all words used."""
        good = self._next == self._ends
        np.logical_and.at(good, self._owner, self.state == LOW)
        return good
