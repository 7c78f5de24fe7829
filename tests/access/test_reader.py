"""A reader: what it decodes and keeps, and that threads and processes may share it."""

import contextlib
import gzip
import io
import multiprocessing
import operator
import os
import pickle
import signal
import threading

import numpy as np
import pytest

import runtime
from runtime.access.chunk_reader import ByteCache
from runtime.batch import chunking, coders
from runtime.core.threads import ForkSafeLock
from training.simulate import simulate

FRAMES, CHUNK = 1500, 300


@pytest.fixture(scope="module")
def array():
    """Samples [frames, channels] of channels that are predicted from each other; do not write into them."""
    samples = simulate(FRAMES, channels=5, seed=4).samples
    samples[:, 3] = samples[:, 1]
    samples[: CHUNK // 2, 4] = 7
    samples[-CHUNK:] = np.random.default_rng(0).integers(-32768, 32768, (CHUNK, 5))  # stored
    return samples


@pytest.fixture(params=["segments", "spikes"])
def coded(request, array, monkeypatch):
    """A coded recording in chunks of several segments, and in spike mode; and what it decodes to."""
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", CHUNK)
    monkeypatch.setattr("runtime.codec.rans_coding.segment_steps", lambda frames, channels: 60)
    data = runtime.encode(array, 20000, model="device", **({"keep": "spikes"} if request.param == "spikes" else {}))
    return data, runtime.decode(data)[0]


@contextlib.contextmanager
def counted(monkeypatch):
    """Note the tasks that are decoded."""
    seen, real = [], coders.Decoder.run
    with monkeypatch.context() as patch:
        patch.setattr(coders.Decoder, "run", lambda self, tasks: (seen.extend(tasks), real(self, tasks))[1])
        yield seen


READS = [(0, 10, None), (290, 310, [4, 0]), (5, 6, 3), (60, 500, [1, 1, 2]), (250, 700, slice(None, None, -1))]


@pytest.mark.parametrize("cache_bytes", [0, 3000, 20000, 1 << 20])
def test_every_part_is_right_however_much_is_kept(coded, cache_bytes):
    data, samples = coded
    with runtime.Reader(io.BytesIO(data), cache_bytes=cache_bytes) as reader:
        for _ in range(2):
            for start, stop, channels in READS:
                columns = np.atleast_1d(np.arange(5)[slice(None) if channels is None else channels])
                expected = samples[start:stop][:, columns]
                assert np.array_equal(reader.read(start, stop, channels), expected)
        for _ in range(60):
            start, stop = np.sort(np.random.randint(0, FRAMES + 1, 2)).tolist()
            channels = np.random.randint(0, 5, np.random.randint(1, 6))
            assert np.array_equal(reader.read(start, stop, channels), samples[start:stop][:, channels])
        assert reader._chunks._kept._held <= cache_bytes


def test_what_was_decoded_is_not_decoded_again(array, monkeypatch):
    monkeypatch.setattr(chunking, "CHUNK_FRAMES", CHUNK)
    monkeypatch.setattr("runtime.codec.rans_coding.segment_steps", lambda frames, channels: 60)
    reader = runtime.Reader(io.BytesIO(runtime.encode(array, 20000, model="device")))
    with counted(monkeypatch) as tasks:
        for start in range(0, 120, 6):
            assert np.array_equal(reader.read(start, start + 6, [0, 2]), array[start : start + 6, [0, 2]])
        assert [(task.part.start, task.part.stop) for task in tasks] == [(0, 60), (60, 120)]
        tasks.clear()
        assert np.array_equal(reader.read(100, 164), array[100:164])  # other channels, and the segment behind
        (task,) = tasks
        assert (task.part.start, task.part.stop) == (60, 180)
        tasks.clear()
        assert np.array_equal(reader.read(70, 180, [4, 1]), array[70:180, [4, 1]]) and not tasks
    data = io.BytesIO(runtime.encode(array, 20000, model="device"))
    with counted(monkeypatch) as tasks, runtime.Reader(data, cache_bytes=0) as reader:
        reader.read(10, 20)
        reader.read(10, 20)
        assert [(task.part.start, task.part.stop) for task in tasks] == [(10, 20), (10, 20)]
    with pytest.raises(runtime.UsageError, match="-1 bytes"):
        runtime.Reader(data, cache_bytes=-1)


def test_a_cache_keeps_what_was_used_last():
    cache = ByteCache(3000)
    for name in "abc":
        cache.put({name: bytes(700)})
    cache.get("a")
    cache.put({"d": bytes(700), "large": bytes(4000)})
    assert sorted(cache.get(["a", "b", "c", "d", "large"])) == ["a", "c", "d"]
    cache.put({"a": bytes(2600)})
    assert list(cache.get("abcd")) == ["a"] and cache._held <= 3000


def in_threads(count, call):
    """Call it in threads that begin together; raises what went wrong in one."""
    barrier, errors = threading.Barrier(count), []

    def work(number):
        try:
            barrier.wait()
            call(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


class Slow(io.BytesIO):
    """A file object in which other threads come between seeking and reading."""

    def seek(self, *place):
        found = super().seek(*place)
        threading.Event().wait(0.001)
        return found


@pytest.mark.parametrize("kind", ["path", "file", "memory", "unbuffered", "packed"])
@pytest.mark.parametrize("cache_bytes", [0, 30000])
def test_threads_share_a_reader(coded, kind, cache_bytes, tmp_path):
    data, samples = coded
    path = tmp_path / "x.mdo"
    path.write_bytes(data)
    with gzip.open(tmp_path / "x.gz", "wb") as packed:
        packed.write(data)
    with open(path, "rb") as file, open(path, "rb", buffering=0) as raw, gzip.open(tmp_path / "x.gz") as packed:
        files = {"path": path, "file": file, "memory": Slow(data), "unbuffered": raw}
        source = files.get(kind) or io.BufferedReader(packed)
        with runtime.Reader(source, cache_bytes=cache_bytes) as reader:
            file.seek(3)

            def read(seed):
                for start in np.random.default_rng(seed).integers(0, FRAMES - 10, 10).tolist():
                    assert np.array_equal(reader.read(start, start + 10, [4, 1]), samples[start : start + 10, [4, 1]])

            in_threads(6, read)
        assert file.tell() == 3


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def in_child(call):
    """Return whether a call is true in a forked child, which must end within a minute."""
    child = os.fork()
    if not child:
        code = 1
        try:
            signal.alarm(60)
            code = 0 if call() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.parametrize("warm", [False, True], ids=["opened", "read before"])
def test_forked_children_share_a_reader(coded, warm, tmp_path):
    """Let children and the parent read at the same time, with the model loaded before and after the fork."""
    data, samples = coded
    (tmp_path / "x.mdo").write_bytes(data)
    with runtime.open(tmp_path / "x.mdo") as reader:
        if warm:
            reader.read(0, 10)
        ready, begin = os.pipe()

        def read():
            os.read(ready, 1)
            starts = np.random.default_rng(os.getpid()).integers(0, FRAMES - 10, 10).tolist()
            return all(np.array_equal(reader.read(s, s + 10), samples[s : s + 10]) for s in starts)

        found = []
        waiting = [threading.Thread(target=lambda: found.append(in_child(read))) for _ in range(3)]
        for thread in waiting:
            thread.start()
        os.write(begin, b"....")
        assert read()
        for thread in waiting:
            thread.join()
        os.close(ready)
        os.close(begin)
    assert found == [True] * 3


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_lock_that_is_held_at_a_fork_is_free_in_the_child():
    lock = ForkSafeLock()

    def take():
        with lock:
            return True

    with lock:
        assert in_child(take)


@needs_fork
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_all_calls_work_in_a_forked_child(array):
    """Encode and decode with what the parent has loaded, then end as Python ends."""
    data = runtime.encode(array, 20000)
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map_async(runtime.decode, [data] * 4).get(60)[3][1] == 20000
        assert pool.starmap_async(runtime.encode, [(array, 20000)] * 2).get(60) == [data] * 2
        pool.close()
        pool.join()


def test_a_reader_of_a_path_can_be_pickled(coded, tmp_path, monkeypatch):
    data, samples = coded
    (tmp_path / "x.mdo").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    with runtime.Reader("x.mdo", cache_bytes=5000) as reader:
        packed = pickle.dumps(reader)
    monkeypatch.chdir("/")
    with pickle.loads(packed) as again:
        assert np.array_equal(again.read(100, 700, [2]), samples[100:700, [2]]) and again._chunks._kept.most == 5000
    (tmp_path / "x.mdo").write_bytes(runtime.encode(samples[:-1], 20000))
    with pytest.raises(runtime.UsageError, match="not the file"):
        pickle.loads(packed)
    with pytest.raises(runtime.UsageError, match="by its path"):
        pickle.dumps(runtime.Reader(io.BytesIO(data)))


@pytest.mark.slow
def test_a_new_process_takes_a_reader(coded, tmp_path):
    data, samples = coded
    (tmp_path / "x.mdo").write_bytes(data)
    with runtime.open(tmp_path / "x.mdo") as reader, multiprocessing.get_context("spawn").Pool(1) as pool:
        reader.read(0, 10)
        found = pool.apply_async(operator.methodcaller("read", 290, 310), (reader,)).get(120)
    assert np.array_equal(found, samples[290:310])


def test_a_closed_reader_does_not_read_another_file(coded, tmp_path):
    data, _ = coded
    (tmp_path / "x.mdo").write_bytes(data)
    reader = runtime.open(tmp_path / "x.mdo")
    reader.close()
    with open(tmp_path / "x.mdo", "rb"), pytest.raises(runtime.UsageError, match="closed"):
        reader.read(0, 10)


def test_a_pickled_reader_does_not_read_another_recording(tmp_path):
    samples = np.cumsum(np.random.default_rng(6).integers(-9, 10, (2, 5000, 2)), axis=1).astype(np.int16)
    path = tmp_path / "x.mdo"
    path.write_bytes(runtime.encode(samples[0], 1000))
    with runtime.open(path) as reader:
        pickled = pickle.dumps(reader)
    with pickle.loads(pickled) as again:
        assert np.array_equal(again.read(), samples[0])
    path.write_bytes(runtime.encode(samples[1], 1000))
    with pytest.raises(runtime.UsageError, match="is not the file"):
        pickle.loads(pickled)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_channels_are_any_sequence(kind):
    samples = np.arange(400, dtype=np.int16).reshape(100, 4)
    with runtime.open(runtime.encode(samples, 1000)) as reader:
        for wanted in ([], [2], [3, 0, 3]):
            columns = kind(wanted) if wanted or kind is not np.array else np.empty(0, np.int64)
            assert np.array_equal(reader.read(5, 9, columns), samples[5:9][:, wanted])
            assert reader.mask(5, 9, columns).shape == (4, len(wanted))
