"""Signals beside a recording's channels: files of several rates come back, coded as their samples alone would be."""

import numpy as np
import pytest
from edf_files import edf, waves

import runtime
from runtime.batch.info import as_text, describe

RECORDS = 30
RATES = ((8, 512), (4, 128), (1, 1))


def signals(scale):
    return [one for number, (count, rate) in enumerate(RATES) for one in waves(RECORDS * rate, count, number, scale)]


@pytest.fixture(params=[2, 3], ids=["edf", "bdf"])
def original(request, tmp_path):
    path = tmp_path / ("a.edf" if request.param == 2 else "a.bdf")
    path.write_bytes(edf(signals(1 if request.param == 2 else 100), RECORDS, request.param, notes=20))
    return path


@pytest.mark.parametrize(
    "options", [{}, {"chunk_frames": 1000}, {"independent": True, "verify": False}, {"embed_model": True}]
)
def test_files_of_several_rates_come_back(original, tmp_path, options):
    coded = tmp_path / "a.mdo"
    runtime.encode_file(original, coded, **options)
    runtime.decode_file(coded, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == original.read_bytes()
    first = coded.read_bytes()
    runtime.encode_file(original, coded, force=True, jobs=2, **options)
    assert coded.read_bytes() == first


def test_other_signals_cost_what_they_cost_alone(original, tmp_path):
    runtime.encode_file(original, tmp_path / "a.mdo", sha256=False)
    one = signals(1 if original.suffix == ".edf" else 100)
    alone = 0
    for count, rate in RATES:
        array, one = np.stack(one[:count], axis=1), one[count:]
        array = array.astype(np.int16) if original.suffix == ".edf" else array
        alone += len(runtime.encode(array, sample_rate=rate, layout="time-channel", sha256=False))
    assert (tmp_path / "a.mdo").stat().st_size < 1.02 * alone


def test_other_signals_are_exact_under_a_bound(tmp_path):
    path, coded, back = (tmp_path / name for name in ("a.edf", "a.mdo", "back"))
    path.write_bytes(edf(signals(1), RECORDS))
    runtime.encode_file(path, coded, max_error=5)
    runtime.decode_file(coded, back)
    before, after = (
        np.frombuffer(one.read_bytes(), "<i2")[-RECORDS * 4609 :].reshape(RECORDS, 4609) for one in (path, back)
    )
    assert (before[:, 4096:] == after[:, 4096:]).all() and (before[:, :4096] != after[:, :4096]).any()


def test_info_names_other_signals(original, tmp_path):
    runtime.encode_file(original, tmp_path / "a.mdo")
    facts = describe(str(tmp_path / "a.mdo"))
    assert facts["ratio"] == facts["record_bytes"] / facts["coded_bytes"]
    assert facts["record_bytes"] == original.stat().st_size
    assert facts["other_signals"] == [{"signals": 4, "sample_rate": 128.0}, {"signals": 1, "sample_rate": 1.0}]
    assert "8; other signals: 4 at 128 Hz, 1 at 1 Hz" in as_text(facts)
