import zlib

import numpy as np

from runtime.core.implant_table import CODE_TO_SAMPLE, SAMPLE_TO_CODE, codes_of


def test_every_code_follows_the_formula():
    for code in range(-512, 512):
        magnitude = round((code if code >= 0 else -code - 1) * 64.061577 + 31.034184)
        assert CODE_TO_SAMPLE[code + 512] == (magnitude if code >= 0 else -magnitude - 1)


def test_table_is_pinned():
    assert zlib.crc32(CODE_TO_SAMPLE.astype("<i2").tobytes()) == 0x48A8B5FD


def test_every_sample_value_is_either_a_code_or_off_the_table():
    samples = np.arange(-32768, 32768).astype(np.int16)
    codes = codes_of(samples)
    on = codes >= 0
    assert on.sum() == 1024
    assert (CODE_TO_SAMPLE[codes[on]] == samples[on]).all()
    assert not np.isin(samples[~on], CODE_TO_SAMPLE).any()
    assert (codes[on] == (samples[on] >> 6) + 512).all()
    assert SAMPLE_TO_CODE.shape == (65536,)
