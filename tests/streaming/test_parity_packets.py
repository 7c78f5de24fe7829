"""Parity and order of packets: lost ones come back exactly, late ones find their place, and nothing is made up."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import replace

import numpy as np
import pytest

from runtime.core.errors import CorruptError, UsageError
from runtime.streaming import ParityEncoder, RateShare
from runtime.streaming.ordering import BAD, LATE, RECEIVED, RESTORED, PacketOrder
from runtime.streaming.packets import SEQUENCES, Packet, PacketReader, parse
from runtime.streaming.parity import Parity, end_of_group, parity_of, start_of_group


class Source:
    """An encoder whose packets hold noise: one block for each frame that is pushed."""

    channels = block = 1

    def __init__(self, count: int, seed: int = 0, first: int = 0, longest: int = 90) -> None:
        random = np.random.default_rng(seed)
        sizes = random.integers(0, longest + 1, count).tolist()
        self.packets = [
            Packet(3, (first + n) % SEQUENCES, n % 10 == 0, n == count - 1, random.bytes(size))
            for n, size in enumerate(sizes)
        ]

    def push(self, frames):
        return [packet.pack() for packet in self.packets[:-1]]

    def finish(self):
        return [self.packets[-1].pack()]


def protected(source, every, **options):
    """Packets of a source with parity."""
    encoder = ParityEncoder(source, every, **options)
    return [parse(data) for data in encoder.push(None) + encoder.finish()]


def ordered(packets, every, reorder=0, start=0):
    order = PacketOrder(every, reorder, start)
    return [found for packet in packets for found in order.push(packet)] + order.finish()


def given(found, *kinds):
    return [(one.sequence, one.packet.payload) for one in found if one.kind in (kinds or (RECEIVED, RESTORED))]


def contents(source):
    return [(number, packet.payload) for number, packet in enumerate(source.packets)]


@pytest.mark.parametrize("every", [1, 2, 4, 31])
def test_any_one_packet_of_each_group_comes_back(every):
    source = Source(70, every)
    packets = protected(source, every)
    assert len(packets) == 70 + -(-70 // every)
    for lost in range(every):
        rest = [packet for packet in packets if packet.parity or packet.sequence % every != lost]
        found = ordered(rest, every)
        assert given(found) == contents(source)
        assert [one.sequence for one in found if one.kind == RESTORED] == list(range(lost, 70, every))
        assert [one.packet.last for one in found] == [False] * 69 + [True]
        assert [one.packet.key for one in found] == [n % 10 == 0 for n in range(70)]


def test_parity_itself_may_be_lost():
    source = Source(20)
    found = ordered([packet for packet in protected(source, 4) if not packet.parity], 4)
    assert given(found, RECEIVED) == contents(source)


def test_two_lost_ones_of_a_group_are_not_made_up():
    source = Source(20)
    for lost in itertools.combinations(range(8, 12), 2):
        rest = [packet for packet in protected(source, 4) if packet.parity or packet.sequence not in lost]
        found = ordered(rest, 4)
        assert given(found, RECEIVED) == [pair for pair in contents(source) if pair[0] not in lost]
        assert not given(found, RESTORED)


def test_groups_end_where_sequences_wrap():
    first = SEQUENCES - 9
    assert start_of_group(first, 7) == first - first % 7
    assert end_of_group(SEQUENCES - 1, 7) == SEQUENCES and start_of_group(SEQUENCES + 8, 7) == SEQUENCES + 7
    source = Source(40, first=first)
    packets = protected(source, 7)
    for lost in range(len(packets)):
        found = ordered([*packets[:lost], *packets[lost + 1 :]], 7, start=first)
        wanted = [(first + n, payload) for n, payload in contents(source)]
        partly = {n for n, _ in wanted[: end_of_group(first, 7) - first]}  # the stream begins within a group
        assert [pair for pair in given(found) if pair[0] not in partly] == [
            pair for pair in wanted if pair[0] not in partly
        ]


@pytest.mark.parametrize("every", [0, 4])
@pytest.mark.parametrize("reorder", [1, 5])
def test_packets_that_are_late_by_no_more_than_that_find_their_place(every, reorder):
    source, random = Source(300), np.random.default_rng(reorder)
    packets = protected(source, every) if every else source.packets
    due = np.arange(len(packets)) + random.uniform(0, reorder + 0.99, len(packets))
    found = ordered([packets[n] for n in np.argsort(due)], every, reorder)
    assert given(found) == contents(source)


def test_without_reordering_a_gap_is_given_up_at_once():
    packets = Source(4).packets
    order = PacketOrder(0)
    assert [one.sequence for one in order.push(packets[0]) + order.push(packets[2])] == [0, 2]
    assert [one.kind for one in order.push(packets[1]) + order.push(packets[2])] == [LATE, LATE]


def test_within_a_group_any_order_will_do():
    source = Source(12)
    packets = protected(source, 4)
    for order in itertools.permutations(range(5)):
        first = [packets[n] for n in order]
        found = ordered([*first, *packets[5:]], 4)
        # parity that comes before the last packet of its group restores that one, which is late then
        assert given(found) == contents(source)


def test_packets_wait_no_longer_than_their_group():
    packets = protected(Source(16), 4)
    order = PacketOrder(4)
    at_once = [[one.sequence for one in order.push(packet)] for packet in packets]
    assert at_once == [[n - n // 5] if n % 5 < 4 else [] for n in range(20)]
    order = PacketOrder(4)
    gone = {0, 1, 4}
    waiting = [[one.sequence for one in order.push(packet)] for n, packet in enumerate(packets) if n not in gone]
    assert waiting[:3] == [[], [], [2, 3, 4]]


@pytest.mark.parametrize("seed", range(40))
def test_whatever_a_channel_does_packets_are_right_and_in_order(seed):
    random = np.random.default_rng(seed)
    every, reorder = int(random.integers(0, 9)), int(random.integers(0, 6))
    source = Source(200, seed)
    packets = protected(source, every) if every else source.packets
    share = random.choice([0.01, 0.1, 0.4])
    due = np.arange(len(packets)) + random.exponential(share * 5, len(packets))
    sent = [
        packets[n] for n in np.argsort(due) if random.random() > share for _ in range(1 + (random.random() < share))
    ]
    found = ordered(sent, every, reorder)
    there = given(found)
    assert [n for n, _ in there] == sorted({n for n, _ in there}) and set(there) <= set(contents(source))
    assert len(there) >= len({packet.sequence for packet in sent if not packet.parity}) - sum(
        one.kind == LATE for one in found
    )


def test_memory_does_not_grow_with_packets_that_nobody_can_use():
    order = PacketOrder(4, 3)
    for n in range(0, 4000, 4):
        group = [Packet(0, n + i, False, False, b"x", 4) for i in range(4)]
        order.push(parity_of(group))
    assert len(order._parity) + len(order._waiting) <= 6


def test_parity_of_other_packets_restores_nothing():
    """Packets of one length, of which XOR alone would give a packet with a right CRC."""
    mine, other = (
        [replace(packet, payload=np.random.default_rng(n).bytes(40), group=4) for packet in Source(4).packets]
        for n in (1, 2)
    )
    parity = Parity.parse(parity_of(mine))
    for lost in range(4):
        good = {n: packet for n, packet in enumerate(mine) if n != lost}
        assert parity.restore(good, lost) == mine[lost]
        for wrong in good:
            with pytest.raises(CorruptError):
                parity.restore({**good, wrong: other[wrong]}, lost)
            with pytest.raises(CorruptError):
                parity.restore({**good, wrong: replace(good[wrong], payload=b"x" * 60)}, lost)


def test_impossible_parity_packets_are_refused():
    group = [replace(packet, group=4) for packet in Source(4).packets]
    good = parity_of(group)
    bad = [
        replace(good, payload=good.payload[:12]),
        replace(good, payload=b"\5" + good.payload[1:]),
        replace(good, payload=b"\0" + good.payload[1:]),
        replace(good, sequence=2),
    ]
    for packet in bad:
        with pytest.raises(CorruptError):
            Parity.parse(packet)
        assert [one.kind for one in ordered([packet], 4)] == [BAD]


def test_flags_that_no_packet_has_are_not_read():
    reader = PacketReader()
    for packet in (
        replace(Source(1).packets[0], parity=True),
        Packet(0, 0, True, False, b"", 4, True),
        Packet(0, 0, False, False, b"", 0, True),
    ):
        reader.push(packet.pack())
    reader.push(Packet(0, 1, True, True, b"", 31).pack())
    assert reader.next() == Packet(0, 1, True, True, b"", 31)


def test_a_damaged_length_with_a_right_check_does_not_stop_a_stream():
    """Of the packet in front, 16 MB seem to follow; it is given up when two packets are whole behind its head."""
    packets = [packet.pack() for packet in Source(6).packets]
    wrong = bytearray(packets[1])
    for size in range(1 << 16, 1 << 24, 257):
        wrong[8:11] = size.to_bytes(3, "little")
        if zlib.crc32(wrong[:11]) & 255 == wrong[11]:
            break
    reader, found = PacketReader(), []
    for data in (packets[0], bytes(wrong), *packets[2:]):
        reader.push(data)
        some = []
        while (packet := reader.next()) is not None:
            some.append(packet.sequence)
        found.append(some)
    assert found == [[0], [], [], [2, 3], [4], [5]]


@pytest.mark.parametrize("every", [0, 32, 1.5, -1])
def test_groups_of_other_sizes_are_refused(every):
    with pytest.raises(UsageError):
        ParityEncoder(Source(1), every)


@pytest.mark.parametrize("every", [1, 4, 8, 31])
@pytest.mark.parametrize("a_second", [2.5, 20])
def test_parity_keeps_to_its_share_of_a_rate(every, a_second):
    """Packets of full size, at times half of it: parity of most groups is sent, and no second is too full."""
    share = RateShare(80000, a_second, every)
    most = int(share.packets_rate / 8 / a_second) - 16
    source, random = Source(400), np.random.default_rng(every)
    source.packets = [
        replace(packet, payload=random.bytes(int(most * random.choice([0.5, 0.9, 1])))) for packet in source.packets
    ]
    encoder = ParityEncoder(source, every, share)
    packets = [parse(data) for data in encoder.push(None) + encoder.finish()]
    sizes = np.zeros(400)
    for packet in packets:
        sizes[
            packet.sequence
            if not packet.parity
            else end_of_group(packet.sequence, every) - 1
            if packet.sequence + every <= 400
            else 399
        ] += len(packet.pack())
    window = int(np.ceil(a_second))
    seconds = np.convolve(sizes, np.ones(window), "valid") * 8
    assert seconds.max() <= 80000 * window / a_second
    assert encoder.packets + encoder.left_out == -(-400 // every) and encoder.packets > 0.8 * 400 / every
    assert encoder.size == sum(len(packet.pack()) for packet in packets if packet.parity)
    assert f"{encoder.packets} parity packets" in encoder.report()
    assert ("left out" in encoder.report()) == (encoder.left_out > 0)
