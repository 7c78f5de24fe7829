import numpy as np

from runtime.fit import fit
from runtime.lattice import CODE_TO_SAMPLE
from runtime.least_squares import linear_predictor
from runtime.side_information import CONSTANT, GRID, LATTICE

MIDDLE = ((np.arange(1024) - 512) * 64 + 32).astype(np.int32)


def autoregressive(coefficients, frames=40000, scale=400, seed=0):
    noise = np.random.default_rng(seed).normal(0, scale, frames)
    out = np.zeros(frames)
    for t in range(len(coefficients), frames):
        out[t] = noise[t] + sum(c * out[t - 1 - lag] for lag, c in enumerate(coefficients))
    return np.round(out).astype(np.int32)


def test_recovers_an_autoregressive_process():
    coefficients, error = linear_predictor(autoregressive([1.2, -0.5, 0.1]))
    assert np.abs(coefficients[:3] / 1024 - [1.2, -0.5, 0.1]).max() < 0.05
    assert np.abs(coefficients[3:]).max() < 80
    assert abs(error / 400 - np.sqrt(2 / np.pi)) < 0.02


def test_is_reproducible_and_independent_of_other_leads():
    signal = autoregressive([0.9], frames=5000)
    lattice = CODE_TO_SAMPLE[np.clip(signal // 64, -512, 511) + 512]
    both = np.column_stack([np.full(5000, 7, np.int16), lattice])
    alone, together = fit(lattice[:, None], MIDDLE), fit(both, MIDDLE)
    assert (alone.coefficients[0] == together.coefficients[1]).all()
    assert together.kind.tolist() == [CONSTANT, LATTICE]
    assert together.mean[0] == 7


def test_low_bits_leave_a_noise_of_a_few_grid_steps():
    for deviation, shift in ((3, 0), (40, 2), (400, 6)):
        noise = np.random.default_rng(1).normal(0, deviation, (20000, 1)).astype(np.int16)
        side = fit(noise, MIDDLE)
        assert side.kind[0] == GRID
        assert side.shift[0] == shift
        assert 2 ** int(side.reach[0]) > np.abs((2 * noise.astype(int) + 1) * 32 >> shift).max()


def test_known_coefficients():
    """The fit must give the same integers on every machine."""
    coefficients, _ = linear_predictor(autoregressive([0.8, -0.2], frames=3000, seed=9))
    assert coefficients.tolist() == KNOWN


KNOWN = [814, -212, 15, -24, 23, 28, -37, 13, 3, 9, -21, 3, 28, -9, -2, -4]
