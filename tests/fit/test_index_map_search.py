"""The encoder's choice of index maps: found where there are any, exact, and none where there is nothing to gain."""

import numpy as np
import pytest

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit.palette_search import numbers_in
from runtime.fit.parameters import FitOptions, fit_with_palettes
from runtime.fit.steps import find_steps, free_channels
from runtime.predictor.index_maps import ONE

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


def codes(frames, channels, deviation, seed=0):
    random = np.random.default_rng(seed)
    return np.rint(random.normal(0, deviation, (frames, channels)) + 3 * deviation * random.normal(size=(1, channels)))


def scaled(codes, slope, offsets):
    return np.floor(codes * slope + offsets + 0.5).astype(np.int16)


def searched(samples, max_error=0):
    """The maps of a lossless chunk, or steps under a bound, and the indices."""
    maps, values = find_steps(samples, free_channels(samples), max_error)
    if not max_error:
        options = FitOptions(palettes=True)
        _, maps.palettes = fit_with_palettes(values, np.arange(1024) * 64 - 32736, maps.mapped, options)
        values = values.copy() if maps.palettes else values
        for channel, palette in maps.palettes.items():
            values[:, channel] = numbers_in(palette, values[:, channel])
    return maps, values


def found(samples, max_error=0):
    """The maps, having checked that they restore the samples."""
    maps, indices = searched(samples, max_error)
    restored = indices.copy()
    maps.restore_values(restored)
    maps.restore_samples(restored)
    if max_error:
        assert np.abs(restored.astype(int) - samples).max() <= max_error
    else:
        assert np.array_equal(restored, samples)
    assert not maps.mapped.any() or (indices[:, maps.mapped].min(axis=0) < indices[:, maps.mapped].max(axis=0)).all()
    return maps


@pytest.mark.parametrize("slope", [2, 3, 4, 16, 64, 625 / 52, 3.9125, 2.5, 7.03, 195.3125])
@pytest.mark.parametrize(("frames", "channels"), [(100, 64), (400, 3), (30000, 1)])
@pytest.mark.parametrize("common", [True, False])
def test_steps_are_found_in_clips_and_in_long_channels(slope, frames, channels, common):
    offsets = 0.0 if common else np.random.default_rng(1).uniform(0, slope, channels)
    samples = scaled(codes(frames, channels, 12), slope, offsets)
    maps = found(samples)
    slopes = maps.slopes[maps.step] / ONE
    assert (maps.step >= 0).all() and not maps.exceptions
    assert np.abs(slopes / slope - 1).max() < 0.01
    if common:
        assert len(np.unique(maps.offset)) == 1


@pytest.mark.parametrize("slope", [3, 16, 12.0192])
def test_samples_that_are_off_by_one_are_exceptions(slope):
    samples = scaled(codes(5000, 4, 15), slope, 1.3)
    random = np.random.default_rng(2)
    off = random.random(samples.shape) < 0.01
    maps = found(samples + (off * random.choice([-1, 1], samples.shape)).astype(np.int16))
    assert (np.abs(maps.slopes[maps.step] / ONE / slope - 1) < 0.001).all()
    assert sum(len(exceptions.frames) for exceptions in maps.exceptions.values()) <= off.sum()


def test_channels_of_several_kinds_get_what_they_have():
    a = scaled(codes(2000, 3, 20, 1), 12.0192, [[0.2, 5, 3]])
    b = (codes(2000, 2, 20, 2) * 16 + 3).astype(np.int16)
    noise = np.rint(np.random.default_rng(4).normal(0, 50, (2000, 1))).astype(np.int16)
    line = np.where(np.arange(2000)[:, None] // 300 % 2, 5000, 0).astype(np.int16)
    maps = found(np.hstack([a, noise, b, CODE_TO_SAMPLE[512 + codes(2000, 1, 9).astype(int)], line]))
    names = maps.names()
    assert [names.get(channel, "")[:11] for channel in range(7)] == [*["steps of 12"] * 3, "", *["steps of 16"] * 2, ""]


def test_values_with_holes_between_them_get_a_palette():
    random = np.random.default_rng(5)
    levels = np.array([-9000, 0, 7000])[np.cumsum(random.random(6000) < 0.01) % 3]
    samples = (levels + np.rint(random.normal(0, 2, 6000)))[:, None].astype(np.int16)
    maps = found(samples)
    assert list(maps.palettes) == [0] and len(maps.palettes[0]) < 60


@pytest.mark.parametrize("deviation", [0.6, 3, 40, 2000])
@pytest.mark.parametrize("frames", [17, 100, 3000, 20000])
def test_noise_has_no_map(deviation, frames):
    samples = np.rint(np.random.default_rng(6).normal(0, deviation, (frames, 4))).astype(np.int16)
    maps, indices = searched(samples)
    assert not maps.mapped.any() or frames == 17 and deviation == 2000
    assert indices is samples or maps.mapped.any()


def test_the_implants_table_and_constants_are_left_alone():
    samples = np.hstack([CODE_TO_SAMPLE[512 + codes(500, 2, 9).astype(int)], np.full((500, 1), 160, np.int16)])
    assert not searched(samples)[0].mapped.any()


def test_under_a_bound_only_steps_wider_than_a_bin_are_used():
    samples = scaled(codes(3000, 2, 15), 12.0192, 0.4)
    assert found(samples, 5).mapped.all()
    assert not searched(samples, 6)[0].mapped.any()
    off = samples + (np.random.default_rng(8).random(samples.shape) < 0.02)
    assert not found(off.astype(np.int16), 1).exceptions


def test_rare_glitches_leave_no_channel_constant():
    samples = np.where(np.arange(8000) % 900 == 7, 32767, 0)[:, None].astype(np.int16)
    samples[5::1700] = -32768
    found(np.hstack([samples, samples[::-1]]))


@hypothesis.given(
    st.floats(2, 300), st.sampled_from([50, 300, 4000]), st.integers(1, 6), st.integers(0, 1 << 32), st.booleans()
)
@hypothesis.settings(max_examples=100, deadline=None)
def test_whatever_is_found_is_exact(slope, frames, channels, seed, rails):
    random = np.random.default_rng(seed)
    samples = random.normal(0, random.choice([1, 10, 100]), (frames, channels)) * slope
    samples = np.floor(np.rint(samples / slope) * slope + random.uniform(0, slope, channels))
    samples += (random.random(samples.shape) < random.choice([0, 0.02])) * random.integers(-3, 4, samples.shape)
    samples = np.clip(samples, -32768, 32767).astype(np.int16)
    if rails:
        samples[random.random(samples.shape) < 0.1] = random.choice([-32768, 32767])
    found(samples)
    maps, indices = searched(samples, 3)
    maps.restore_samples(indices)
    assert np.abs(indices.astype(int) - samples).max() <= 3
