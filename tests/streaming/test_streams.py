"""Streams: what goes in comes out, and what is lost on the way is said exactly and never made up."""

import struct
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest

import runtime
from runtime.core import near_lossless
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor import model
from runtime.streaming import Calibration, SpikeStreamEncoder, StreamDecoder, StreamEncoder
from runtime.streaming.encoder import default_block
from runtime.streaming.packets import HEAD_BYTES, OVERHEAD, PacketReader

pytestmark = pytest.mark.slow

RATE, BLOCK, PERIOD = 20000, 25, 10
"""With these, a key packet every 250 frames."""


@pytest.fixture(scope="module")
def frames():
    """Six channels on the implant's table, one off it, one constant."""
    from training.simulate import simulate

    implant = simulate(3000, 6, seed=21).samples
    t = np.arange(3000)[:, None]
    wave = 9000 * np.sin(t / 90) + np.random.default_rng(3).normal(0, 50, (3000, 1))
    return np.hstack([implant, wave.astype(np.int16), np.full((3000, 1), 95, np.int16)])


@pytest.fixture(scope="module")
def calibration(frames):
    return Calibration.of_samples(frames[:1500])


def encoded(frames, **options):
    options = {"block": BLOCK, "resync": BLOCK * PERIOD / RATE, **options}
    encoder = StreamEncoder(frames.shape[1], RATE, **options)
    packets, first, random = [], 0, np.random.default_rng(1)
    while first < len(frames):
        count = int(random.integers(0, 70))
        packets += encoder.push(frames[first : first + count])
        first += count
    return packets + encoder.finish()


def decoded(packets, pieces=None, **options):
    """(first, samples) blocks, and the decoder."""
    decoder = StreamDecoder(**options)
    data = b"".join(packets)
    size = pieces or max(1, len(data))
    out = [block for at in range(0, len(data), size) for block in decoder.push(data[at : at + size])]
    return out + decoder.finish(), decoder


def joined(blocks, channels=8):
    return np.concatenate([samples for _, samples in blocks] or [np.zeros((0, channels), np.int16)])


def check_rest(blocks, decoder, frames, missing):
    """All frames but `missing` (ranges) came back in order; the events say just these."""
    told = [n for e in decoder.events if e.kind == "missing" for n in range(e.first, e.first + e.frames)]
    gone = [n for part in missing for n in part]
    assert told == gone and decoder.missing == len(gone)
    numbers = [n for first, samples in blocks for n in range(first, first + len(samples))]
    assert numbers == [n for n in range(len(frames)) if n not in gone]
    assert np.array_equal(joined(blocks), frames[numbers])


@pytest.mark.parametrize("pieces", [1, 1000, None])
def test_comes_back(frames, calibration, pieces):
    for known in (None, calibration):
        packets = encoded(frames, calibration=known)
        blocks, decoder = decoded(packets, pieces)
        check_rest(blocks, decoder, frames, [])
        assert decoder.complete and decoder.events == []
        assert len(packets) == len(frames) // BLOCK + 1


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_short_streams(frames, count):
    blocks, decoder = decoded(encoded(frames[:count]))
    assert decoder.complete and not decoder.events and np.array_equal(joined(blocks), frames[:count])


def test_models_and_blocks(frames, calibration, root):
    for name in ("implant-small", "implant", root / "tests" / "vectors" / "model.onnx"):
        for block in (1, 7, 400):
            packets = encoded(frames[:800], model=name, block=block, calibration=calibration)
            blocks, decoder = decoded(packets, model=name)
            assert decoder.complete and np.array_equal(joined(blocks), frames[:800])
    with pytest.raises(runtime.ModelError):
        decoded(packets)
    with pytest.raises(runtime.ModelError):
        decoded(packets, model="implant-small")


def test_long_histories_do_not_run_out(frames):
    """Blocks that go past the columns of the decoder's histories in every way."""
    long = np.tile(frames, (3, 1))
    blocks, decoder = decoded(encoded(long, block=97, resync=10.0))
    assert decoder.complete and np.array_equal(joined(blocks), long)


@pytest.mark.parametrize("max_error", [1, 4, 200])
def test_bounded_error(frames, calibration, max_error):
    for known in (None, calibration):
        packets = encoded(frames, calibration=known, max_error=max_error)
        blocks, decoder = decoded(packets)
        assert decoder.complete and not decoder.events
        assert near_lossless.within(frames, joined(blocks), max_error)
    assert sum(map(len, packets)) < sum(map(len, encoded(frames, calibration=known)))


