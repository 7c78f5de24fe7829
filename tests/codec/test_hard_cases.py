"""Recordings of kinds that predictive coders are bad at are no larger than what FLAC, WavPack and xz make of them."""

import hard_cases
import numpy as np
import pytest

import runtime


@pytest.mark.parametrize("name", hard_cases.CASES)
def test_hard_case(name):
    samples = hard_cases.samples_of(name)
    data = runtime.encode(samples, hard_cases.RATE, layout="time-channel", verify=False)
    assert np.array_equal(runtime.decode(data)[0], samples)
    sizes = hard_cases.best_of_others(samples)
    assert len(data) <= min(sizes.values()), sizes
