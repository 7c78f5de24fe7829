"""Which model is chosen for what."""

import numpy as np
import pytest

import runtime
from runtime.batch.model_choice import choose
from runtime.core.implant_table import CODE_TO_SAMPLE
from runtime.predictor import model as models
from training.simulate import simulate

pytestmark = pytest.mark.slow


def other_device(channels, frames=6000, shared=0.9):
    rng = np.random.default_rng(3)
    common = rng.normal(0, 40, (frames, 1))
    return np.rint(shared * common + rng.normal(0, 30, (frames, channels))).astype(np.int16)


def test_single_channels_by_their_table():
    implant = simulate(4000, 1, seed=2).samples
    assert choose(implant) == "implant"
    assert choose(other_device(1)) == "device"
    assert choose(other_device(3), independent=True) == "device"
    assert choose(np.hstack([implant, implant, other_device(1, 4000)]), independent=True) == "implant"
    assert choose(np.full((500, 2), 7, np.int16)) == "implant"
    assert choose(np.zeros((0, 2), np.int16)) == "implant"


def test_bounded_errors_have_their_own():
    assert choose(other_device(2), max_error=5) == choose(other_device(2), target_bits=3) == "near-lossless"
    assert choose(other_device(2), target_bits=9) == choose(other_device(1), target_bits=9) == "device"


def test_spike_mode_has_a_model_of_its_own():
    for channels in (1, 3):
        for bound in (0, 30):
            assert choose(simulate(4000, channels, seed=2).samples, max_error=bound, kept=True) == "spikes"
            assert choose(other_device(channels), max_error=bound, kept=True) == "spikes"


@pytest.mark.parametrize("kind", ["implant", "other"])
def test_the_smaller_one_for_arrays(kind):
    samples = other_device(8, 3000)
    if kind == "implant":
        samples = CODE_TO_SAMPLE[np.clip(samples // 8, -512, 511) + 512]
    chosen = choose(samples)
    sizes = {name: len(runtime.encode(samples, 1, model=name, verify=False)) for name in ("implant", "device")}
    assert sizes[chosen] == min(sizes.values())
    assert len(runtime.encode(samples, 1, verify=False)) == sizes[chosen]


def test_files_are_coded_with_the_chosen_model(tmp_path):
    for name, samples in (("a", simulate(3000, 1, seed=4).samples), ("b", other_device(4))):
        np.save(tmp_path / f"{name}.npy", samples)
        runtime.encode_file(tmp_path / f"{name}.npy")
        with runtime.open(tmp_path / f"{name}.mdo") as recording:
            assert recording.header.model == models.load(choose(samples)).identity