def test_channels_that_leave_what_was_known_of_them(frames, calibration):
    """Samples off the implant's table in implant channels, a constant channel that changes, full scale: all exact."""
    wild = frames.copy()
    wild[700:720, 2] += 7
    wild[1000, 6], wild[1001, 6] = -32768, 32767
    wild[1500:, 7] = CODE_TO_SAMPLE[np.random.default_rng(4).integers(0, 1024, 1500)]
    wild[2000:, 5] = np.random.default_rng(5).integers(-32768, 32768, 1000)
    for max_error in (0, 3):
        blocks, decoder = decoded(encoded(wild, calibration=calibration, max_error=max_error))
        assert decoder.complete and not decoder.events
        result = joined(blocks)
        assert np.abs(result[:, 6].astype(int) - wild[:, 6]).max() <= max_error
        if not max_error:
            assert np.array_equal(result, wild)
        assert np.array_equal(result[700:720, 2], wild[700:720, 2])


def test_a_lost_packet(frames):
    packets = encoded(frames)
    blocks, decoder = decoded(packets[:33] + packets[34:])
    check_rest(blocks, decoder, frames, [range(33 * BLOCK, 40 * BLOCK)])
    assert decoder.complete
    blocks, decoder = decoded(packets[:30] + packets[31:])  # a key packet
    check_rest(blocks, decoder, frames, [range(30 * BLOCK, 40 * BLOCK)])
    blocks, decoder = decoded(packets[:39] + packets[40:])  # the last one before a key packet
    check_rest(blocks, decoder, frames, [range(39 * BLOCK, 40 * BLOCK)])
    blocks, decoder = decoded(packets[1:])
    check_rest(blocks, decoder, frames, [range(0, 10 * BLOCK)])


def test_packets_lost_at_the_end(frames):
    packets = encoded(frames[:1040])
    blocks, decoder = decoded(packets[:-1])
    assert [e.kind for e in decoder.events] == ["truncated"] and not decoder.complete
    assert np.array_equal(joined(blocks), frames[:1025])
    blocks, decoder = decoded(packets[:-2] + packets[-1:])
    check_rest(blocks, decoder, frames[:1040], [range(1000, 1040)])
    assert decoder.complete


def test_duplicated_and_reordered_packets(frames):
    packets = encoded(frames)
    blocks, decoder = decoded([*packets[:20], packets[19], *packets[20:]])
    assert [e.kind for e in decoder.events] == ["late"]
    decoder.events.clear()
    check_rest(blocks, decoder, frames, [])
    blocks, decoder = decoded([*packets[:23], packets[24], packets[23], *packets[25:]])
    assert "late" in [e.kind for e in decoder.events]
    check_rest(blocks, decoder, frames, [range(23 * BLOCK, 30 * BLOCK)])


def test_foreign_packets(frames):
    mine, other = encoded(frames), encoded(frames[::-1].copy(), stream=7)
    mixed = [packet for pair in zip(mine, other, strict=True) for packet in pair]
    blocks, decoder = decoded(mixed)
    assert {e.kind for e in decoder.events} == {"foreign"}
    decoder.events.clear()
    check_rest(blocks, decoder, frames, [])
    blocks, decoder = decoded(mixed, stream=7)
    assert np.array_equal(joined(blocks), frames[::-1])


def test_joining(frames):
    packets = encoded(frames)
    blocks, decoder = decoded([b"\1\2\3" + packets[7][5:], *packets[8:]], join=True)
    assert decoder.complete and decoder.missing == 0 and not decoder.events
    assert blocks[0][0] == 10 * BLOCK and np.array_equal(joined(blocks), frames[10 * BLOCK :])


@pytest.mark.parametrize("first", [(1 << 31) - 20, 1 << 31, (1 << 32) - 20])
def test_joining_late_in_a_long_stream(frames, first):
    """Block numbers beyond 2^31 are not late, and go on behind 2^32."""
    first = first // PERIOD * PERIOD
    reader = PacketReader()
    reader.push(b"".join(encoded(frames)))
    packets = []
    while (packet := reader.next()) is not None:
        packets.append(replace(packet, sequence=first + packet.sequence).pack())
    blocks, decoder = decoded([*packets[3:33], *packets[34:]], join=True)
    assert decoder.complete and decoder.missing == 7 * BLOCK
    numbers = [n - first * BLOCK for start, samples in blocks for n in range(start, start + len(samples))]
    assert numbers == [*range(10 * BLOCK, 33 * BLOCK), *range(40 * BLOCK, len(frames))]
    assert np.array_equal(joined(blocks), frames[numbers])


@pytest.mark.parametrize("seed", range(6))
def test_damage_never_gives_wrong_samples(frames, seed):
    random = np.random.default_rng(seed)
    data = bytearray(b"".join(encoded(frames)))
    for _ in range(4):
        at = int(random.integers(len(data)))
        kind = random.integers(3)
        if kind == 0:
            data[at] ^= 1 << int(random.integers(8))
        elif kind == 1:
            del data[at : at + int(random.integers(1, 900))]
        else:
            data[at:at] = random.bytes(int(random.integers(1, 900)))
    blocks, decoder = decoded([bytes(data)], pieces=[None, 173][seed % 2])
    numbers = [n for first, samples in blocks for n in range(first, first + len(samples))]
    assert np.array_equal(joined(blocks), frames[numbers])
    told = [n for e in decoder.events if e.kind == "missing" for n in range(e.first, e.first + e.frames)]
    assert sorted(numbers + told) == list(range(len(numbers) + len(told)))
    assert decoder.events and (not decoder.complete or len(numbers) + len(told) == len(frames))


