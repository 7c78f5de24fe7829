"""The implant's table: which int16 values its 10-bit codes take in a recording.

The files of the device hold 16-bit values that are an exact function of the converter's code. The function is a rounded
line (docs/format.md section 8); the tables below are built in integers from its decimal constants, and their bytes are
pinned by a CRC in the tests.
"""

from __future__ import annotations

import numpy as np

CODES = 1024
_SLOPE = 64_061_577
_OFFSET = 31_034_184
_MILLION = 1_000_000


def _build() -> np.ndarray:
    magnitude = (np.arange(CODES // 2, dtype=np.int64) * _SLOPE + _OFFSET + _MILLION // 2) // _MILLION
    return np.concatenate([-magnitude[::-1] - 1, magnitude]).astype(np.int16)


CODE_TO_SAMPLE = _build()
"""int16 [1024]: the sample value of code c - 512, increasing."""

_FIRST = 64
"""Samples that tell of most channels at once that they are not in the table."""
SAMPLE_TO_CODE = np.full(1 << 16, -1, np.int16)
"""int16 [65536]: the code (0..1023) of sample s at index s + 32768, or -1 off the implant's table."""
SAMPLE_TO_CODE[CODE_TO_SAMPLE.astype(np.int64) + 32768] = np.arange(CODES)


def codes_of(samples: np.ndarray) -> np.ndarray:
    """Return codes 0..1023 (int16) of int16 samples, -1 where a sample is not in the implant's table."""
    return SAMPLE_TO_CODE[samples.view(np.uint16) ^ np.uint16(0x8000)]


def table_codes(samples: np.ndarray) -> np.ndarray | None:
    """Return codes 0..1023 (int16) of int16 samples, None if one of them is not in the implant's table."""
    if len(samples) > _FIRST and codes_of(samples[:_FIRST]).min() < 0:
        return None
    codes = codes_of(samples)
    return None if codes.min() < 0 else codes


def mostly_in_table(samples: np.ndarray) -> bool:
    """Return whether most channels of int16 [frames, channels], constant ones aside, hold nothing but table values."""
    live = samples[:, samples.min(axis=0) != samples.max(axis=0)]
    in_table = [table_codes(np.ascontiguousarray(column)) is not None for column in live.T]
    return 2 * sum(in_table) >= len(in_table)


class ImplantValues:
    """Coded value and Q6 value of every int16 sample of an implant lane.

    codes : int32 [65536] by the sample's 16 bits; -1 where it is not in the implant's table
    q6 : int32 [65536]; of the nearest code where it is not in the table

    Parameters
    ----------
    reconstruction : int32 [1024], Q6 value of each code
    bins : int32 [1024], what is coded for each code; None for the code itself
    """

    def __init__(self, reconstruction: np.ndarray, bins: np.ndarray | None = None):
        samples = np.arange(1 << 16).astype(np.uint16).view(np.int16)
        codes = codes_of(samples).astype(np.int32)
        nearest = np.where(codes < 0, (samples >> 6) + CODES // 2, codes)
        self.q6 = reconstruction[nearest].astype(np.int32)
        self.codes = codes if bins is None else np.where(codes < 0, -1, bins[codes]).astype(np.int32)
