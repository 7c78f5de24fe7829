"""Spike mode in streams: windows within the bound, spikes in them, and every packet decodes without the others."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import runtime
from runtime import spikes
from runtime.core.implant_table import CODE_TO_SAMPLE, codes_of
from runtime.predictor import model as models
from runtime.spikes import SpikeEncoder, SpikeOptions
from runtime.spikes.chunk import parse_head
from runtime.streaming import SpikeStreamEncoder, StreamDecoder
from runtime.streaming.packets import DESCRIPTION_BYTES, HEAD_BYTES, Description, PacketReader
from runtime.streaming.spikes import chunk_of, default_block
from training.simulate import simulate

pytestmark = pytest.mark.slow

RATE, BLOCK, FRAMES = 20000, 700, 20000


@pytest.fixture(scope="module")
def array():
    """Five simulated channels, one second, and their units."""
    return simulate(FRAMES, 5, seed=5)


def encoded(samples, pieces=777, **options):
    kept = {name: options.pop(name) for name in ("keep", "max_error", "threshold", "window") if name in options}
    options = {"block": BLOCK, "resync": 0.2, **options}
    encoder = SpikeStreamEncoder(samples.shape[1], RATE, SpikeOptions(**kept), **options)
    parts = [encoder.push(samples[first : first + pieces]) for first in range(0, len(samples), pieces)]
    return [packet for part in [*parts, encoder.finish()] for packet in part]


def decoded(packets, **options):
    decoder = StreamDecoder(masks=True, **options)
    blocks = [block for packet in packets for block in decoder.push(packet)] + decoder.finish()
    return blocks, decoder


@pytest.fixture(scope="module")
def packets(array):
    return encoded(array.samples)


@pytest.fixture(scope="module")
def whole(packets):
    blocks, decoder = decoded(packets)
    assert not decoder.events and decoder.complete
    return np.concatenate([samples for _, samples in blocks]), np.concatenate([mask for _, mask in decoder.masks])


def error_of(array, samples):
    return np.abs(codes_of(np.ascontiguousarray(samples)).astype(int) - 512 - array.codes)


def test_windows_are_within_the_bound_and_hold_the_spikes(array, packets, whole):
    samples, mask = whole
    assert samples.shape == mask.shape == (FRAMES, 5)
    error = error_of(array, samples)
    assert error[mask].max() == 3 < error[~mask].max() and 0.005 < mask.mean() < 0.2
    big = [(unit.channel, t) for unit in array.spikes if unit.peak > 70 for t in unit.times if 9000 < t < FRAMES - 50]
    assert len(big) > 10 and np.mean([mask[t - 5 : t + 20, channel].all() for channel, t in big]) > 0.97
    assert 8 * sum(map(len, packets)) / samples.size < 0.6


def test_exact_windows_and_whole_blocks(array):
    made = encoded(array.samples[: 10 * BLOCK], max_error=0, threshold=4, window=(0.3, 1))
    (blocks, decoder), reader = decoded(made), PacketReader()
    samples = np.concatenate([samples for _, samples in blocks])
    mask = np.concatenate([mask for _, mask in decoder.masks])
    assert decoder.complete and not decoder.events and mask.any()
    assert np.array_equal(samples[mask], array.samples[: 10 * BLOCK][mask])
    reader.push(made[-1])
    assert reader.next().payload == b"\0\0", "the last packet holds something"


def test_packets_do_not_depend_on_how_frames_come(array, packets):
    assert packets == encoded(array.samples, 4567)


def test_others_are_decoded_when_packets_are_lost(packets, whole):
    """Packets 4 and 5 of the first period are lost, and packet 12 is damaged."""
    bad = [*packets[:4], *packets[6:]]
    bad[10] = bad[10][:40] + bytes([bad[10][40] ^ 1]) + bad[10][41:]
    blocks, decoder = decoded(bad)
    damaged = 12 * BLOCK
    assert [event.first for event in decoder.events if event.kind == "missing"] == [4 * BLOCK, damaged]
    assert decoder.missing == 3 * BLOCK and decoder.complete
    seen = 0
    for (first, samples), (same, mask) in zip(blocks, decoder.masks, strict=True):
        assert first == same and np.array_equal(samples, whole[0][first : first + len(samples)])
        assert np.array_equal(mask, whole[1][first : first + len(samples)])
        seen += len(samples)
    assert seen == FRAMES - decoder.missing


def test_joins_at_a_key_packet(packets, whole):
    blocks, decoder = decoded(packets[2:], join=True)
    assert blocks[0][0] == 6 * BLOCK and decoder.complete
    assert np.array_equal(np.concatenate([samples for _, samples in blocks]), whole[0][6 * BLOCK :])


def test_masks_of_lossless_streams_are_all_true(array):
    encoder = runtime.streaming.StreamEncoder(5, RATE, block=50)
    _, decoder = decoded(encoder.push(array.samples[:100]) + encoder.finish())
    assert [first for first, _ in decoder.masks] == [0, 50, 100] and all(mask.all() for _, mask in decoder.masks)


def test_chunks_of_another_kind_are_refused(packets, whole):
    """With right checksums: another bound, another length, a coding of another number, an end too early."""
    reader = PacketReader()
    reader.push(packets[1])
    good = reader.next()
    changed = [
        good.payload[:11] + b"\x04" + good.payload[12:],
        good.payload[:11] + b"\x02" + good.payload[12:],
        b"\x01" + good.payload[1:],
        good.payload[:4] + b"\x01" + good.payload[5:],
        good.payload[:7],
        good.payload[:30],
        b"",
    ]
    for payload in changed:
        packet = replace(good, payload=payload).pack()
        blocks, decoder = decoded([packets[0], packet, *packets[2:]])
        assert decoder.missing == BLOCK and "undecodable" in {event.kind for event in decoder.events}
        assert np.array_equal(np.concatenate([samples for _, samples in blocks][1:]), whole[0][2 * BLOCK :])


def test_description(packets):
    told = Description.parse(packets[0][HEAD_BYTES:-4])
    assert told.spikes and told.max_error == 3 and told.block == BLOCK and told.period == 6
    assert Description.parse(told.pack()) == told
    with pytest.raises(runtime.CorruptError, match="version"):
        Description.parse(b"\x03" + told.pack()[1:])


def test_empty_stream():
    blocks, decoder = decoded(encoded(np.zeros((0, 3), np.int16)))
    assert sum(len(samples) for _, samples in blocks) == 0 and decoder.complete and not decoder.events


@pytest.mark.parametrize(
    "options",
    [
        {"target_rate": 0},
        {"target_rate": float("nan")},
        {"block": 0},
        {"block": 1 << 17},
        {"channels": 0},
        {"channels": 70000},
        {"sample_rate": 1000},
        {"sample_rate": 0},
        {"stream": -1},
    ],
)
def test_impossible_options(options):
    with pytest.raises(runtime.UsageError):
        SpikeStreamEncoder(**{"channels": 5, "sample_rate": RATE, **options})


def test_default_blocks():
    assert default_block(100, 20000) == 1000 and default_block(4096, 30000) == 1024


def run(*arguments, data=b""):
    command = [sys.executable, "-m", "runtime", "stream", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=120)


def test_pipes(array, packets, whole):
    data = array.samples.astype("<i2").tobytes()
    options = ("--channels", 5, "--sample-rate", RATE, "--keep", "spikes", "--block", BLOCK, "--resync", 0.2)
    coded = run("encode", *options, data=data)
    assert coded.returncode == 0 and coded.stdout == b"".join(packets)
    good = run("decode", data=coded.stdout)
    assert good.returncode == 0 and good.stdout == whole[0].astype("<i2").tobytes()
    bad = run("decode", data=b"".join([*packets[:4], *packets[5:]]))
    assert bad.returncode == 1 and b"frames 2800 to 3499 are missing" in bad.stderr
    assert bad.stdout == good.stdout[: 2800 * 10] + good.stdout[3500 * 10 :]


@pytest.mark.parametrize(
    "more",
    [("--threshold", 0), ("--sample-rate", 100), ("--calibration", "x")],
)
def test_usage(more):
    made = run("encode", "--channels", 1, "--sample-rate", RATE, "--keep", "spikes", *more)
    assert made.returncode == 2 and made.stdout == b"" and b"Traceback" not in made.stderr


def test_what_goes_with_keep_only():
    assert run("encode", "--channels", 1, "--sample-rate", RATE, "--threshold", 4).returncode == 2


@pytest.mark.parametrize("rate", [2000, 19531, 20000, 30000])
@pytest.mark.parametrize("keep", ["spikes", "spikes,lfp"])
def test_packets_wait_for_a_millisecond_at_most(rate, keep):
    assert 0 < SpikeStreamEncoder(2, rate, SpikeOptions(keep)).delay <= rate / 1000


def test_spikes_at_the_ends_of_blocks_are_found_once():
    """Spikes lie all around the ends; none gets lost where the filter does not know all that follows."""
    random, shape = np.random.default_rng(12), np.array([-60, -150, -110, -30, 25, 40, 35, 20, 10])
    codes = random.normal(0, 6, (40 * BLOCK, 4))
    times = 5 * BLOCK + np.arange(35) * (BLOCK + 3) - 55
    for time in times:
        codes[time : time + len(shape)] += shape[:, None]
    samples = CODE_TO_SAMPLE[np.rint(codes).astype(int) + 512]
    mask = np.concatenate([part for _, part in decoded(encoded(samples, threshold=6))[1].masks])
    assert all(mask[time - 5 : time + 20].all() for time in times)
    begins = (mask[1:] & ~mask[:-1]).sum(axis=0)
    assert (begins <= len(times) + 3).all()


def test_off_the_table(array):
    samples = (array.codes * 45 - 700).astype(np.int16)
    coded = encoded(samples, max_error=100)
    blocks, decoder = decoded(coded)
    mask = np.concatenate([part for _, part in decoder.masks])
    error = np.abs(np.concatenate([part for _, part in blocks]).astype(int) - samples)
    assert decoder.complete and error[mask].max() == 100 < error[~mask].max() and 0.005 < mask.mean() < 0.2
    told = Description.parse(coded[0][HEAD_BYTES:-4])
    assert told.model == models.load("spikes").identity and 8 * sum(map(len, coded)) / samples.size < 0.6


def test_leaves_the_table_when_a_sample_does(array):
    """What was found before goes on: spikes of both halves are in windows, and the noise is known at once."""
    half = FRAMES // 2
    samples = np.vstack([array.samples[:half], array.samples[half:] // 2 * 2 + 1])
    blocks, decoder = decoded(encoded(samples, max_error=3))
    mask = np.concatenate([part for _, part in decoder.masks])
    plain, one = decoded(encoded(array.samples))
    usual = np.concatenate([part for _, part in one.masks])
    assert decoder.complete and (mask != usual).mean() < 0.002
    result = np.concatenate([part for _, part in blocks])
    inside = mask[half + BLOCK :]
    assert np.abs(result[half + BLOCK :].astype(int) - samples[half + BLOCK :])[inside].max() <= 3


@pytest.mark.parametrize("implant", [True, False])
def test_lfp_goes_on_from_block_to_block(array, implant):
    samples = array.samples if implant else (array.codes * 45 - 700).astype(np.int16)
    coded = encoded(samples, keep="spikes,lfp", max_error=3 if implant else 135, block=1000)
    blocks, decoder = decoded(coded)
    result = np.concatenate([part for _, part in blocks])
    assert decoder.complete and result.shape == samples.shape
    kernel = np.hanning(101) / np.hanning(101).sum()
    values = [codes_of(result).astype(int) - 512 if implant else result / 45, samples / (64 if implant else 45)]
    for channel in range(5):
        after, before = (np.convolve(x[:, channel], kernel, "valid") for x in values)
        assert np.corrcoef(before, after)[0, 1] > 0.975
    steps = np.abs(np.diff(values[0], axis=0)).max(axis=1)
    mask = np.concatenate([part for _, part in decoder.masks]).any(axis=1)
    ends = np.arange(999, FRAMES - 1, 1000)
    clear = ends[[not mask[end - 20 : end + 20].any() for end in ends]]
    assert len(clear) > 3 and steps[clear].max() <= 24


def fullest(packets, block=BLOCK):
    """Bits of the fullest second: packets come with the ends of their blocks."""
    sizes = 8 * np.array([len(packet) for packet in packets])
    ends = block * np.arange(1, len(sizes) + 1)
    return max(sizes[(ends > end - RATE) & (ends <= end)].sum() for end in ends)


def test_a_target_rate_is_kept_in_every_second(array):
    samples = np.tile(array.samples, (2, 1))
    free = encoded(samples)
    for share in (0.9, 0.6):
        target = int(share * fullest(free))
        encoder = SpikeStreamEncoder(5, RATE, block=BLOCK, target_rate=target)
        coded = encoder.push(samples) + encoder.finish()
        assert 0.75 * target < fullest(coded) <= target
        blocks, decoder = decoded(coded)
        bounds = [packet[HEAD_BYTES + DESCRIPTION_BYTES * bool(packet[2] & 1) :][11] for packet in coded[:-1]]
        assert min(bounds) >= 3 and max(bounds) > 3 and decoder.complete
        mask = np.concatenate([part for _, part in decoder.masks])
        error = np.abs(codes_of(np.concatenate([part for _, part in blocks])).astype(int) - codes_of(samples))
        for block, bound in enumerate(bounds):
            part = slice(block * BLOCK, (block + 1) * BLOCK)
            assert error[part][mask[part]].max(initial=0) <= bound
        assert f"{min(bounds)} to " in encoder.report() and f"of {target} bit/s" in encoder.report()


@pytest.mark.parametrize("seed", range(4))
def test_no_second_is_beyond_its_target_whatever_fires(seed):
    """Bursts of all channels at once, channels that fire all the time, silence, and targets that are hardly enough."""
    random, channels = np.random.default_rng(seed), 12
    block, frames = int(random.integers(300, 2500)), int(random.integers(2 * RATE, 3 * RATE))
    codes = random.normal(0, 6, (frames, channels))
    for begin in random.integers(0, frames - 3000, 3):
        codes[begin : begin + 2500 : int(random.integers(25, 120))] -= random.uniform(40, 200, channels)
    codes[::90, 0] -= 150
    samples = CODE_TO_SAMPLE[np.rint(codes).astype(int).clip(-512, 511) + 512]
    empty = max(map(len, encoded(samples[:4000] // 64 * 0, block=block)))
    for target in (9 * empty * RATE // block + 2000, 60000):
        encoder = SpikeStreamEncoder(channels, RATE, block=block, target_rate=target, resync=0.5)
        coded = [packet for first in range(0, frames, 999) for packet in encoder.push(samples[first : first + 999])]
        coded += encoder.finish()
        assert fullest(coded, block) <= target and "larger" not in encoder.report()
        assert " 0 of " not in encoder.report() and decoded(coded)[1].complete


def test_the_clearest_spikes_stay(array):
    """With few bytes, what is left out passes the threshold by less than what stays."""
    random = np.random.default_rng(3)
    codes = random.normal(0, 6, (2 * FRAMES, 4))
    shape = np.array([-0.5, -1, -0.6, 0, 0.3, 0.3, 0.1])[:, None]
    small, large = np.arange(3000, 2 * FRAMES - 200, 211), np.arange(3100, 2 * FRAMES - 200, 633)
    for times, size in ((small, 45), (large, 160)):
        for time in times:
            codes[time : time + len(shape)] += size * shape
    samples = CODE_TO_SAMPLE[np.rint(codes).astype(int).clip(-512, 511) + 512]
    usual, few = (
        np.concatenate([part for _, part in decoded(encoded(samples, **options))[1].masks])
        for options in ({}, {"target_rate": 0.6 * fullest(encoded(samples))})
    )
    late = FRAMES
    shares = [[mask[t[t > late]].mean() for t in (small, large)] for mask in (usual, few)]
    assert shares[0][1] > 0.99 and shares[1][1] > 0.95 and shares[1][0] < 0.7 * shares[0][0]
    assert few[late:].any(axis=0).all()


def test_busy_channels_and_saturated_ones_are_held_back(array):
    random = np.random.default_rng(2)
    wild, rails = np.zeros((2, FRAMES))
    wild[::40] = -300 * random.random(len(wild[::40]))
    rails[:] = np.where(random.random(FRAMES) < 0.3, -512, 100 * random.normal(size=FRAMES)).clip(-512, 511)
    extra = CODE_TO_SAMPLE[np.rint(np.stack([wild, rails], axis=1)).astype(int) + 512]
    samples = np.tile(np.hstack([array.samples, extra]), (2, 1))
    mask = np.concatenate([part for _, part in decoded(encoded(samples))[1].masks])
    alone = np.concatenate([part for _, part in decoded(encoded(np.tile(array.samples, (2, 1))))[1].masks])
    assert np.array_equal(mask[:, :5], alone)
    assert 0 < mask[FRAMES:, 5].mean() < 0.8 * mask[: FRAMES // 4, 5].mean() and mask[:, 6].sum() == 0


def test_pipes_with_more(array):
    data = (array.codes * 45 - 700).astype("<i2").tobytes()
    options = ("--keep", "spikes,lfp", "--max-error", 90, "--target-rate", 60000)
    coded = run("encode", "--channels", 5, "--sample-rate", RATE, *options, data=data)
    assert coded.returncode == 0 and b"of 60000 bit/s over a second" in coded.stderr
    assert run("decode", data=coded.stdout).returncode == 0
    assert run("encode", "--channels", 5, "--sample-rate", RATE, "--target-rate", 60000, data=data).returncode == 2


def test_damage_to_a_field_potential_is_an_error(array):
    n1 = models.load()
    encoder = SpikeEncoder(5, SpikeOptions(("spikes", "lfp"), sample_rate=RATE), 2000, n1)
    payload = encoder.push(array.samples)[2]
    good, random = spikes.decode(payload, 5, 16, n1), np.random.default_rng(9)
    plan = parse_head(payload, 5, 16).end
    assert payload[12] & 15 == 2
    for at in [plan + 1, plan + 2, *random.integers(plan, plan + 60, 60).tolist()]:
        broken = bytearray(payload)
        broken[at] ^= 1 << int(random.integers(8))
        try:
            decoded_all = spikes.decode(bytes(broken), 5, 16, n1)
        except runtime.CorruptError:
            continue
        assert np.array_equal(decoded_all, good), f"byte {at}"


def test_a_smaller_bound_than_the_streams_is_refused(packets):
    reader = PacketReader()
    reader.push(b"".join(packets[:2]))
    told = Description.parse(reader.next().payload)
    packet = reader.next()
    assert chunk_of(packet, replace(told, max_error=2)) == chunk_of(packet, told) == packet.payload
    with pytest.raises(runtime.CorruptError, match="smaller bound"):
        chunk_of(packet, replace(told, max_error=4))


def test_a_target_rate_that_cannot_be_kept_is_told():
    data = np.zeros((2 * BLOCK, 5), np.int16).tobytes()
    done = run("encode", "--channels", 5, "--sample-rate", RATE, "--keep", "spikes", "--target-rate", 10, data=data)
    assert done.returncode == 1 and b"beyond the target rate" in done.stderr
