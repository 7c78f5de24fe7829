"""How the vectors of streams in tests/streams are made; tests rely on the files, not on this."""

from __future__ import annotations

import struct
import zlib

import conformance
import numpy as np
import vector_recipes

from runtime.spikes import SpikeOptions
from runtime.streaming import Calibration, ParityEncoder, SpikeStreamEncoder, StreamEncoder
from training.simulate import simulate

FOLDER = conformance.FOLDER.parent / "streams"
RATE, BLOCK, PERIOD = 20000, 20, 5
"""With these, every hundredth frame begins a key packet."""


def valid():
    """(name, what, frames, packets)"""
    s = vector_recipes.signals()
    channels, mixed = s["implant-channels"][:570], s["mixed"][:210]
    wild = np.hstack([channels[:230], s["linear-escapes"][:230, :1]])
    spikes = simulate(860, 4, seed=21).samples
    wild[57, 1], wild[58:61, 2] = 11, -20000
    moved = np.vstack([spikes[:300, :2], spikes[300:, :2] // 2])
    known = Calibration.of_samples(channels[:300], conformance.MODEL)
    return [
        ("plain", "four channels, general parameters", channels, packets(channels)),
        ("calibrated", "parameters from a calibration", channels, packets(channels, calibration=known)),
        (
            "off-table",
            "samples off the implant's table in implant channels, and a channel that is",
            wild,
            packets(wild),
        ),
        ("one-channel", "one channel, blocks of 50 frames", channels[:120, :1], packets(channels[:120, :1], block=50)),
        ("bounded", "bounded error, three kinds of channels", mixed, packets(mixed, max_error=4)),
        ("runs", "bounded error, runs", channels[:300], packets(channels[:300], max_error=25)),
        ("whole-blocks", "the last packet has no frames", channels[:200], packets(channels[:200])),
        ("empty", "no frames", channels[:0], packets(channels[:0])),
        (
            "parity",
            "a parity packet behind every fourth packet and the last one",
            channels,
            packets(channels, parity=4),
        ),
        ("spikes", "windows around spikes", spikes, spike_packets(spikes)),
        ("spikes-exact", "exact windows, the last packet has no frames", spikes[:800, :3], exact(spikes)),
        ("spikes-lfp", "windows on a field potential", spikes[:, :3], slow(spikes[:, :3])),
        (
            "spikes-linear",
            "off the implant's table from the third block on",
            moved,
            spike_packets(moved, 300, max_error=20),
        ),
        ("spikes-rate", "errors grow for the sake of a rate", spikes, spike_packets(spikes, target_rate=70000)),
    ]


def spike_packets(frames, first=0, **options):
    """Blocks of 100 frames; every third packet is a key packet. The first frames come first."""
    kept = {name: options.pop(name) for name in ("keep", "max_error", "window") if name in options}
    options = {"block": 100, "resync": 300 / RATE, "model": conformance.MODEL, **options}
    encoder = SpikeStreamEncoder(frames.shape[1], RATE, SpikeOptions(threshold=3.0, **kept), **options)
    return encoder.push(frames[:first]) + encoder.push(frames[first:]) + encoder.finish()


def slow(frames):
    return spike_packets(frames, keep="spikes,lfp", block=300)


def exact(frames):
    return spike_packets(frames[:800, :3], max_error=0, window=(0.2, 0.8))


def packets(frames, parity=None, **options):
    options = {"block": BLOCK, "resync": BLOCK * PERIOD / RATE, "model": conformance.MODEL, **options}
    encoder = StreamEncoder(frames.shape[1], RATE, **options)
    encoder = encoder if parity is None else ParityEncoder(encoder, parity)
    return encoder.push(frames) + encoder.finish()


def faulty(made):
    """(name, what, packets, missing frames as [first, count], whether the end was seen) from valid ones by name."""
    plain, spikes = made["plain"], made["spikes"]
    flipped = bytearray(plain[7])
    flipped[30] ^= 4
    length = bytearray(plain[7])
    length[8] ^= 1
    marker = bytearray(plain[12])
    marker[0] = 0
    end, parity = len(plain) - 1, made["parity"]
    return [
        ("lost", "packet 7 is lost", without(plain, 7), [[140, 60]], True),
        ("lost-key", "key packet 10 is lost", without(plain, 10), [[200, 100]], True),
        ("lost-first", "the first packet is lost", without(plain, 0), [[0, 100]], True),
        ("lost-last", "the last packet is lost", without(plain, end), [], False),
        ("lost-before-last", "the packet before the last is lost", without(plain, end - 1), [[540, 30]], True),
        ("damaged", "a bit of packet 7", [*plain[:7], bytes(flipped), *plain[8:]], [[140, 60]], True),
        ("damaged-length", "the length of packet 7", [*plain[:7], bytes(length), *plain[8:]], [[140, 60]], True),
        (
            "damaged-marker",
            "the sync marker of packet 12",
            [*plain[:12], bytes(marker), *plain[13:]],
            [[240, 60]],
            True,
        ),
        ("cut-out", "bytes from the middle of packet 6 to that of packet 8", cut_out(plain), [[120, 80]], True),
        ("noise", "other bytes between packets", [*plain[:4], b"\xa7\x4d\xa7noise" * 9, *plain[4:]], [], True),
        ("reordered", "packets 7 and 8 changed over", [*plain[:7], plain[8], plain[7], *plain[9:]], [[140, 60]], True),
        ("duplicated", "packet 7 comes twice", [*plain[:8], *plain[7:]], [], True),
        ("truncated", "ends within packet 20", [*plain[:20], plain[20][:25]], [], False),
        ("joined", "two streams of different numbers", [*plain, *renumbered(made["calibrated"], 9)], [], True),
        (
            "parity-lost",
            "one packet of each group is lost, and the last packet",
            [packet for n, packet in enumerate(parity) if n not in (0, 6, 12, 18, 20, 26, 31, 35)],
            [],
            True,
        ),
        ("parity-beyond", "two packets of a group are lost", without(without(parity, 7), 6), [[100, 100]], True),
        (
            "parity-late",
            "the packets of a group in another order",
            [*parity[:5], *parity[9:4:-1], *parity[10:]],
            [],
            True,
        ),
        (
            "parity-mixed",
            "parity packet 1 is of other packets, of which one is lost",
            [*parity[:6], *parity[7:9], wrong_parity(parity[9]), *parity[10:]],
            [[100, 100]],
            True,
        ),
        (
            "spikes-lost",
            "packets of blocks 1 and 4 are lost",
            without(without(spikes, 4), 1),
            [[100, 100], [400, 100]],
            True,
        ),
        ("spikes-joined", "the first two blocks are lost", spikes[2:], [[0, 300]], True),
        ("spikes-damaged", "a bit of a chunk, with a right CRC", wrong_chunk(spikes), [[400, 100]], True),
        ("wrong-samples", "a key packet with another checksum of samples", wrong_samples(plain), [[100, 100]], True),
    ]


def without(some, number):
    return [*some[:number], *some[number + 1 :]]


def cut_out(some):
    return [*some[:6], some[6][: len(some[6]) // 2], some[8][len(some[8]) // 2 :], *some[9:]]


def sealed(packet):
    """A packet with right check and checksum."""
    head = bytes(packet[:11])
    packet = head + bytes([zlib.crc32(head) & 255]) + bytes(packet[12:-4])
    return packet + struct.pack("<I", zlib.crc32(packet))


def renumbered(some, stream):
    return [sealed(packet[:3] + bytes([stream]) + packet[4:]) for packet in some]


def wrong_parity(packet):
    """A parity packet with another CRC of its packets' CRCs."""
    return sealed(packet[:13] + bytes([packet[13] ^ 1]) + packet[14:])


def wrong_chunk(some):
    """Block 4 with another checksum of its samples."""
    packet = bytearray(some[4])
    packet[12 + 5] ^= 1
    return [*some[:4], sealed(packet), *some[5:]]


def wrong_samples(some):
    packet = bytearray(some[5])
    size = int.from_bytes(packet[12 + 23 : 12 + 27], "little")
    packet[12 + 27 + size] ^= 1
    return [*some[:5], sealed(packet), *some[6:]]
