"""Chunks whose words run out: decoding stops there, whatever length the head announces."""

import numpy as np
import pytest

from runtime.codec import rans_payload
from runtime.codec.coding import DecodeTask, EncodeTask
from runtime.codec.rans_coding import RansCoding
from runtime.core.errors import CorruptError
from runtime.entropy.entropy_model import CODES, PRECISION
from runtime.entropy.rans import LOW, WORD_CODES


def forged(model, frames, state=LOW, words=()):
    """A chunk of one lane of so many frames, with this state and these words."""
    samples = np.random.default_rng(0).integers(-60, 60, (2000, 1)).astype(np.int16)
    chunk = rans_payload.parse(RansCoding().encode([EncodeTask(samples)], model)[0], 1)
    chunk.frames = chunk.steps = frames
    chunk.states, chunk.counts = np.array([state], np.uint64), np.array([len(words)])
    chunk.words = np.array(words, np.uint32)
    chunk.low_bits = [np.zeros(frames, np.int16) for _ in chunk.low_bits]
    return rans_payload.pack(chunk)


def test_a_code_takes_more_than_a_part_of_a_bit():
    """So that a word, or a state, which have 32 bits to lose, last for fewer codes than `WORD_CODES`."""
    most = (1 << PRECISION) - (CODES - 1)
    least = 1 << (24 - PRECISION)  # quotient of the smallest state
    worst = (least * most + most - 1) / ((least << PRECISION) + most - 1)
    assert 32 / -np.log2(worst) < WORD_CODES


@pytest.mark.parametrize("frames", [2000, 20000])
@pytest.mark.parametrize("state", [LOW, (1 << 56) - 1, (1 << 55) + 12345])
def test_words_that_run_out_end_the_chunk(engine, device_model, frames, state):
    with pytest.raises(CorruptError, match="words do not end where they should"):
        RansCoding().decode([DecodeTask(forged(device_model, frames, state), 1)], device_model)


def test_more_samples_than_words_can_hold_are_refused(device_model):
    with pytest.raises(CorruptError, match="more samples than its words can hold"):
        rans_payload.parse(forged(device_model, 3 * WORD_CODES, words=[1]), 1)
    assert rans_payload.parse(forged(device_model, 2 * WORD_CODES, words=[1]), 1).frames == 2 * WORD_CODES
