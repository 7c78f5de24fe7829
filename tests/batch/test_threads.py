"""Several threads: the bytes of one, bounded memory, and an end without leftovers whatever happens."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import runtime
from runtime.batch import codings, pipeline
from runtime.core.errors import CorruptError
from runtime.core.threads import Stopped, check_stop, stoppable
from training.simulate import simulate, write_wav

pytestmark = pytest.mark.slow


@pytest.fixture
def many_batches(monkeypatch):
    """Chunks and batches so small that few samples keep several threads busy, which take turns all the time."""
    monkeypatch.setattr(pipeline, "_SMALL", 1000)
    monkeypatch.setattr(pipeline, "BATCH_SAMPLES", 3000)
    monkeypatch.setattr("runtime.batch.chunking.CHUNK_FRAMES", 700)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Recordings of one and of several channels, on and off the implant's table."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(3):
        write_wav(folder / f"single{number}.wav", simulate(1600 + 700 * number, channels=1, seed=number))
        write_wav(folder / f"several{number}.wav", simulate(700, channels=4, seed=9 + number))
    np.save(folder / "noise.npy", np.random.default_rng(0).normal(0, 30, (900, 2)).astype(np.int16))
    return sorted(folder.iterdir())


def contents(outcomes):
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [Path(outcome.output).read_bytes() for outcome in outcomes]


WAYS = [
    {},
    {"max_error": 3},
    {"model": "array-messages-v1"},
    {"target_rate": 80_000.0, "sample_rate": 20_000},
    {"keep": "spikes,lfp", "sample_rate": 20_000},
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: " ".join(way) or "plain")
def test_several_threads_give_the_same_files(files, tmp_path, many_batches, way):
    one = contents(runtime.encode_files(files, folder=tmp_path / "one", jobs=1, **way))
    restored = contents(runtime.decode_files(sorted((tmp_path / "one").iterdir()), folder=tmp_path / "back1", jobs=1))
    for jobs in (2, 5):
        folder, back = tmp_path / f"coded{jobs}", tmp_path / f"back{jobs}"
        assert contents(runtime.encode_files(files, folder=folder, jobs=jobs, **way)) == one
        seen = []
        outcomes = runtime.decode_files(sorted(folder.iterdir()), folder=back, jobs=jobs, advance=seen.append)
        assert contents(outcomes) == restored
        assert sum(seen) == sum(outcome.samples for outcome in outcomes)


def test_calls_from_several_threads_give_what_single_calls_give(many_batches):
    recordings = [simulate(500, channels=1 + n % 3, seed=n).samples for n in range(4)]
    bounds = [0, 1, 3, 0]
    expected = [runtime.encode(x, 20000, max_error=e) for x, e in zip(recordings, bounds, strict=True)]
    barrier, wrong = threading.Barrier(4), []

    def work(number):
        barrier.wait()
        for turn in range(4):
            here = (number + turn) % 4
            data = runtime.encode(recordings[here], 20000, max_error=bounds[here])
            if data != expected[here]:
                wrong.append(("encode", here))
            if not bounds[here] and not np.array_equal(runtime.decode(data)[0], recordings[here]):
                wrong.append(("decode", here))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_no_more_is_pending_than_fits_into_memory(tmp_path, many_batches, monkeypatch):
    monkeypatch.setattr(pipeline, "_MAX_PENDING", 8000)
    most, real = [], pipeline.Runner._deliver

    def counted(self):
        most.append(sum(batch.samples for batch, _ in self._pending))
        real(self)

    monkeypatch.setattr(pipeline.Runner, "_deliver", counted)
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).integers(-99, 99, (30000, 1)).astype(np.int16))
    contents(runtime.encode_files([path], jobs=2, verify=False))
    assert max(most) <= 2 * 8000
    assert contents(runtime.decode_files([tmp_path / "x.mdo"], folder=tmp_path / "back", jobs=2)) == [path.read_bytes()]


def pool_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("runtime")]


def test_an_error_in_a_thread_fails_its_own_file_only(files, tmp_path, many_batches, monkeypatch):
    coded = runtime.encode_files(files, folder=tmp_path, jobs=1)
    real = codings.decode

    def picky(tasks, *rest):
        if any(task.channels == 4 for task in tasks):
            raise CorruptError("bad chunk")
        return real(tasks, *rest)

    monkeypatch.setattr(codings, "decode", picky)
    outcomes = runtime.verify_files([outcome.output for outcome in coded], jobs=3)
    assert [outcome.error is None for outcome in outcomes] == ["several" not in outcome.path for outcome in coded]
    assert not pool_threads()


@pytest.mark.parametrize("where", ["advance", "done", "reading"])
def test_an_interrupt_leaves_neither_files_nor_threads(files, tmp_path, many_batches, monkeypatch, where):
    calls = []

    def interrupted(*_, **__):
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt

    options = {where: interrupted}
    if where == "reading":
        real, options = pipeline.Runner._submit, {}
        monkeypatch.setattr(pipeline.Runner, "_submit", lambda *arguments: (real(*arguments), interrupted()))
    with pytest.raises(KeyboardInterrupt):
        runtime.encode_files(files, folder=tmp_path, jobs=3, **options)
    assert not pool_threads()
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_work_that_was_given_up_ends_in_the_middle(tmp_path, monkeypatch):
    """A thread in a chunk of many seconds notices within one."""
    samples = np.random.default_rng(0).normal(0, 30, (1 << 17, 16)).astype(np.int16)
    np.save(tmp_path / "x.npy", samples)
    monkeypatch.setattr(pipeline, "_SMALL", 1000)

    def interrupted(*_, **__):
        time.sleep(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "wait", interrupted)
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        runtime.encode_files([tmp_path / "x.npy"], jobs=2, independent=True)
    assert time.perf_counter() - start < 8 and not pool_threads()
    assert os.listdir(tmp_path) == ["x.npy"]


def test_only_work_that_was_given_up_is_stopped():
    check_stop()
    stop = threading.Event()
    with stoppable(stop):
        check_stop()
        stop.set()
        with pytest.raises(Stopped):
            check_stop()
    check_stop()


@pytest.mark.skipif(os.name != "posix", reason="signals as on POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_threads_and_removes_what_was_begun(name, tmp_path):
    """Interrupt a command in the middle of its work."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(0, 30, (1 << 22, 8)).astype(np.int16))
    command = [sys.executable, "-m", "runtime", "encode", "--jobs", "2", str(tmp_path / "x.npy")]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler)
    )
    time.sleep(4)
    process.send_signal(getattr(signal, name))
    _, messages = process.communicate(timeout=30)
    assert (process.returncode, messages) == (130, b"")
    assert os.listdir(tmp_path) == ["x.npy"]


def test_a_reader_that_leaves_ends_the_threads(tmp_path):
    """Decode in threads to a pipe that somebody closes after some bytes."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(0, 30, (1 << 18, 8)).astype(np.int16))
    contents(runtime.encode_files([tmp_path / "x.npy"], jobs=2, verify=False, independent=True))
    command = [sys.executable, "-m", "runtime", "decode", "--jobs", "2", str(tmp_path / "x.mdo"), "-o", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1000)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 1
    process.stderr.close()


def test_there_is_a_thread_for_each_core_by_default(monkeypatch):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)
    assert pipeline.default_threads() == 3
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5}, raising=False)
    assert pipeline.default_threads() == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert pipeline.default_threads() == 1
