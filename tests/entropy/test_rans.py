import numpy as np
import pytest

from runtime.core.errors import CorruptError
from runtime.entropy import rans


def intervals(rng, steps, lanes):
    """Random intervals, from very probable to frequency 1."""
    frequency = (1 << rng.integers(0, 21, (steps, lanes))).astype(np.int64)
    start = (rng.random((steps, lanes)) * ((1 << 20) - frequency + 1)).astype(np.int64)
    return start.astype(np.uint32), frequency.astype(np.uint32)


def encode_one_lane(start, frequency):
    """The coder of docs/format.md section 7 in Python integers."""
    state, words = 1 << 24, []
    for s, f in zip(reversed(start.tolist()), reversed(frequency.tolist()), strict=True):
        if state >= f << 36:
            words.append(state & 0xFFFFFFFF)
            state >>= 32
        state = ((state // f) << 20) + s + state % f
    return state, words[::-1]


def test_one_lane_equals_plain_integers():
    start, frequency = intervals(np.random.default_rng(3), 500, 1)
    states, coded = rans.encode(start, frequency)
    state, expected = encode_one_lane(start[:, 0], frequency[:, 0])
    assert int(states[0]) == state
    assert coded.values.tolist() == expected


@pytest.mark.parametrize("owners", [1, 3])
def test_lanes_come_back_in_order(owners):
    start, frequency = intervals(np.random.default_rng(owners), 300, 12)
    owner = np.sort(np.arange(12) % owners)
    states, coded = rans.encode(start, frequency)
    words = rans.split([coded], owner, owners)
    decoder = rans.Decoder(states.copy(), words, owner)
    for t in range(300):
        slot = decoder.part(slice(0, 12)).slots()
        assert ((slot >= start[t]) & (slot < start[t].astype(np.int64) + frequency[t])).all()
        decoder.part(slice(0, 12)).advance(slot - start[t].astype(np.int32), frequency[t].astype(np.int32))
    assert decoder.finish().all()


@pytest.mark.parametrize("parts", [([0], [1, 3, 4, 5], [2]), ([0, 1, 2], [3], [4, 5])])
def test_words_of_groups_of_lanes_merge_into_those_of_all(parts):
    start, frequency = intervals(np.random.default_rng(5), 200, 6)
    states, together = rans.encode(start, frequency)
    groups = []
    for part in parts:
        state, words = rans.encode(start[:, part], frequency[:, part])
        groups.append(rans.Words(words.values, words.counts, np.array(part, np.int32)[words.lanes]))
        assert (state == states[part]).all()
    (merged,) = rans.split(groups, np.zeros(6, np.int64), 1)
    assert (merged == together.values).all()
    owner = np.array([0, 0, 1, 1, 2, 2])
    for mine, expected in zip(rans.split(groups, owner, 3), rans.split([together], owner, 3), strict=True):
        assert (mine == expected).all()


def test_a_missing_or_left_over_word_shows_at_the_end():
    start, frequency = intervals(np.random.default_rng(7), 100, 4)
    states, coded = rans.encode(start, frequency)
    words = coded.values
    for wrong in (words[:-1], np.append(words, np.uint32(0)), words ^ np.uint32(1)):
        decoder = rans.Decoder(states.copy(), [wrong], np.zeros(4, np.int64))
        for t in range(100):
            slot = decoder.part(slice(0, 4)).slots()
            decoder.part(slice(0, 4)).advance(slot - start[t].astype(np.int32), frequency[t].astype(np.int32))
        assert not decoder.finish().all()


def test_states_round_trip_and_truncation_is_an_error():
    states = np.array([1 << 24, (1 << 56) - 1, 1 << 40], np.uint64)
    packed = rans.pack_states(states)
    back, end = rans.unpack_states(b"?" + packed, 1, 3)
    assert (back == states).all()
    assert end == 1 + len(packed)
    with pytest.raises(CorruptError):
        rans.unpack_states(packed[:-1], 0, 3)