def test_good_packets_with_impossible_contents(frames):
    packets = encoded(frames)
    for at in (12, 30, 60, -9, -5):  # in a key packet: description, side information, body
        for number in (10, 11):
            payload = bytearray(packets[number][HEAD_BYTES:-4])
            payload[at] ^= 0xFF
            head = packets[number][:HEAD_BYTES]
            bad = head + bytes(payload)
            bad += struct.pack("<I", zlib.crc32(bad))
            blocks, decoder = decoded([*packets[:number], bad, *packets[number + 1 :]])
            numbers = [n for first, samples in blocks for n in range(first, first + len(samples))]
            if np.array_equal(joined(blocks), frames[numbers]):
                continue  # refused, or padding
            assert "undecodable" in [e.kind for e in decoder.events], "wrong samples, and nobody noticed"


def test_a_long_gap_costs_nothing(frames):
    packets = encoded(frames[:300])
    late = bytearray(packets[10])
    late[4:8] = struct.pack("<I", 2_000_000_000 // PERIOD * PERIOD)
    late[11] = zlib.crc32(bytes(late[:11])) & 255
    late[-4:] = struct.pack("<I", zlib.crc32(bytes(late[:-4])))
    blocks, decoder = decoded([*packets[:3], bytes(late)])
    assert [e.kind for e in decoder.events] == ["missing", "truncated"]
    assert decoder.events[0].first == 75 and len(joined(blocks)) == 100


def test_latency_is_one_block(frames):
    """A packet comes with the last frame of its block, and is decoded as soon as it has arrived."""
    encoder, decoder = StreamEncoder(8, RATE, block=BLOCK), StreamDecoder()
    for first in range(0, 200, 5):
        packets = encoder.push(frames[first : first + 5])
        assert len(packets) == ((first + 5) % BLOCK == 0)
        for packet in packets:
            assert not decoder.push(packet[:-1])
            ((start, samples),) = decoder.push(packet[-1:])
            assert np.array_equal(samples, frames[start : start + BLOCK])


def test_markers_in_payloads_do_not_confuse(frames):
    reader = PacketReader()
    packets = encoded(frames[:500])
    reader.push(b"\xa7" + b"\xa7\x4d" * 20 + b"".join(packets) + b"\xa7")
    found = []
    while (packet := reader.next()) is not None:
        found.append(packet.pack())
        reader.skipped = 0
    assert found == packets
    assert not reader.finish() or reader.next() is None


def test_parameters(frames, calibration):
    again = Calibration.parse(calibration.pack())
    assert again.pack() == calibration.pack() and again.channels == 8
    before = calibration.pack()
    calibrated, general = (sum(map(len, encoded(frames, calibration=c, resync=1.0))) for c in (calibration, None))
    assert calibrated < general and calibration.pack() == before


def test_bad_calibrations(frames, calibration, tmp_path):
    data = calibration.pack()
    sealed = lambda body: body + zlib.crc32(body).to_bytes(4, "little")  # noqa: E731
    other_count, longer = data[:5] + b"\1\0" + data[7:-4], data[:-4] + b"\0"
    bad = [b"", b"nonsense", data[:-3], data[:20] + b"x" + data[21:], sealed(data[:5] + b"\0\0"), data[:8]]
    for one in [*bad, sealed(other_count), sealed(longer), sealed(data[:-20])]:
        with pytest.raises(runtime.FileFormatError):
            Calibration.parse(one)
    with pytest.raises(runtime.UsageError):
        Calibration.load(tmp_path / "none.json")
    with pytest.raises(runtime.UsageError):
        Calibration.of_samples(frames[:100])
    for other in (frames.astype(np.int32), frames.astype(np.float32), frames[:, 0]):
        with pytest.raises(runtime.UsageError, match="int16"):
            Calibration.of_samples(other)
    with pytest.raises(runtime.UsageError):
        StreamEncoder(3, RATE, calibration=calibration)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 0},
        {"channels": 70000},
        {"sample_rate": 0},
        {"sample_rate": 0.5},
        {"block": 0},
        {"block": 1 << 20},
        {"resync": 0},
        {"stream": 256},
        {"stream": 1.5},
        {"max_error": 256},
        {"channels": "4"},
        {"sample_rate": None},
        {"resync": float("nan")},
    ],
)
def test_impossible_options(options):
    with pytest.raises(runtime.UsageError):
        StreamEncoder(**{"channels": 4, "sample_rate": RATE, **options})


