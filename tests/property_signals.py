"""Strategies of recordings for property tests: any shape and type, of kinds that take every branch of the encoder."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from runtime.core.implant_table import CODE_TO_SAMPLE

FACTOR = int(os.environ.get("MIDDLEOUT_EXAMPLES", "1"))
"""How many times more examples than usual; beyond 1 they are other ones each time."""
INTEGERS = ("int16", "uint16", "int8", "uint8", "int32", "uint32")
FLOATS = ("float32", "float64")


def examples(count: int) -> settings:
    """Return the settings of a test with so many examples, which are always the same unless more are asked for."""
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
    derandomize = FACTOR == 1
    return settings(
        max_examples=count * FACTOR,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=slow,
    )


def _constant(random, frames, low, high):
    return np.full(frames, random.integers(low, high, endpoint=True))


def _white(random, frames, low, high):
    return random.integers(low, high, frames, endpoint=True)


def _ends(random, frames, low, high):
    return random.choice([low, high, low // 2, 0, high // 2], frames)


def _noise(random, frames, low, high):
    smooth = np.convolve(random.normal(0, 2.0 ** random.uniform(-2, 9), frames + 4), [0.2, 0.5, 0.9, 0.4, 0.1])[:frames]
    return np.rint(smooth) + random.integers(low // 2, high // 2 + 1)


def _walk(random, frames, low, high):
    return np.cumsum(np.rint(random.normal(0, 2.0 ** random.uniform(0, 6), frames)))


def _steps(random, frames, low, high):
    return np.rint(_noise(random, frames, 0, 1)) * int(random.integers(2, 9)) + int(random.integers(0, 9))


def _scaled(random, frames, low, high):
    return np.rint(np.rint(_noise(random, frames, 0, 1)) * random.uniform(1, 7))


def _palette(random, frames, low, high):
    return random.choice(random.integers(low, high, 5, endpoint=True), frames)


def _pulses(random, frames, low, high):
    return np.where(random.random(frames) < 0.02, high, 0)


def _counter(random, frames, low, high):
    return np.arange(frames) * int(random.integers(-9, 9)) + int(random.integers(low // 2, high // 2 + 1))


def _implant(random, frames, low, high):
    return CODE_TO_SAMPLE[np.clip(np.rint(random.normal(512, 9, frames)), 0, 1023).astype(int)]


KINDS = (_constant, _white, _ends, _noise, _walk, _steps, _scaled, _palette, _pulses, _counter, _implant)
"""Each makes a channel: float or integers [frames] of these limits, beyond which it is clipped."""


@st.composite
def recordings(draw, dtypes=INTEGERS, most_frames: int = 400, most_channels: int = 5):
    """Return samples [frames, channels] of one of the types."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    frames, channels = draw(st.integers(0, 40) | st.integers(0, most_frames)), draw(st.integers(1, most_channels))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=channels, max_size=channels))
    source = draw(st.lists(st.integers(-1, channels - 1), min_size=channels, max_size=channels))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low, high = _limits(dtype)
    columns = [np.clip(kind(random, frames, low, high), low, high) for kind in kinds]
    for channel, other in enumerate(source):
        if 0 <= other < channel:  # alike, so that one is predicted from the other, or a copy
            columns[channel] = columns[other] if channel % 2 else np.clip(columns[other] + columns[channel], low, high)
    samples = np.stack(columns, axis=1)
    if dtype.kind != "f":
        return samples.astype(np.int64).astype(dtype)
    return _floats(draw, random, samples, dtype)


def _limits(dtype: np.dtype) -> tuple[int, int]:
    limits = np.iinfo(np.int16 if dtype.kind == "f" else dtype)
    return int(limits.min), int(limits.max)


def _floats(draw, random, samples, dtype):
    """Make floats of integers: multiples of a number, some of them any bits at all."""
    made = (samples * draw(st.sampled_from([1.0, 0.195, 2.0**-9, -3e7]))).astype(dtype)
    if draw(st.booleans()):
        odd = random.random(made.shape) < 0.05
        bits = random.integers(0, 256, (*made.shape, dtype.itemsize), dtype=np.uint8).view(dtype)[..., 0]
        made = np.where(odd, bits, made)
    return made
