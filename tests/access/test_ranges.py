"""File objects and URLs: few requests, and the same samples."""

from __future__ import annotations

import http.server
import io
import pickle
import re
import threading

import numpy as np
import pytest

import runtime
from runtime.access import ranges

CHUNKS = 40


@pytest.fixture(scope="module")
def samples():
    return np.random.default_rng(0).integers(-30000, 30000, (CHUNKS * 2000, 8)).astype(np.int16)


@pytest.fixture(scope="module")
def coded(samples):
    """A file of 40 chunks that is longer than what is fetched at both ends."""
    data = runtime.encode(samples, 20000, chunk_frames=2000, embed_model=True, metadata={"annotations": {"a": 1}})
    assert len(data) > 1 << 20
    return data


class Counting(io.RawIOBase):
    """A file object that notes what is read."""

    def __init__(self, data):
        self._data, self._at, self.reads = data, 0, []

    def seekable(self):
        return True

    def readable(self):
        return True

    def seek(self, offset, whence=0):
        self._at = offset + (0, self._at, len(self._data))[whence]
        return self._at

    def read(self, count=-1):
        self.reads.append((self._at, count))
        found = self._data[self._at : self._at + count]
        self._at += len(found)
        return found


def test_opening_takes_two_reads_and_each_chunk_one(coded, samples):
    file = Counting(coded)
    with runtime.open(file) as reader:
        assert len(file.reads) == 2
        assert np.array_equal(reader[50000:50010], samples[50000:50010])
        assert len(file.reads) == 3
        assert np.array_equal(reader[50020:52500, 3], samples[50020:52500, 3])
        assert len(file.reads) == 4
        assert np.array_equal(np.asarray(reader), samples)


@pytest.mark.parametrize("frames", [0, 100, 200_000])
def test_a_single_chunk_is_read_once(frames):
    samples = np.random.default_rng(0).integers(-30000, 30000, (frames, 4)).astype(np.int16)
    file = Counting(runtime.encode(samples, 20000, chunk_frames=200_000, layout="time-channel"))
    with runtime.open(file) as reader:
        assert np.array_equal(np.asarray(reader), samples)
    assert len(file.reads) <= 3


def test_a_damaged_file_is_an_error_as_of_any_file(coded):
    half = coded[: len(coded) // 2]
    with pytest.raises(runtime.CorruptError):
        runtime.open(Counting(half))
    with runtime.open(Counting(half), rebuild_index=True) as reader:
        assert 15 * 2000 < reader.frames < 25 * 2000
        assert len(reader.read()) == reader.frames
    for data in (b"", b"x", b"x" * 10, b"RIFF" * (1 << 18)):
        with pytest.raises(runtime.FileFormatError):
            runtime.open(Counting(data))
    assert issubclass(runtime.CorruptError, runtime.MiddleoutError)


def test_pipes_are_refused(coded):
    class Pipe(Counting):
        def seekable(self):
            return False

    with pytest.raises(runtime.UsageError, match="decode"):
        runtime.open(Pipe(coded))


def test_what_is_a_url():
    for url in ("s3://a/b", "memory://x", "simplecache::https://x.org/y"):
        assert ranges.is_url(url)
    for path in ("a.mdo", "/a/b", "C:\\x", "C://x", "a b://c", b"s3://x"):
        assert not ranges.is_url(path)


def test_urls_of_fsspec(coded, samples):
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed; it is an extra")
    fsspec.filesystem("memory").pipe("/x/a.mdo", coded)
    with runtime.open("memory://x/a.mdo") as reader:
        again = pickle.loads(pickle.dumps(reader))
        assert np.array_equal(again[:10], samples[:10])
        assert np.array_equal(reader[::-7777], samples[::-7777])
    with pytest.raises(FileNotFoundError):
        runtime.open("memory://x/none.mdo")
    with pytest.raises(runtime.UsageError, match="nonsense"):
        runtime.open("nonsense://x")
    with pytest.raises(runtime.UsageError, match="storage_options"):
        runtime.open("a.mdo", storage_options={})


def test_urls_without_fsspec(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(runtime.UsageError, match="pip install"):
        runtime.open("memory://a")


@pytest.fixture
def served(coded):
    """A server of ranges of the file, the requests that it got, and whether it shall send everything always."""

    class Handler(http.server.BaseHTTPRequestHandler):
        requests, stubborn = [], False

        def do_HEAD(self):
            self.requests.append("HEAD")
            self.answer(200, len(coded))

        def do_GET(self):
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            first, last = (int(found[1]), int(found[2])) if found and not self.stubborn else (0, len(coded) - 1)
            self.requests.append((first, last))
            part = coded[first : last + 1]
            self.answer(200 if self.stubborn else 206, len(part), f"bytes {first}-{last}/{len(coded)}")
            self.wfile.write(part)

        def answer(self, status, length, part=None):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.send_header("Accept-Ranges", "bytes")
            if part and status == 206:
                self.send_header("Content-Range", part)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/a.mdo", Handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_gets_three_requests_to_open_and_one_for_each_chunk(served, samples):
    pytest.importorskip("aiohttp", reason="aiohttp, by which fsspec speaks HTTP, is not installed")
    url, handler = served
    with runtime.open(url) as reader:
        assert len(handler.requests) <= 3
        before = len(handler.requests)
        assert np.array_equal(reader[50000:50010], samples[50000:50010])
        assert len(handler.requests) == before + 1
        assert np.array_equal(pickle.loads(pickle.dumps(reader))[70000], samples[70000])
        handler.stubborn = True
        with pytest.raises(runtime.UsageError, match="ranges"):
            reader[30000:30010]
