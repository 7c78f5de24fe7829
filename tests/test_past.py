"""What channels hear of each other in training for the ablation table: nothing, the past, or the present too."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import arrays, dataset, past  # noqa: E402

LEVELS = (np.arange(1025) - 512) * 64


def channels():
    """White noise; one that holds the first in the same frame; one that follows the first by a frame."""
    random = np.random.default_rng(2)
    first = random.normal(0, 8, 6001)
    same, late = first[1:] + random.normal(0, 1.5, 6000), first[:-1] + random.normal(0, 1.5, 6000)
    return np.rint(np.stack([first[1:], same, late], axis=1)).astype(np.int16)


def test_only_what_was_there_before_is_heard():
    reconstruction = dataset.middles(LEVELS)
    side = past.fit(channels(), reconstruction)
    heard = [set(references[references >= 0].tolist()) for references in side.references]
    assert heard[:2] == [set(), set()] and 0 in heard[2]
    assert not side.order_level.any() and not side.reference_taps[:2].any()
    newest = side.reference_taps[2, list(side.references[2]).index(0), 0] / 1024
    assert 0.8 < newest < 1.1


def test_rows_have_what_is_left():
    samples = channels()
    initial_scale = {}
    for hearing in ("none", "past", "order_levels"):
        rows = arrays.prepare(samples, LEVELS, samples.size, np.random.default_rng(0), hearing)
        assert len(rows.codes) == samples.size
        flat = rows.codes - 1025 - 512  # of linear channels: what is left, in steps of their grid
        initial_scale[hearing] = np.abs(flat).mean()
    assert initial_scale["past"] < 0.85 * initial_scale["none"]  # one of three channels is explained
    assert initial_scale["order_levels"] < 0.8 * initial_scale["past"]


def test_messages_of_the_past_do_not_tell_the_present():
    samples = channels()[:, :2]
    rows = {
        hearing: arrays.prepare(samples, LEVELS, samples.size, np.random.default_rng(0), hearing, arrays.ROWS)
        for hearing in ("past", "order_levels")
    }
    assert (rows["past"].features[:, 20:] == 128).all()  # what was there before does not help here, so nobody is heard
    heard = rows["order_levels"].features[:, 20:].astype(float)
    assert (heard != 128).any()


def test_rows_of_the_held_part_only():
    samples = channels()
    seen, held = arrays.split({"x": samples}, LEVELS, 20, "order_levels", 0.2)
    assert len(seen["x"]) == 4800 and list(held) == ["x (held part)"]
    assert len(held["x (held part)"].codes) == 1200 * 3
    whole = arrays.prepare(samples >> 3, LEVELS, samples.size, np.random.default_rng(0))
    assert np.array_equal(np.sort(held["x (held part)"].reference), np.sort(whole.reference[4800 * 3 :]))
    assert list(arrays.split({"x": samples}, LEVELS, 20, "order_levels", 0)[1]) == ["x (trained on)"]
