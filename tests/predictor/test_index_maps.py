"""Index maps: written and read back, restored, refused where they lead nowhere."""

import numpy as np
import pytest

from runtime.core.errors import CorruptError
from runtime.predictor import index_maps
from runtime.predictor.channel_parameters import CONSTANT, COPY, IMPLANT, LINEAR
from runtime.predictor.index_maps import ONE, Exceptions, IndexMaps, pack, unpack

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies


@st.composite
def chunks(draw):
    """Maps of some channels, how many frames there are, and their sources."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    channels, frames = draw(st.integers(1, 20)), draw(st.integers(1, 500))
    maps, sources = IndexMaps.none(channels), np.where(random.random(channels) < 0.9, np.arange(channels), -1)
    for channel in np.flatnonzero(random.random(channels) < 0.2):
        sources[channel] = sources[random.integers(0, channel + 1)]
    sources = np.where((sources >= 0) & (sources[sources] == sources), sources, -1)
    may = sources >= 0
    steps = draw(st.integers(0, 7))
    maps.slopes = np.array([draw(st.integers(ONE, (ONE << 16) - 1)) for _ in range(steps)], np.int64)
    maps.slopes >>= 0 if draw(st.booleans()) else random.integers(0, 16, steps)
    maps.slopes = np.maximum(maps.slopes, ONE)
    maps.step = np.where(may, random.integers(-1, steps, channels), -1)
    digits = draw(st.integers(0, 24))
    offsets = (random.random(channels) * maps.slopes[maps.step] if steps else np.zeros(channels)).astype(np.int64)
    common = maps.slopes[maps.step] // 2 if steps else offsets
    offsets = common if draw(st.booleans()) else offsets
    maps.offset = np.where(maps.step >= 0, offsets >> 24 - digits << 24 - digits, 0)
    for channel in np.flatnonzero(may).tolist():
        if random.random() < 0.3 and sources[channel] == channel:
            maps.palettes[channel] = np.unique(random.integers(-32768, 32768, random.integers(1, 400))).astype(np.int16)
        if maps.step[channel] >= 0 and random.random() < 0.3:
            count = random.integers(1, index_maps.most_exceptions(frames) + 1)
            places = np.sort(random.choice(frames, count, replace=False))
            size = int(random.choice([1, 300, 65535]))
            maps.exceptions[channel] = Exceptions(places, random.integers(-size, size + 1, count))
    maps.share_palettes(sources)
    return maps, frames, sources


@hypothesis.given(chunks())
@hypothesis.settings(max_examples=150, deadline=None)
def test_maps_come_back(case):
    maps, frames, sources = case
    data = b"abc" + pack(maps, sources) + b"d"
    found, end = unpack(data, 3, sources, frames)
    assert end == len(data) - 1
    for name in ("slopes", "step", "offset"):
        assert np.array_equal(getattr(found, name), getattr(maps, name)), name
    assert found.palettes.keys() == maps.palettes.keys() and found.exceptions.keys() == maps.exceptions.keys()
    assert all(np.array_equal(found.palettes[channel], values) for channel, values in maps.palettes.items())
    for channel, exceptions in maps.exceptions.items():
        assert np.array_equal(found.exceptions[channel].frames, exceptions.frames)
        assert np.array_equal(found.exceptions[channel].differences, exceptions.differences)


@hypothesis.given(chunks(), st.data())
@hypothesis.settings(max_examples=150, deadline=None)
def test_damage_is_refused_or_gives_maps_that_restore_or_refuse(case, data):
    maps, frames, sources = case
    packed = bytearray(pack(maps, sources))
    place = data.draw(st.integers(0, 8 * len(packed) - 1))
    packed[place // 8] ^= 128 >> place % 8
    packed = packed[: data.draw(st.integers(0, len(packed)))]
    indices = np.random.default_rng(place).integers(-2000, 2000, (frames, len(sources))).astype(np.int16)
    try:
        found, _ = unpack(bytes(packed), 0, sources, frames)
        found.restore_values(indices)
        found.restore_samples(indices)
    except CorruptError:
        pass


def test_samples_follow_from_indices():
    maps = IndexMaps.none(4)
    maps.slopes = np.array([16 * ONE, ONE * 39125 // 10000])
    maps.step = np.array([0, 1, -1, 0])
    maps.offset = np.array([3 * ONE, ONE // 2, 0, 0])
    maps.palettes = {2: np.array([-700, 5, 9], np.int16), 3: np.array([-2, 50], np.int16)}
    maps.exceptions = {0: Exceptions(np.array([1]), np.array([-1]))}
    indices = np.array([[0, -2, 0, 1], [-1, 1, 2, 0], [2, 3, 1, 1]], np.int16)
    samples = indices.copy()
    maps.restore_values(samples)
    maps.restore_samples(samples)
    assert samples.tolist() == [[3, -8, -700, 800], [-14, 4, 9, -32], [35, 12, 5, 800]]
    part = maps.part(slice(1, 3), np.array([True, False, False, True]))
    rest = indices[1:].copy()
    part.restore_values(rest)
    part.restore_samples(rest)
    assert rest.tolist() == [[-14, 1, 2, -32], [35, 3, 1, 800]]
    assert maps.names() == {0: "steps of 16", 1: "steps of 3.9125", 2: "2 to 3 values", 3: "steps of 16, 2 to 3 values"}


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_beyond_a_palette_is_refused(index):
    maps = IndexMaps.none(1)
    maps.palettes = {0: np.array([7, 9], np.int16)}
    with pytest.raises(CorruptError):
        maps.restore_values(np.array([[0], [index]], np.int16))


def test_copies_of_linear_channels_may_have_maps():
    kind, mean = np.array([LINEAR, CONSTANT, IMPLANT, COPY, COPY]), np.array([900, 5, 7, 0, 2])
    assert index_maps.map_sources(kind, mean).tolist() == [0, -1, -1, 0, -1]
