from __future__ import annotations

import subprocess
import sys
import zlib

import numpy as np
import pytest

from runtime.core.implant_table import codes_of
from runtime.fit.correlation import correlate, whiten
from runtime.recording import sources
from training import simulate as simulator
from training.simulate import RATE, ArraySimulation, quantise, simulate


def test_shapes_types_and_table(simulation):
    assert simulation.samples.shape == simulation.codes.shape == (RATE, 1)
    assert simulation.samples.dtype == simulation.codes.dtype == np.int16
    assert simulation.rate == RATE
    np.testing.assert_array_equal(codes_of(simulation.samples) - 512, simulation.codes)


def test_a_seed_gives_the_same_recording_everywhere(simulation):
    assert zlib.crc32(simulation.codes.astype("<i2").tobytes()) == 1836466299
    np.testing.assert_array_equal(simulate(RATE, seed=1).samples, simulation.samples)
    assert (simulate(RATE, seed=2).samples != simulation.samples).any()


def test_channels_do_not_depend_on_how_many_there_are(simulation):
    np.testing.assert_array_equal(simulate(RATE, channels=3, seed=1).samples[:, :1], simulation.samples)


def test_channels_share_their_field_potential_only():
    codes = simulate(5 * RATE, channels=2, seed=3).codes.astype(float)
    slow = codes[: len(codes) // 64 * 64].reshape(-1, 64, 2).mean(axis=1)
    assert abs(np.corrcoef(slow.T)[0, 1]) > 0.3
    assert abs(np.corrcoef(np.diff(codes, axis=0).T)[0, 1]) < 0.1


def test_amplitudes_are_the_implants():
    made = [simulate(5 * RATE, seed=seed).codes[:, 0].astype(float) for seed in range(12)]
    assert 12 < np.median([codes.std() for codes in made]) < 28
    noise = [np.median(abs(np.diff(codes))) / 0.6745 / np.sqrt(2) for codes in made]
    assert 4 < np.median(noise) < 7


def test_codes_are_as_uneven_as_the_implants():
    counts = sum(np.bincount(simulate(2 * RATE, seed=seed).codes[:, 0] + 512, minlength=1024) for seed in range(20))

    def beside(code):
        return counts[code + 512] / ((counts[code + 510] + counts[code + 514]) / 2)

    assert counts[511] == 0
    assert 0 < counts[510] < 0.1 * counts[509]
    for code in (-5, -9, 23):
        assert beside(code) > 1.3
    assert beside(31) < 0.5


def test_the_converter_saturates_and_is_monotone():
    signal = np.linspace(-700, 700, 20001)
    codes = quantise(signal)
    assert codes.dtype == np.int16
    assert codes[0] == -512 and codes[-1] == 511
    assert (np.diff(codes) >= 0).all()
    assert quantise(np.array([0.0, -1e-9, -0.03])).tolist() == [0, -2, -3]


def test_spikes_are_where_the_ground_truth_says():
    frames = 20 * RATE
    made = simulate(frames, channels=2, seed=5)
    assert {unit.channel for unit in made.spikes} == {0, 1}
    for unit in made.spikes:
        assert unit.times.dtype == np.int64
        assert (np.diff(unit.times) >= int(0.002 * RATE)).all()
        inside = unit.times[(unit.times > 60) & (unit.times < frames - 60)]
        codes = made.codes[:, unit.channel].astype(float)
        # 2 ms before a spike the channel is on average where it was; at the spike it is lower by its peak.
        depth = (codes[inside - 40] - codes[inside]).mean()
        assert depth == pytest.approx(unit.peak, rel=0.25)
        assert 1 < len(unit.times) / 20 < 25


@pytest.mark.parametrize("frames", [0, 1, 17])
def test_short_recordings(frames):
    assert simulate(frames, channels=2, rate=30000).samples.shape == (frames, 2)


@pytest.mark.parametrize("arguments", [(-1,), (10, 0), (10, 1, 0), (10, 1, 100, -1)])
def test_senseless_requests_are_refused(arguments):
    with pytest.raises(ValueError):
        simulate(*arguments)


def test_command_writes_plain_wavs(root, tmp_path):
    command = [sys.executable, "-m", "training.simulate", "-o", tmp_path, "--files", "2", "--seconds", "0.1"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    paths = sorted(tmp_path.glob("*.wav"))
    assert [str(path) for path in paths] == result.stdout.split()
    for seed, path in enumerate(paths):
        content = path.read_bytes()
        assert content[:4] == b"RIFF" and len(content) == 44 + 2 * 1953
        assert content[44:] == simulator.simulate(1953, seed=seed).samples.astype("<i2").tobytes()


@pytest.fixture(scope="module")
def array():
    """An array with faults, and its codes."""
    made = ArraySimulation(40000, 70, seed=3)
    return made, np.concatenate(list(made.blocks()))


def test_an_array_is_the_same_everywhere_and_has_other_seeds(array):
    made, codes = array
    assert codes.dtype == np.int16 and codes.shape == (40000, 70)
    assert zlib.crc32(codes[:5000].astype("<i2").tobytes()) == 2470086329
    assert all(np.array_equal(a, b) for a, b in zip(made.blocks(), ArraySimulation(40000, 70, seed=3).blocks()))
    assert not np.array_equal(next(ArraySimulation(40000, 70, seed=4).blocks()), codes[:2048])
    assert np.array_equal(np.concatenate(list(ArraySimulation(5000, 70, seed=3).blocks()))[:4000], codes[:4000])


def test_faulty_channels_are_where_they_are_said_to_be(array):
    made, codes = array
    assert len(made.dead) == len(made.flat) == len(made.copies) == 1
    assert (np.ptp(codes[:, made.flat], axis=0) == 0).all()
    assert (codes[:, made.dead].std(axis=0) < 2).all()
    assert np.array_equal(codes[:, made.copies[:, 0]], codes[:, made.copies[:, 1]])
    others = np.setdiff1d(np.arange(70), [*made.flat, *made.dead])
    assert (codes[:, others].std(axis=0) > 6).all()


def test_units_are_heard_by_channels_nearby_with_falling_amplitude(array):
    made, codes = array
    faulty = {*made.dead.tolist(), *made.flat.tolist(), *made.copies[:, 0].tolist()}
    loud = max((unit for unit in made.units if not faulty & set(unit.channels.tolist())), key=lambda unit: unit.peak)
    order = np.argsort(-loud.amplitudes)
    assert loud.channels[order[0]] == loud.channel and len(order) > 5
    times = loud.times[(loud.times > 60) & (loud.times < 39900)]
    depth = (codes[times - 40][:, loud.channels[order[:4]]] - codes[times][:, loud.channels[order[:4]]]).mean(axis=0)
    for found, expected in zip(depth, loud.amplitudes[order[:4]]):
        assert found == pytest.approx(expected, abs=6 + 0.2 * expected)
    distance = np.hypot(*(made.positions[loud.channels] - made.positions[loud.channel]).T)
    assert distance[order[1]] <= 1.5 * 60 and distance[loud.amplitudes < 4].min() > 100


def test_channels_hum_and_share_the_noise_of_the_reference(array):
    made, codes = array
    time = np.arange(len(codes))[:, None] / made.rate

    def strength(hertz, codes):
        return np.abs((codes * np.exp(-2j * np.pi * hertz * time)).mean(axis=0))

    busy = [channel for channel in range(70) if channel not in (*made.dead, *made.flat)]
    assert np.median(strength(50, codes[:, busy])) > 4 * np.median(strength(60, codes[:, busy]))
    quiet = np.concatenate(list(ArraySimulation(40000, 70, seed=3, hum=0).blocks()))
    assert np.median(strength(50, codes[:, busy])) > 4 * np.median(strength(50, quiet[:, busy]))
    fast = np.diff(codes[:, busy].astype(float), axis=0)
    assert np.median(np.corrcoef(fast.T)) > 0.1


def test_a_topology_finds_the_neighbours(array):
    made, codes = array
    rows = np.stack([whiten(np.ascontiguousarray(column)) for column in codes[:20000].T])
    found = correlate(rows)[0]
    np.fill_diagonal(found, 0)
    busy = [channel for channel in range(70) if channel not in (*made.dead, *made.flat, *made.copies.ravel())]
    closest = made.positions[np.abs(found[busy]).argmax(axis=1)] - made.positions[busy]
    assert np.mean(np.hypot(*closest.T) < 1.1 * 60) > 0.9


@pytest.mark.parametrize("kind", ["wav", "npy"])
def test_arrays_as_files(kind, root, tmp_path):
    command = [sys.executable, "-m", "training.simulate", "-o", tmp_path, "--files", "1", "--seconds", "0.15"]
    command += ["--channels", "130", "--seed", "6", "--hum", "60", *(["--npy"] if kind == "npy" else [])]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (path,) = tmp_path.iterdir()
    assert path.name == f"simulated-130-0006.{kind}"
    codes = np.concatenate(list(ArraySimulation(round(0.15 * RATE), 130, seed=6, hum=60).blocks()))
    with sources.Recording([str(path)], sources.NOTHING) as recording:
        assert recording.source.canonical == (kind == "wav")
        np.testing.assert_array_equal(codes_of(recording.source.read(10000)) - 512, codes)


@pytest.mark.parametrize("arguments", [(-1, 3), (10, 0), (10, 1, 0), (10, 1, 100, -1), (10, 1, 100, 1, 55)])
def test_senseless_arrays_are_refused(arguments):
    with pytest.raises(ValueError):
        ArraySimulation(*arguments)


@pytest.mark.parametrize(("frames", "channels"), [(0, 3), (1, 1), (2049, 2), (17, 5)])
def test_small_arrays(frames, channels):
    assert sum(map(len, ArraySimulation(frames, channels).blocks())) == frames
