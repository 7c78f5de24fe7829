import chunk_calls as codec
import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.fit import own_predictor
from runtime.fit.own_predictor import linear_predictor
from runtime.fit.parameters import fit
from runtime.predictor import model
from runtime.predictor.channel_parameters import CONSTANT, IMPLANT, LINEAR
from training.simulate import simulate

RECONSTRUCTION = ((np.arange(1024) - 512) * 64 + 32).astype(np.int32)


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


def test_is_reproducible_and_independent_of_other_channels():
    signal = autoregressive([0.9], frames=5000)
    implant = CODE_TO_SAMPLE[np.clip(signal // 64, -512, 511) + 512]
    both = np.column_stack([np.full(5000, 7, np.int16), implant])
    alone, together = fit(implant[:, None], RECONSTRUCTION), fit(both, RECONSTRUCTION)
    assert (alone.coefficients[0] == together.coefficients[1]).all()
    assert together.kind.tolist() == [CONSTANT, IMPLANT]
    assert together.mean[0] == 7


def test_what_is_periodic_is_not_made_worse():
    """Every eighth frame can't see this signal as it is."""
    time = np.arange(60_000)
    signal = np.where(time % 8 == 0, 4000, 0) + np.random.default_rng(2).normal(0, 300, len(time)).astype(np.int32)
    _, error = linear_predictor(signal - int(signal.mean()))
    assert error < 300  # 401 with coefficients from every eighth frame


def test_what_is_quieter_than_a_step_is_fitted_without_weights(monkeypatch):
    """Then a sample costs by whether it is predicted exactly; weights make this channel 3 % larger."""
    samples = simulate(60_000, 1, seed=4).samples
    sizes = []
    for quiet in (own_predictor._QUIET, 0.0):
        monkeypatch.setattr(own_predictor, "_QUIET", quiet)
        sizes.append(len(codec.encode_chunks([samples], model.load("near-lossless"), max_error=20)[0]))
    assert sizes[0] < 0.98 * sizes[1]


def test_low_bits_leave_a_noise_of_a_few_grid_steps():
    for deviation, shift in ((3, 0), (40, 2), (400, 6)):
        noise = np.random.default_rng(1).normal(0, deviation, (20000, 1)).astype(np.int16)
        side = fit(noise, RECONSTRUCTION)
        assert side.kind[0] == LINEAR
        assert side.shift[0] == shift
        assert 2 ** int(side.magnitude_bits[0]) > np.abs((2 * noise.astype(int) + 1) * 32 >> shift).max()


def test_known_coefficients():
    """The fit must give the same integers on every machine."""
    coefficients, _ = linear_predictor(autoregressive([0.8, -0.2], frames=3000, seed=9))
    assert coefficients.tolist() == KNOWN


KNOWN = [812, -205, 5, -22, 27, 28, -37, 10, 2, 8, -26, 2, 39, -18, 8, -17]
