"""`scripts/link`: four processes in a row, and the tables of losses."""

from __future__ import annotations

import re

import numpy as np
import pytest
from linking import figures, losses, processes
from test_scripts import run

from training.simulate import RATE, simulate

BLOCK = 200


@pytest.fixture(scope="module")
def samples():
    return simulate(RATE, 3, seed=5).samples


def setting(path, radio, seconds=0.6, encode=("--parity", "4")):
    encode = ["--keep", "spikes", *encode]
    return processes.Setting(path, 3, RATE, BLOCK, seconds, encode, ["--reorder", "3"], radio, np.array([0, 2]))


@pytest.mark.slow
def test_every_block_of_four_processes_has_its_times(tmp_path, samples):
    np.save(tmp_path / "samples.npy", samples)
    made = setting(tmp_path / "samples.npy", {"bit_rate": 1e6, "delay": 0.01})
    done = processes.run(made, tmp_path)
    delays, count = figures.latency(made, done), made.frames // BLOCK
    for values in (delays.packet, delays.arrival, delays.decoded, delays.decoding):
        assert len(values) == count and np.isfinite(values).all() and values.min() > -0.01  # clocks of processes
    assert (delays.arrival - delays.packet).min() >= 0.01 and (delays.decoded > delays.arrival).all()
    assert set(done.work) == {"encode", "decode"} and not done.missing.any()
    found = figures.compare(samples[:, made.kept], 0, done.samples, RATE)
    assert found.recall() > 0.7 and found.precision() > 0.7
    bits = figures.bits_by_block(made, done)
    lead = done.sent[:, 0] < made.lead // BLOCK
    assert bits.sum() == pytest.approx(8 * done.sent[~lead, 2].sum(), rel=0.05)


@pytest.mark.slow
def test_missing_blocks_have_no_latency(tmp_path, samples):
    np.save(tmp_path / "samples.npy", samples)
    made = setting(tmp_path / "samples.npy", {"lost": 0.2, "damaged": 0.05, "doubled": 0.1, "seed": 1}, encode=())
    done = processes.run(made, tmp_path)
    lost = set(range((made.lead + made.frames) // BLOCK)) - set(done.arrived[:, 0].astype(int))
    assert lost and lost == set(np.flatnonzero(done.missing))
    decoded = figures.latency(made, done).decoded
    assert np.array_equal(np.isnan(decoded), done.missing[made.lead // BLOCK :])


@pytest.mark.slow
def test_a_process_that_fails_ends_the_run(tmp_path, samples):
    np.save(tmp_path / "samples.npy", samples)
    with pytest.raises(SystemExit, match="encode failed"):
        processes.run(setting(tmp_path / "samples.npy", {}, encode=("--parity", "99")), tmp_path)


@pytest.mark.slow
def test_recall_falls_with_losses_and_parity_mends_it(samples):
    stream = losses.Losses(samples, RATE, np.arange(3), None)
    whole = stream.cell(None, 0.0, 1)
    assert whole.missing == whole.lost == 0 < whole.clear_again <= whole.again <= whole.spikes
    plain, mended = stream.cell(None, 0.1, 6), stream.cell(4, 0.1, 6)
    assert plain.missing == plain.lost > mended.missing > 0
    assert plain.again < mended.again < 6 * whole.again
    assert stream.bit_rate(4, RATE) > 1.2 * stream.bit_rate(None, RATE)


@pytest.mark.slow
def test_it_writes_tables_and_a_picture_without_real_recordings(root, tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "link.md"
    short = ["--channels", 2, "--seconds", 1, "--passes", 1, "--kept", 2, "--target-rate", "40k"]
    result = run(root, "link", tmp_path / "absent", *short, "--output", page)
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    assert "simulated channels" in text and "![Bits, latency and recall over time](link.png)" in text
    assert len(re.findall(r"^\| every (?:4|8|16) \|", text, re.MULTILINE)) == 12
    assert page.with_suffix(".png").stat().st_size > 10000
