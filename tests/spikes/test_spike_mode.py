"""Spike mode: windows within the bound, spikes found again, little for the rest, damage refused."""

import io
from dataclasses import replace

import numpy as np
import pytest

import runtime
from runtime import spikes
from runtime.cli import main
from runtime.container.header import Header, check_chunk
from runtime.core.implant_table import CODE_TO_SAMPLE, codes_of
from runtime.predictor import model
from runtime.recording.wav import WavFormat, canonical_header
from runtime.spikes.candidates import Candidates
from runtime.spikes.chunk import parse
from runtime.spikes.detection import filters
from runtime.spikes.detection.offline import detect
from runtime.spikes.options import SpikeOptions
from runtime.spikes.payload.symbols import SymbolReader, SymbolWriter
from runtime.spikes.render import lfp, rendering
from runtime.spikes.summary import summary
from training.simulate import RATE, simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def array():
    """Four simulated channels, two seconds, and their units."""
    return simulate(2 * RATE, 4, seed=5)


def values_of(samples):
    """Codes -512..511."""
    return codes_of(np.ascontiguousarray(samples)).astype(int) - 512


def read(data):
    with runtime.open(io.BytesIO(data)) as reader:
        return reader.read(), reader.mask()


@pytest.mark.parametrize("keep", ["spikes", "spikes,lfp"])
@pytest.mark.parametrize("max_error", [0, 3, 20])
def test_windows_are_within_the_bound_and_hold_the_spikes(array, keep, max_error):
    data = runtime.encode(array.samples, RATE, keep=keep, max_error=max_error)
    decoded, mask = read(data)
    error = np.abs(values_of(decoded) - array.codes)
    assert error[mask].max() <= max_error < error[~mask].max()
    assert 0.005 < mask.mean() < 0.2
    big = [(unit.channel, t) for unit in array.spikes if unit.peak > 70 for t in unit.times if 50 < t < 2 * RATE - 50]
    assert len(big) > 20
    assert np.mean([mask[t - 5 : t + 20, channel].all() for channel, t in big]) > 0.97
    assert len(data) < array.samples.size * 10 / 8 / (30 if max_error else 15)


