"""Encoding on a cluster of Dask, of which a worker is killed."""

import hashlib
import os
import signal
import threading
import time

import numpy as np
import pytest

import runtime

distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed; it is the extra `dask`")


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(tmp_path):
    rng = np.random.default_rng(4)
    for number in range(24):
        np.save(tmp_path / f"{number:02}.npy", rng.integers(-40, 40, (60_000, 4)).cumsum(0).astype(np.int16))
    files, out, seen = sorted(tmp_path.glob("*.npy")), tmp_path / "out", []
    settings = {"n_workers": 3, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:

        def kill():
            while len(list(out.glob("*.mdo"))) < 5:
                time.sleep(0.01)
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcomes = runtime.encode_files(files, executor=client.get_executor(), folder=out, done=seen.append)
        killer.join()
    assert [outcome.error for outcome in outcomes] == [None] * 24 and seen == outcomes
    assert sorted(path.name for path in out.iterdir()) == [path.with_suffix(".mdo").name for path in files]
    runtime.encode_files(files, folder=tmp_path / "here")
    for path in out.iterdir():
        here = (tmp_path / "here" / path.name).read_bytes()
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(here).digest()