@pytest.mark.parametrize("kind", [StreamEncoder, SpikeStreamEncoder])
def test_whole_numbers_may_come_as_floats(kind, frames):
    packets = []
    for number in (int, float):
        fields = {"channels": number(4), "sample_rate": number(RATE), "block": number(50), "stream": number(3)}
        encoder = kind(**fields)
        packets.append(encoder.push(frames[:600, :4]) + encoder.finish())
    assert packets[0] == packets[1]


def test_frames_of_another_kind():
    encoder = StreamEncoder(4, RATE)
    for bad in (np.zeros((3, 5), np.int16), np.zeros(4, np.int16), np.zeros((3, 4), np.int32)):
        with pytest.raises(runtime.UsageError):
            encoder.push(bad)


def test_default_blocks_are_short():
    assert default_block(256, 20000) == 8 and default_block(1024, 20000) == 8
    assert default_block(32, 20000) == 14 and default_block(1, 20000) == 100


# --- through the command line ----------------------------------------------------------------------------------------


def run(*arguments, data=b""):
    command = [sys.executable, "-m", "runtime", "stream", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def raw(frames):
    return frames.astype("<i2").tobytes()


def test_pipes(raw, frames, simulation_wav, tmp_path):
    made = run("calibrate", simulation_wav, "-o", tmp_path / "one.mdc")
    assert made.returncode == 0 and Calibration.load(tmp_path / "one.mdc").channels == 1
    assert run("calibrate", simulation_wav, "-o", tmp_path / "one.mdc").returncode == 2, "overwrote a file"
    channel = frames[:, 0].astype("<i2").tobytes()
    coded = run("encode", "--channels", 1, "--sample-rate", RATE, "--calibration", tmp_path / "one.mdc", data=channel)
    assert coded.returncode == 0 and len(coded.stdout) < len(channel)
    assert run("decode", data=coded.stdout).stdout == channel


def test_a_damaged_pipe(raw):
    options = ("--channels", 8, "--sample-rate", RATE, "--resync", 0.05)
    good = run("encode", *options, data=raw)
    assert good.returncode == 0 and run("decode", data=good.stdout).stdout == raw
    third = len(good.stdout) // 3
    bad = run("decode", data=good.stdout[:third] + good.stdout[third + 500 :])
    assert bad.returncode == 1 and bad.stderr.count(b"are missing") == 1 and 0 < len(bad.stdout) < len(raw)


def test_exit_codes(raw, root):
    vectors = root / "tests" / "vectors" / "model.onnx"
    coded = run("encode", "--channels", 8, "--sample-rate", RATE, "--max-error", 2, "--model", vectors, "-q", data=raw)
    assert coded.returncode == 0 and coded.stderr == b""
    assert run("decode", data=coded.stdout).returncode == 3
    assert run("decode", "--model", vectors, data=coded.stdout).returncode == 0
    truncated = run("decode", "--model", vectors, data=coded.stdout[: -OVERHEAD - 7])
    assert truncated.returncode == 1 and b"without its last packet" in truncated.stderr
    assert run("encode", "--channels", 8, "--sample-rate", RATE, data=raw + b"\0").returncode == 1
    assert run("encode", "--channels", 8, data=raw).returncode == 2
    assert run("encode", "--channels", 8, "--sample-rate", RATE, "--block", 1 << 20, data=raw).returncode == 2
    assert run("decode", data=b"nothing of the kind").returncode == 1
    assert model.load("implant-small").name == "implant-small-v1"


def test_a_stream_by_its_number_and_from_where_it_was_joined(raw):
    options = ("--channels", 8, "--sample-rate", RATE, "--block", 50, "--resync", 0.01, "-q")
    own, other = (run("encode", *options, "--stream", number, data=raw).stdout for number in (7, 9))
    back = run("decode", "--stream", 7, data=other + own)
    assert back.returncode == 1 and back.stdout == raw
    assert b"a packet of stream 9, in stream 7, " in back.stderr and b" times" in back.stderr
    assert run("decode", "--stream", 256, data=own).returncode == 2
    joined = run("decode", "--join", data=own[len(own) // 2 :])
    first = (len(raw) - len(joined.stdout)) // 16
    assert joined.returncode == 0 and raw.endswith(joined.stdout) and 0 < first
    assert f"frames from frame {first} on".encode() in joined.stderr


def test_channels_that_are_constant_in_a_calibration_may_come_alive(frames):
    quiet = frames.copy()
    quiet[:, :3] = frames[0, :3]
    sizes = [sum(map(len, encoded(frames, calibration=Calibration.of_samples(one)))) for one in (frames, quiet)]
    assert sizes[1] < 1.02 * sizes[0]