def test_off_the_table_too(array):
    samples = (array.codes * 37 + 900).astype(np.int16)  # another device: low bits, an offset
    for max_error in (0, 11, 40):
        decoded, mask = read(runtime.encode(samples, RATE, keep="spikes", max_error=max_error))
        error = np.abs(decoded.astype(int) - samples)
        assert mask.any() and error[mask].max() <= max_error
    eight = np.clip(array.codes // 2 + 128, 0, 255).astype(np.uint8)
    decoded, mask = read(runtime.encode(eight, RATE, keep="spikes", max_error=1))
    assert decoded.dtype == np.uint8 and mask.any()
    assert np.abs(decoded.astype(int) - eight)[mask].max() <= 1


def test_escapes_and_low_bits_come_back():
    random = np.random.default_rng(3)
    samples = random.normal(0, 300, (9000, 2))
    samples[2000::1000] -= 31000
    samples[2001::1000] += 31000
    samples = np.clip(samples, -32768, 32767).astype(np.int16)
    decoded, mask = read(runtime.encode(samples, RATE, keep="spikes", max_error=0))
    assert np.array_equal(decoded[mask], samples[mask]) and mask[2000::1000].all() and mask[2001::1000].all()
    payload = spikes.encode(samples, 16, SpikeOptions(max_error=0, sample_rate=RATE), None, model.load())
    chunk, _ = parse(payload, 2, 16, model.load())
    assert chunk.units.shift > 0 and len(chunk.escapes) > 0


def test_crossings_are_found_again(array):
    """Encoded with the default threshold; the detector's crossings of the original are there in what is decoded."""
    decoded, _ = read(runtime.encode(array.samples, RATE, keep="spikes"))
    options = SpikeOptions(sample_rate=RATE)
    before = detect(array.codes.astype(np.int16), options, -512, 511)
    band = filters.band_of(values_of(decoded).astype(np.int16), RATE)
    after = filters.crossings(band, before.threshold, round(RATE / 1000))
    assert len(before.channel) > 60
    place = np.sort(after[0] * 10**6 + after[1])
    wanted = before.channel * 10**6 + before.frame
    nearest = place[np.clip(np.searchsorted(place, wanted - 10), 0, len(place) - 1)]
    assert np.mean(np.abs(nearest - wanted) <= 10) >= 0.97
    assert len(place) <= 1.02 * len(wanted)


def test_channels_without_spikes_cost_next_to_nothing(array):
    random = np.random.default_rng(1)
    frames = len(array.samples)
    quiet = CODE_TO_SAMPLE[np.clip(np.rint(random.normal(0, 0.4, (frames, 300))), -3, 3).astype(int) + 512]
    dead = np.full((frames, 200), CODE_TO_SAMPLE[517], np.int16)
    rails = CODE_TO_SAMPLE[np.where(random.random((frames, 100)) < 0.5, 0, 1023)]
    one_chunk = {"keep": "spikes", "verify": False, "chunk_frames": frames, "sha256": False}
    alone = runtime.encode(array.samples, RATE, **one_chunk)
    among = runtime.encode(np.hstack([array.samples, quiet, dead, rails]), RATE, **one_chunk)
    assert 8 * (len(among) - len(alone)) <= 1.3 * 600
    assert read(among)[1][:, 4:].sum() == 0


def test_a_channel_that_is_all_crossings_does_not_starve_others(array):
    random = np.random.default_rng(2)
    wild = np.zeros(len(array.samples))
    wild[::40] = -300 * random.random(len(wild[::40]))
    samples = np.hstack([array.samples, CODE_TO_SAMPLE[np.rint(wild).astype(int) + 512][:, None]])
    free = read(runtime.encode(samples, RATE, keep="spikes", verify=False))[1]
    assert free[:, 4].mean() <= 0.26
    data = runtime.encode(samples, RATE, keep="spikes", target_rate=13000)
    mask = read(data)[1]
    assert 8 * len(data) / 2 <= 13000
    kept = mask.sum(axis=0) / np.maximum(free.sum(axis=0), 1)
    assert kept[4] < 0.5 and kept[:4].min() > 2 * kept[4]


def test_a_target_raises_the_error_first(array):
    free = len(runtime.encode(array.samples, RATE, keep="spikes"))
    data = runtime.encode(array.samples, RATE, keep="spikes", target_rate=0.93 * 8 * free / 2)
    assert len(data) <= 0.93 * free
    with runtime.open(io.BytesIO(data)) as reader:
        facts = summary(reader._chunks.task(0).payload, 4, 16)
    assert reader._chunks.task(0).payload[11] > 3 and facts.windows == read_windows(array) and facts.highest == 4.5


def read_windows(array):
    return len(Candidates(array.samples, 16, SpikeOptions(sample_rate=RATE), model.load()).detect().windows)


def test_lfp_follows_the_field_potential(array):
    decoded, mask = read(runtime.encode(array.samples, RATE, keep="spikes,lfp"))
    kernel = np.hanning(101) / np.hanning(101).sum()
    for channel in range(4):
        before, after = (np.convolve(x[:, channel], kernel, "valid") for x in (array.codes, values_of(decoded)))
        assert np.corrcoef(before, after)[0, 1] > 0.98


def test_several_chunks_and_parts(array):
    data = runtime.encode(array.samples, RATE, keep="spikes", chunk_frames=9000)
    whole, mask = read(data)
    with runtime.open(io.BytesIO(data)) as reader:
        part = reader.read(8000, 19000, channels=[2, 0])
        assert np.array_equal(part, whole[8000:19000, [2, 0]])
        assert np.array_equal(reader.mask(8000, 19000, channels=[2, 0]), mask[8000:19000, [2, 0]])


def test_through_the_command_line(array, tmp_path, capsys):
    path, out = tmp_path / "a.wav", tmp_path / "a.mdo"
    path.write_bytes(canonical_header(WavFormat(4, RATE, 16), len(array.samples)) + array.samples.tobytes())
    arguments = ["encode", str(path), "--keep", "spikes,lfp", "--max-error", "2", "--threshold", "5"]
    assert main.main([*arguments, "--window", "0.3,1"]) == 0
    assert main.main(["info", str(out)]) == 0
    printed = capsys.readouterr().out
    assert (
        "at most 2" in printed
        and "beyond 5.00 deviations" in printed
        and "events" in printed
        and "waveforms" in printed
    )
    assert main.main(["test", str(out)]) == 0
    assert main.main(["decode", str(out), "-o", str(tmp_path / "b.wav")]) == 0
    back = np.frombuffer((tmp_path / "b.wav").read_bytes()[44:], "<i2").reshape(-1, 4)
    with runtime.open(out) as reader:
        mask = reader.mask()
    assert back.shape == array.samples.shape and mask.any()
    assert np.abs(values_of(back) - array.codes)[mask].max() <= 2
    assert main.main(["encode", str(path), "-f", "--threshold", "5"]) == 2
    assert main.main(["encode", str(path), "-f", "--keep", "lfp"]) == 2


def test_what_can_not_be_asked_for(array):
    for options in (
        {"keep": "lfp"},
        {"keep": "spikes,more"},
        {"keep": "spikes", "threshold": 0.5},
        {"keep": "spikes", "threshold": float("nan")},
        {"keep": "spikes", "window": (-1, 1)},
        {"keep": "spikes", "max_error": 256},
        {"window": (1, 1)},
    ):
        with pytest.raises(runtime.UsageError):
            runtime.encode(array.samples, RATE, **options)
    with pytest.raises(runtime.UsageError, match="rate"):
        runtime.encode(array.samples, 0, keep="spikes")


@pytest.mark.parametrize("frames", [1, 2, 15, 100])
def test_short_ones(frames, array):
    for keep in ("spikes", "spikes,lfp"):
        decoded, mask = read(runtime.encode(array.samples[:frames], RATE, layout="time-channel", keep=keep))
        assert decoded.shape == (frames, 4) and mask.shape == (frames, 4)


@pytest.mark.parametrize("keep", [("spikes",), ("spikes", "lfp")])
def test_damage_is_an_error(array, keep):
    n1 = model.load()
    payload = spikes.encode(array.samples[:4000], 16, SpikeOptions(keep, sample_rate=RATE), None, n1)
    good = spikes.decode(payload, 4, 16, n1)
    random = np.random.default_rng(4)
    for _ in range(60):
        broken = bytearray(payload)
        at = int(random.integers(4, len(broken)))
        broken[at] ^= 1 << int(random.integers(8))
        try:
            decoded = spikes.decode(bytes(broken), 4, 16, n1)
        except runtime.CorruptError:
            continue
        assert np.array_equal(decoded, good), f"byte {at}"
    for size in random.integers(5, len(payload), 15):
        with pytest.raises(runtime.CorruptError):
            spikes.decode(payload[: int(size)], 4, 16, n1)


def test_channels_do_not_depend_on_those_beside_them(array):
    """Windows are found channel by channel."""
    together = read(runtime.encode(array.samples, RATE, keep="spikes"))[1]
    for channel in range(4):
        alone = read(runtime.encode(array.samples[:, channel], RATE, keep="spikes"))[1]
        assert np.array_equal(alone[:, 0], together[:, channel])


def test_running_noise_settles_at_the_robust_deviation():
    random = np.random.default_rng(6)
    signal = random.normal(0, [[3000.0, 40000.0]], (200_000, 2))
    signal[::50] *= 20
    noise = filters.Noise(signal[:2000] * 2, RATE)
    for first in range(2000, 200_000, 2000):
        noise.update(signal[first : first + 2000])
    expected = np.median(np.abs(signal[-100_000:]), axis=0) / 0.6745
    assert noise.deviation == pytest.approx(np.maximum(expected, 4096), rel=0.03)


def test_detector_is_exact_in_float32(array):
    taps = filters.band_taps(RATE)
    values = np.pad(array.codes.astype(np.int16), ((len(taps) // 2, len(taps) // 2), (0, 0)), "edge")
    exact = np.stack(
        [np.convolve(values[:, channel].astype(int), taps.astype(int), "valid") for channel in range(4)], 1
    )
    assert np.array_equal(filters.band(values, taps).astype(int), exact)


def test_lines_and_correction_pulses_are_rounded_integers():
    assert rendering.line(0, 10, 4).tolist() == [3, 5, 8]
    assert rendering.line(10, 0, 4).tolist() == [8, 5, 3]
    assert rendering.line(-3, -3, 3).tolist() == [-3, -3]
    assert rendering.line(0, 5, 1).tolist() == []
    assert rendering.correction_pulse(2, 2, 4).tolist() == [0, 4, 8, 4]
    assert rendering.correction_pulse(-1, 3, 4).tolist() == [0, -1, -3, -4, -3, -1]


def test_curves_go_through_their_knots():
    knots = np.array([0, 100, -50, 7])
    curve = lfp.interpolate(lfp.PARTS * knots, 8, 25)
    assert curve[::8].tolist() == knots.tolist() and len(curve) == 25
    assert np.array_equal(lfp.interpolate(lfp.PARTS * knots, 8, 25, 4), curve[::4])
    assert lfp.interpolate(lfp.PARTS * (knots * 0 + 9), 8, 20).tolist() == [9] * 20
    numbers = np.array([[5, -70, 8, 0], [1, 1, 2, 3]])
    band = lfp.Lfp(8, 25, np.array([19, 3]), np.array([0, 2]), np.zeros((2, 2), int), numbers)
    where = np.repeat([0, 1], 25), np.tile(np.arange(25), 2)
    drawn = [lfp.interpolate(band.values(np.array([c]))[0], 8, 25) for c in (0, 1)]
    assert np.array_equal(band.at(*where), np.concatenate(drawn))


def test_steps_have_eight_sizes_in_an_octave():
    assert lfp.steps_of(np.array([0, 1, 2, 8, 9, 10, 17, 25])).tolist() == [0, 8, 9, 15, 16, 18, 32, 64]


def test_field_potentials_come_back_with_large_residuals():
    random = np.random.default_rng(4)
    numbers = np.rint(random.normal(0, 1, (5, 40)) * 10.0 ** np.arange(5)[:, None] / 20).astype(np.int64)
    step, mean = np.array([1, 9, 0, 20, 3]), np.array([0, 3, 0, -7, 0])
    numbers[2] = 0
    coefficients = random.integers(-16, 16, (5, 2))
    data = lfp.pack(lfp.Lfp(48, 48 * 39, step, mean, coefficients, numbers))
    back, end = lfp.parse(b"x" + data + b"y", 1, 48 * 39, 5)
    assert end == 1 + len(data) == 1 + lfp.packed_size(data, 0)
    for name in ("step", "mean", "coefficients", "knots"):
        assert np.array_equal(getattr(back, name), locals().get(name, numbers))


def test_numbers_of_a_plan_come_back(engine):
    random = np.random.default_rng(8)
    values = np.concatenate([np.arange(40), 2 ** random.uniform(0, 31, 900), [2**32 - 2]]).astype(np.int64)
    signed = np.where(random.random(300) < 0.1, random.integers(-90, 90, 300), 0)
    near, width = random.integers(60, 66, 50), 27
    writer = SymbolWriter()
    writer.put(values)
    for value in values.tolist():
        writer.put_bits(value & (1 << width) - 1, width)
    writer.put(values, values[::-1])
    writer.put_sparse(signed)
    writer.put_near(near, 7)
    writer.put_sparse(np.zeros(0, np.int64))
    data = writer.to_bytes()

    def read(data):
        reader = SymbolReader(data)
        assert np.array_equal(reader.take(len(values)), values)
        assert [reader.take_bits(width) for _ in values] == (values & (1 << width) - 1).tolist()
        assert np.array_equal(reader.take(len(values), 2), np.stack([values, values[::-1]], axis=1).ravel())
        assert np.array_equal(reader.take_sparse(300), signed) and np.array_equal(reader.take_near(50, 7), near)
        assert not len(reader.take_sparse(0))
        reader.finish()

    read(data)
    for wrong in (data + bytes(4), data + b"\0", data[:-4], data[:3]):
        with pytest.raises(runtime.CorruptError):
            read(wrong)


def test_a_plan_takes_few_bits():
    random = np.random.default_rng(5)
    writer = SymbolWriter()
    writer.put(random.geometric(1 / 2300, 450))
    writer.put_sparse((random.random(1024) < 0.03).astype(np.int64))
    assert 8 * len(writer.to_bytes()) < 450 * 13.1 + 1024 * 0.3 + 80


def test_mask_of_other_files_is_all_true(simulation):
    for options in ({}, {"max_error": 2}):
        assert read(runtime.encode(simulation.samples, RATE, **options))[1].all()


def test_a_spike_chunk_in_a_lossless_file_is_refused(array):
    payload = spikes.encode(array.samples, 16, SpikeOptions(max_error=0, sample_rate=RATE), None, model.load())
    header = Header(4, RATE, bytes(16))
    with pytest.raises(runtime.CorruptError, match="not lossless"):
        check_chunk(payload, header)
    check_chunk(payload, replace(header, bounded=True))


@pytest.mark.parametrize("block", [390, 2000])
def test_blocks_follow_each_other(array, block):
    n1 = model.load()
    encoder = spikes.SpikeEncoder(4, SpikeOptions(sample_rate=RATE), block, n1)
    payloads = [payload for first in range(0, 20000, 777) for payload in encoder.push(array.samples[first:20000][:777])]
    assert len(payloads) == (20000 - encoder.delay) // block
    payloads += encoder.flush()
    decoded = np.concatenate([spikes.decode(payload, 4, 16, n1) for payload in payloads])
    mask = np.concatenate([spikes.mask(payload, 4, 16) for payload in payloads])
    assert decoded.shape == mask.shape == (20000, 4)
    assert np.abs(values_of(decoded) - array.codes[:20000])[mask].max() <= 3
    assert 0.005 < mask.mean() < 0.2
    big = [(unit.channel, t) for unit in array.spikes if unit.peak > 70 for t in unit.times if 9000 < t < 19950]
    assert len(big) > 10 and np.mean([mask[t - 5 : t + 20, channel].all() for channel, t in big]) > 0.97
    steps = np.abs(np.diff(values_of(decoded), axis=0))[block - 1 :: block]
    ends = mask[block - 1 : -1 : block] | mask[block::block]
    jumps = steps[~ends[: len(steps)]]
    assert (jumps <= 1).mean() > 0.95 and jumps.max() <= 8, "what is drawn jumps between blocks"


def test_blocks_do_not_depend_on_how_frames_come(array):
    n1, made = model.load(), []
    for piece in (1000, 4567):
        encoder = spikes.SpikeEncoder(4, SpikeOptions(sample_rate=RATE), 1500, n1)
        parts = [p for first in range(0, 12000, piece) for p in encoder.push(array.samples[first:12000][:piece])]
        made.append(parts + encoder.flush())
    assert made[0] == made[1]
