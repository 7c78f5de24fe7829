"""Encoding in the workers of other people's executors."""

import os
import signal
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from file_calls import two_of_one_name

import runtime


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    for number in range(6):
        np.save(tmp_path / f"{number}.npy", rng.integers(-50, 50, (3000, 2)).astype(np.int16).cumsum(0, dtype=np.int16))
    (tmp_path / "bad").write_bytes(b"\x8fMDO\1 a coded file")
    return [*sorted(tmp_path.glob("*.npy")), tmp_path / "bad"]


def test_processes_give_the_same_files(files, tmp_path):
    told = []
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        outcomes = runtime.encode_files(files, executor=pool, folder=tmp_path / "pool", done=told.append)
    runtime.encode_files(files, folder=tmp_path / "here")
    assert [os.path.basename(outcome.path) for outcome in outcomes] == [path.name for path in files]
    assert told == outcomes and [outcome.error is None for outcome in outcomes] == [True] * 6 + [False]
    for path in files[:6]:
        name = path.with_suffix(".mdo").name
        assert (tmp_path / "pool" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_what_is_there_is_left(files, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        first = runtime.encode_files(files[:6], executor=pool, folder=tmp_path / "out", independent=True)
        again = runtime.encode_files(files[:6], executor=pool, folder=tmp_path / "out", independent=True)
    assert not any(outcome.skipped for outcome in first) and all(outcome.skipped for outcome in again)
    assert [o.coded_bytes for o in first] == [o.coded_bytes for o in again]


def test_two_recordings_do_not_go_to_one_output(tmp_path):
    paths = two_of_one_name(tmp_path)
    advanced = []
    with ThreadPoolExecutor(2) as pool:
        for force in (False, True):
            first, second = runtime.encode_files(
                paths, executor=pool, folder=tmp_path / "out", force=force, remove=force, advance=advanced.append
            )
            assert "another input is written" in str(second.error) and paths[1].exists()
            assert first.error is None or not force
    assert advanced[:2] == [6000, 0]
    assert runtime.decode((tmp_path / "out" / "x.mdo").read_bytes())[0].max() == 0


class Losing(Executor):
    """Loses the first results of each call, after or before it was done."""

    def __init__(self, times, work):
        self._times, self._work, self._count = times, work, {}

    def submit(self, call, group):
        future = Future()
        number = self._count.get(group[0], 0)
        self._count[group[0]] = number + 1
        result = call(group) if self._work or number >= self._times else None
        if number < self._times:
            future.set_exception(RuntimeError("the worker died"))
        else:
            future.set_result(result)
        return future


@pytest.mark.parametrize("work", [False, True])
def test_lost_workers_lose_nothing(files, tmp_path, work):
    outcomes = runtime.encode_files(files[:6], executor=Losing(2, work), folder=tmp_path / "out")
    assert all(outcome.error is None for outcome in outcomes)
    assert all(outcome.skipped == work for outcome in outcomes)
    for path in files[:6]:
        samples, _ = runtime.decode((tmp_path / "out" / path.with_suffix(".mdo").name).read_bytes())
        assert np.array_equal(samples, np.load(path))


def test_after_three_losses_a_file_is_given_up(files, tmp_path):
    outcomes = runtime.encode_files(files[:2], executor=Losing(3, False), folder=tmp_path / "out")
    assert all("its worker was lost: " in str(outcome.error) for outcome in outcomes)


def _die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_broken_pool_is_an_outcome_of_each_file(files, tmp_path):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        pool.submit(_die, 0).exception()
        with pytest.raises(RuntimeError):
            pool.submit(_die, 0)
        outcomes = runtime.encode_files(files[:2], executor=pool, folder=tmp_path / "out")
    assert all("its worker was lost" in str(outcome.error) for outcome in outcomes)
