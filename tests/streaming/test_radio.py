"""Streams through the simulated radio: no wrong sample, and every frame comes or is named in an event."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from channels import carried, check, decoded, numbers_of

from runtime.core.errors import UsageError
from runtime.spikes import SpikeOptions
from runtime.streaming import ParityEncoder, Radio, SpikeStreamEncoder, StreamEncoder
from runtime.streaming.packets import PacketReader
from training.simulate import simulate

RATE, BLOCK, PERIOD = 20000, 6, 20
SHARES = [0.001, 0.01, 0.05]
KINDS = ["lost", "doubled", "damaged", "reordered"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_radio_does_what_it_is_told_to(kind):
    packets = [n.to_bytes(4, "little") * 10 for n in range(4000)]
    radio = Radio(**{kind: 0.05}, seed=1)
    arrived = carried(radio, packets)
    assert radio.counts["sent"] == 4000 and set(radio.counts) == {"sent", kind}
    count = radio.counts[kind]
    assert 150 < count < 250 and arrived == carried(Radio(**{kind: 0.05}, seed=1), packets)
    assert arrived != carried(Radio(**{kind: 0.05}, seed=2), packets)
    assert len(arrived) == 4000 + count * {"lost": -1, "doubled": 1}.get(kind, 0)
    assert len(set(packets) - set(arrived)) == count * (kind in ("lost", "damaged"))
    if kind != "damaged":
        numbers = [int.from_bytes(packet[:4], "little") for packet in arrived]
        assert (numbers == sorted(numbers)) == (kind != "reordered")


def test_reordered_packets_are_overtaken_by_few():
    packets = [bytes([n]) for n in range(200)]
    arrived = carried(Radio(reordered=0.2, distance=4, seed=3), packets)
    behind = [sum(later > packet for later in arrived[:at]) for at, packet in enumerate(arrived)]
    assert sorted(arrived) == packets and 1 <= max(behind) <= 4


def test_packets_queue_up_where_they_are_more_than_goes_through():
    radio = Radio(bit_rate=8000, delay=0.25)
    times = [time for n in range(4) for time, _ in radio.send(bytes(100), 0.01 * n)]
    assert times == pytest.approx([0.35, 0.45, 0.55, 0.65])
    assert [time for time, _ in radio.send(bytes(100), 9.0)] == pytest.approx([9.35])
    assert [time for time, _ in Radio(delay=0.5).send(bytes(100), 1.0)] == [1.5]


@pytest.mark.parametrize(
    "options",
    [{"lost": -0.1}, {"damaged": 1.1}, {"distance": 0}, {"bit_rate": 0.0}, {"delay": -1.0}, {"delay": math.inf}],
)
def test_radios_that_can_not_be_are_refused(options):
    with pytest.raises(UsageError):
        Radio(**options)


# --- streams ---------------------------------------------------------------------------------------------------------


def encoded(encoder, samples, every):
    encoder = encoder if every is None else ParityEncoder(encoder, every)
    return encoder.push(samples) + encoder.finish()


@pytest.fixture(scope="module")
def frames():
    return simulate(3003, 3, seed=8).samples


@pytest.fixture(scope="module", params=[None, 4])
def lossless(request, frames):
    """Packets without and with parity."""
    return encoded(StreamEncoder(3, RATE, block=BLOCK, resync=BLOCK * PERIOD / RATE), frames, request.param)


@pytest.fixture(scope="module", params=[None, 4])
def spikes(request):
    """Packets without and with parity, and what they decode to."""
    array = simulate(20050, 3, seed=5).samples
    encoder = SpikeStreamEncoder(3, RATE, SpikeOptions(), block=200, resync=0.1)
    packets = encoded(encoder, array, request.param)
    blocks, decoder = decoded(packets)
    assert decoder.complete and not decoder.events
    return packets, np.concatenate([samples for _, samples in blocks])


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), KINDS], ids="+".join)
def test_no_wrong_sample_and_no_frame_unheard_of(lossless, frames, kinds, share):
    for seed, reorder in ((1, 0), (2, 3)):
        arrived = carried(Radio(**dict.fromkeys(kinds, share), seed=seed), lossless)
        check(*decoded(arrived, [None, 333][seed % 2], reorder=reorder), frames)


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), KINDS], ids="+".join)
def test_no_wrong_spike(spikes, kinds, share):
    packets, right = spikes
    for seed, reorder in ((1, 0), (2, 3)):
        arrived = carried(Radio(**dict.fromkeys(kinds, share), seed=seed), packets)
        check(*decoded(arrived, reorder=reorder), right)


@pytest.mark.slow
@pytest.mark.parametrize("lost", range(4))
def test_one_lost_packet_of_a_group_costs_nothing(frames, lost):
    """Key packets, and the first and the last packet, are among them."""
    packets = encoded(StreamEncoder(3, RATE, block=BLOCK, resync=BLOCK * PERIOD / RATE), frames, 4)
    blocks, decoder = decoded([packet for n, packet in enumerate(packets) if n % 5 != lost])
    assert check(blocks, decoder, frames) == list(range(len(frames)))
    assert {event.kind for event in decoder.events} == {"restored"}
    restored = set(numbers_of(decoder.events, "restored"))
    assert restored == {n for n in range(len(frames)) if n // BLOCK % 4 == lost}


@pytest.mark.slow
def test_reordered_packets_find_their_place(lossless, frames):
    radio = Radio(reordered=0.2, distance=3, seed=4)
    arrived = carried(radio, lossless)
    blocks, decoder = decoded(arrived, reorder=6)
    assert check(blocks, decoder, frames) == list(range(len(frames))) and radio.counts["reordered"] > 50
    assert not numbers_of(decoder.events, "missing")
    _, decoder = decoded(arrived)
    assert "late" in {event.kind for event in decoder.events}


@pytest.mark.slow
def test_joining_a_stream_with_parity(frames):
    packets = encoded(StreamEncoder(3, RATE, block=BLOCK, resync=BLOCK * PERIOD / RATE), frames, 4)
    rest = [packet for n, packet in enumerate(packets) if n > 7 and n % 5 != 2]
    blocks, decoder = decoded(rest, join=True)
    assert decoder.complete and not decoder.missing and blocks[0][0] == PERIOD * BLOCK
    assert np.array_equal(np.concatenate([part for _, part in blocks]), frames[PERIOD * BLOCK :])


@pytest.mark.slow
def test_another_stream_with_another_parity_is_foreign(frames, lossless):
    for every in (8, 16):
        others = encoded(StreamEncoder(3, RATE, block=BLOCK), frames[::-1].copy(), every)
        mixed = [packet for pair in zip(lossless, others) for packet in pair] + lossless[
            min(len(lossless), len(others)) :
        ]
        blocks, decoder = decoded(mixed)
        assert {event.kind for event in decoder.events} == {"foreign"} and decoder.complete
        decoder.events.clear()
        assert check(blocks, decoder, frames) == list(range(len(frames)))


@pytest.mark.slow
@pytest.mark.parametrize("reorder", [-1, 0.5, 1 << 20])
def test_orders_that_can_not_be_are_refused(reorder):
    with pytest.raises(UsageError):
        decoded([], reorder=reorder)


def run(*arguments, data=b""):
    command = [sys.executable, "-m", "runtime", "stream", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [["--block", BLOCK], ["--keep", "spikes", "--block", 100, "--target-rate", 200000]])
def test_commands(frames, mode):
    raw = frames.astype("<i2").tobytes()
    made = run("encode", "--channels", 3, "--sample-rate", RATE, "--parity", 5, *mode, data=raw)
    assert made.returncode == 0 and b"parity packets" in made.stderr
    whole = run("decode", data=made.stdout)
    assert whole.returncode == 0 and len(whole.stdout) == len(raw)
    reader, packets = PacketReader(), []
    reader.push(made.stdout)
    while (packet := reader.next()) is not None:
        packets.append(packet.pack())
    rest = b"".join(packet for n, packet in enumerate(packets) if n % 6 != 3)
    restored = run("decode", data=rest)
    assert restored.stdout == whole.stdout and restored.returncode == 0
    assert b"were lost and restored" in restored.stderr
    packets[8], packets[9] = packets[9], packets[8]
    plain = [packet for n, packet in enumerate(packets) if n % 6 != 5]
    swapped = run("decode", "--reorder", 1, data=b"".join(plain))
    assert swapped.stdout == whole.stdout and swapped.returncode == 0
    assert run("encode", "--channels", 3, "--sample-rate", RATE, "--parity", 32, data=raw).returncode == 2
    assert run("decode", "--reorder", -1).returncode == 2
