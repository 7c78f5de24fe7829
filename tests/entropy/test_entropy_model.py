import numpy as np
import pytest

from runtime.entropy.entropy_model import CODES, LINEAR_OFFSET, Tables
from runtime.entropy.symbol_search import GuessTables, SymbolSearch
from runtime.predictor import model


@pytest.fixture(scope="module")
def entropy():
    return model.load().entropy


def cases(count=300):
    rng = np.random.default_rng(4)
    location = rng.integers(-40000, 40000, count)
    location[:4] = [-(1 << 22), 1 << 22, 0, 32]
    return location, rng.integers(0, 128, count), np.where(rng.random(count) < 0.5, 0, LINEAR_OFFSET)


def test_intervals_tile_the_whole_range_and_none_is_empty(entropy):
    codes = np.arange(CODES, dtype=np.int64)
    for location, scale, offset in zip(*cases(), strict=True):
        args = (np.full(CODES, x, np.int64) for x in (location, scale, offset))
        start, frequency = entropy.intervals(codes, *args)
        assert start[0] == 0
        assert start[-1] + frequency[-1] == 1 << 20
        assert (frequency >= 1).all()
        assert (start[1:] == (start + frequency)[:-1]).all()


def test_search_is_the_inverse_of_intervals(entropy):
    guesses = GuessTables(entropy)
    rng = np.random.default_rng(6)
    for location, scale, offset in zip(*cases(), strict=True):
        slot = np.concatenate([rng.integers(0, 1 << 20, 500), [0, 1, (1 << 20) - 1]]).astype(np.int32)
        args = [np.full(len(slot), x, np.int64) for x in (location, scale, offset)]
        search = SymbolSearch(entropy, guesses, args[2])
        code, start, frequency, inside = search.find(slot, *args[:2])
        assert (inside == slot - start).all()
        assert ((slot >= start) & (slot < start + frequency)).all()
        again = entropy.intervals(code, *args)
        assert (start == again[0]).all()
        assert (frequency == again[1]).all()


def test_scale_indices_are_clipped(entropy):
    code, location, offset = np.array([500, 500]), np.array([0, 0]), np.array([0, 0])
    for outside, edge in ((-7, 0), (200, 127)):
        start, frequency = entropy.intervals(code, location, np.array([outside, edge]), offset)
        assert start[0] == start[1]
        assert frequency[0] == frequency[1]


def good_tables():
    row = np.linspace(0, (1 << 20) - CODES, 4096).astype(np.int64)
    return Tables((np.arange(1025) - 512) * 64, np.zeros(128, np.uint8), np.full(128, 1000), row[None].copy())


def test_sound_tables_pass():
    assert good_tables().problem() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t.levels.__setitem__(100, 30000),
        lambda t: t.shape.__setitem__(5, 1),
        lambda t: t.multiplier.__setitem__(5, 0),
        lambda t: t.cumulative.__setitem__((0, 0), 1),
        lambda t: t.cumulative.__setitem__((0, 2000), 0),
        lambda t: t.cumulative.__setitem__((0, 4095), 1 << 20),
    ],
)
def test_damaged_tables_are_found(damage):
    tables = good_tables()
    damage(tables)
    assert tables.problem()
