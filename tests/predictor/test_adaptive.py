"""Adaptive predictors: the same in steps, in blocks and in plain integers; chosen where they pay; exact at extremes."""

import chunk_calls as codec
import numpy as np
import pytest
from signal_kinds import changing_spectrum

from runtime.batch import codings
from runtime.codec import rans_payload
from runtime.codec.coding import DecodeTask, Part
from runtime.container.chunk_head import HAS_ADAPTIVE
from runtime.core.implant_table import ImplantValues
from runtime.fit.parameters import fit
from runtime.predictor import adaptive
from runtime.predictor.block import BlockInputs
from runtime.predictor.lanes import join


def changing(frames, seed=0, size=60):
    """Noise whose spectrum changes every 1500 frames, int16 [frames, 1]."""
    values = changing_spectrum(np.random.default_rng(seed).normal(0, size, (frames, 1)), 1500)
    return np.rint(values).clip(-32768, 32767).astype(np.int16)


def steady(frames):
    return np.random.default_rng(3).normal(0, 60, (frames, 1)).astype(np.int16)


def by_integers(residuals):
    """The filter by the words of docs/format.md: what it adds in each step, from residuals of the linear predictor."""
    weights, recent, found = [0] * 32, [0] * 32, []
    for residual in residuals:
        part = sum(w * u for w, u in zip(weights, recent, strict=True)) + 2048 >> 12
        found.append(part)
        left = min(max(residual - part >> 2, -511), 511)
        divisor = sum(u * u for u in recent) + 512 >> 3
        rate = int(np.float32(left * 2**14) / np.float32(divisor))
        moved = [w + (u * rate + 512 >> 10) for w, u in zip(weights, recent, strict=True)]
        weights = [min(max(w, -32768), 32767) for w in moved]
        recent = [min(max(residual >> 2, -511), 511), *recent[:-1]]
    return np.array(found)


@pytest.mark.parametrize("size", [1, 60, 3000])
def test_blocks_do_what_the_format_says(size, device_model):
    samples = changing(900, size=size)
    samples[500:520] = np.int16([[-32768], [32767]] * 10)
    side = fit(samples, device_model.entropy.reconstruction, np.array([True]))
    predictions = []
    for chosen in (0, 1):
        side.adaptive[:] = chosen
        lanes = join([(side, len(samples), len(samples))], device_model.entropy.reconstruction)
        inputs = BlockInputs(lanes, ImplantValues(device_model.entropy.reconstruction), 250)
        blocks = [inputs.run_block(samples[first : first + 250]) for first in range(0, 900, 250)]
        codes, relative = (np.concatenate([getattr(b, name) for b in blocks]) for name in ("code", "prediction"))
        values = (2 * samples.astype(np.int64) + 1 << 5 >> side.shift[0])[:, 0]
        centre = (samples[:, 0].astype(np.int64) >> side.shift[0]) + 512 - codes[:, 0]
        predictions.append(relative[:, 0] + 64 * centre)
    assert np.array_equal(predictions[1] - predictions[0], by_integers((values - predictions[0]).tolist()))


def test_they_are_chosen_where_they_pay_and_come_back(device_model, engine):
    samples = np.hstack([changing(9000), steady(9000), changing(9000, 5)])
    (payload,) = codec.encode_chunks([samples], device_model, independent=True)
    assert payload[4] & HAS_ADAPTIVE
    assert rans_payload.parse(payload, 3).side.adaptive.tolist() == [1, 0, 1]
    assert np.array_equal(codec.decode_chunks([payload], [3], device_model)[0], samples)
    part = Part(4000, 4400, np.array([2, 0]))
    assert np.array_equal(
        codings.decode([DecodeTask(payload, 3, part=part)], device_model)[0], samples[4000:4400, [2, 0]]
    )


def test_they_are_left_out_where_there_is_nothing_to_follow(device_model):
    (payload,) = codec.encode_chunks([steady(9000)], device_model)
    assert not payload[4] & HAS_ADAPTIVE


def test_sums_stay_within_32_bits():
    most = adaptive.TAPS * adaptive.MOST * (adaptive.MOST_WEIGHT + 1)
    assert most + (1 << 11) < 1 << 31
    rate = (adaptive.MOST << adaptive.WEIGHT_BITS) // (adaptive.POWER_OFFSET >> adaptive.POWER_BITS)
    assert adaptive.MOST * rate + 512 < 1 << 31
    assert adaptive.TAPS * adaptive.MOST**2 + adaptive.POWER_OFFSET >> adaptive.POWER_BITS < 1 << 24
    assert adaptive.MOST << adaptive.WEIGHT_BITS < 1 << 24
