"""Samples through shared memory to another process and back."""

import pickle

import numpy as np

from runtime.batch import pipeline, shared_memory


class Same:
    """A coder that gives its tasks back."""

    def run(self, tasks):
        return tasks


def test_arrays_come_back_as_they_were():
    large = np.arange((shared_memory._SMALL >> 1) + 1, dtype=np.int16)
    works = [(large, 1, "a"), (np.asfortranarray(large[:-1].reshape(-1, 4)), None), (np.zeros((0, 3), np.int16),)]
    sent = shared_memory.shared(works)
    assert isinstance(sent, shared_memory.Shared)
    pool = pipeline._pool(1)
    try:
        back = pool.submit(shared_memory.call, Same(), sent).result(60)
    finally:
        pipeline._end(pool, given_up=False)
    assert [work[1:] for work in back] == [work[1:] for work in works]
    for (one, *_), (other, *_) in zip(back, works, strict=True):
        assert one.dtype == other.dtype and np.array_equal(one, other)
    back[0][0][:] = 0  # and are the receiver's own


def test_without_shared_memory_all_is_pickled(monkeypatch):
    def refuse(name):
        raise OSError("no such memory")

    works = [(np.zeros(shared_memory._SMALL, np.int16),)]
    monkeypatch.setattr(shared_memory.os, "memfd_create", refuse)
    assert shared_memory.shared(works) is works
    monkeypatch.delattr(shared_memory.os, "memfd_create")
    assert shared_memory.shared(works) is works
    assert len(pickle.loads(pickle.dumps(works))[0][0]) == shared_memory._SMALL
