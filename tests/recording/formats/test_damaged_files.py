"""Files that are cut, lie about their size, or have a wrong byte: no error, and all bytes come back."""

import time

import numpy as np
import pytest
from acquisition_files import CASES
from parsed import describe_data, parse

LONGEST = 5.0
"""Seconds in which a file of some kB must be described, on a slow machine."""


def check(data, path=None):
    """Describe a file, and put it together again where it was described; returns what was found."""
    begin = time.monotonic()
    describe_data(data, path)
    assert time.monotonic() - begin < LONGEST
    parsed = parse(data, path)
    assert parsed is None or parsed.back == data
    return parsed


def cuts(case):
    """Where to cut: inside the header, the first record and the last one, and at both ends."""
    whole, begin = len(case.data), case.header
    random = np.random.default_rng(0).integers(0, whole, 12).tolist()
    return sorted({*random, 0, 1, 7, 8, 12, begin // 2, max(begin - 1, 0), begin, begin + 1, whole - 1, whole - 7})


@pytest.mark.parametrize("name", CASES)
def test_files_that_are_cut_come_back(name, tmp_path):
    case = CASES[name]()
    path = case.write(tmp_path)
    for end in cuts(case):
        parsed = check(case.data[:end], path)
        if parsed and name != "brainvision vectorized":
            assert np.array_equal(parsed.samples, case.samples[: len(parsed.samples)])


@pytest.mark.parametrize("name", [name for name in CASES if name != "brainvision vectorized"])
def test_records_in_front_of_a_cut_are_still_samples(name, tmp_path):
    case = CASES[name]()
    behind = len(case.data) - case.header - len(case.samples) * case.samples.shape[1] * int(case.dtype[2])
    end = len(case.data) - (behind if name.startswith(("abf", "axona text", "w64", "rf64", "bw64", "rifx")) else 0) - 1
    parsed = check(case.data[:end], case.write(tmp_path))
    assert 0 < len(parsed.samples) < len(case.samples)
    assert parsed.described.warnings


@pytest.mark.parametrize("name", CASES)
def test_bytes_behind_the_end_come_back(name, tmp_path):
    case = CASES[name]()
    parsed = check(case.data + bytes(range(101)), case.write(tmp_path))
    assert parsed is None or len(parsed.samples) >= len(case.samples)


def mutate(name, tmp_path, count, seed):
    """Change a byte of the header, or of a file beside it, again and again."""
    case = CASES[name]()
    path = case.write(tmp_path)
    random = np.random.default_rng(seed)
    beside = [other for other in case.files if other != case.name]
    found = 0
    for _ in range(count):
        data = bytearray(case.data)
        at = int(random.integers(max(case.header, min(64, len(data)))))
        data[at] = random.choice([0, 1, 0x20, 0x2D, 0x30, 0x39, 0x7F, 0x80, 0xFF, random.integers(256)])
        if beside:
            sidecar = bytearray(case.files[beside[0]])
            sidecar[random.integers(len(sidecar))] = random.choice(
                [0, 0x20, 0x30, 0x39, 0x3D, 0xFF, random.integers(256)]
            )
            (tmp_path / beside[0]).write_bytes(sidecar)
        found += check(bytes(data), path) is not None
    return found


@pytest.mark.parametrize("name", CASES)
def test_any_wrong_byte_of_a_header_is_survived(name, tmp_path):
    assert mutate(name, tmp_path, 30, 1) > 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_many_wrong_bytes_of_headers_are_survived(name, tmp_path):
    assert mutate(name, tmp_path, 400, 2) > 0
