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


def decoded(decoder, start, frequency):
    """Whether all slots lie in their intervals, of all lanes in two parts."""
    lanes = start.shape[1]
    parts = [slice(0, lanes // 2), slice(lanes // 2, lanes)]
    states = [decoder.part(part) for part in parts]
    for t in range(len(start)):
        for part, some in zip(parts, states, strict=True):
            slot, first, size = some.slots(), start[t, part].astype(np.int32), frequency[t, part].astype(np.int32)
            if not ((slot >= first) & (slot < first.astype(np.int64) + size)).all():
                return False
            some.advance(slot - first, size)
    return True


def test_lanes_share_a_stream_or_have_one_each():
    start, frequency = intervals(np.random.default_rng(1), 300, 12)
    states, coded = rans.encode(start, frequency)
    shared = rans.Decoder(states.copy(), coded.values)
    assert decoded(shared, start, frequency) and shared.used_up()
    words, counts = coded.by_lane(12)
    ends = np.cumsum(counts)
    alone = rans.Decoder(states.copy(), words, ends - counts, ends)
    assert decoded(alone, start, frequency) and alone.used_up()
    for lane in (0, 5, 11):
        _, expected = encode_one_lane(start[:, lane], frequency[:, lane])
        assert words[ends[lane] - counts[lane] : ends[lane]].tolist() == expected


def test_numbers_of_16_bits_follow_symbols():
    rng = np.random.default_rng(2)
    start, frequency = intervals(rng, 50, 4)
    step, lane = np.array([0, 7, 7, 49]), np.array([3, 0, 2, 1])
    value = np.array([0, 65535, 32768, 12345], np.uint16)
    states, coded = rans.encode(start, frequency, rans.RawNumbers(step, lane, value))
    words, counts = coded.by_lane(4)
    ends = np.cumsum(counts)
    decoder = rans.Decoder(states, words, ends - counts, ends)
    lanes = decoder.part(slice(0, 4))
    for t in range(50):
        lanes.advance(lanes.slots() - start[t].astype(np.int32), frequency[t].astype(np.int32))
        mine = step == t
        assert (lanes.raw(lane[mine]) == value[mine]).all()
    assert decoder.used_up()


def test_a_missing_or_left_over_word_shows():
    start, frequency = intervals(np.random.default_rng(7), 100, 4)
    states, coded = rans.encode(start, frequency)
    words = coded.values
    decoder = rans.Decoder(states.copy(), np.append(words, np.uint32(0)))
    assert decoded(decoder, start, frequency) and not decoder.used_up()
    with pytest.raises(CorruptError, match="do not end where they should"):
        decoded(rans.Decoder(states.copy(), words[:-1]), start, frequency)
    wrong = rans.Decoder(states.copy(), words ^ np.uint32(1))
    assert not decoded(wrong, start, frequency)


@pytest.mark.parametrize("counts", [[5], [0, 0, 0], [7, 7, 7, 9], [100000, 0, 31]])
def test_counts_of_words_round_trip(counts):
    packed = rans.pack_counts(np.array(counts))
    back, end = rans.unpack_counts(b"?" + packed, 1, len(counts))
    assert back.tolist() == counts
    assert end == 1 + len(packed)
    with pytest.raises(CorruptError):
        rans.unpack_counts(packed[:-1], 0, len(counts))


def test_states_round_trip_and_truncation_is_an_error():
    states = np.array([1 << 24, (1 << 56) - 1, 1 << 40], np.uint64)
    packed = rans.pack_states(states)
    back, end = rans.unpack_states(b"?" + packed, 1, 3)
    assert (back == states).all()
    assert end == 1 + len(packed)
    with pytest.raises(CorruptError):
        rans.unpack_states(packed[:-1], 0, 3)
