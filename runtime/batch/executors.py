"""Files through the workers of somebody else's executor: processes, Dask, MPI, a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from ..core.errors import MiddleoutError, as_error
from .outcome import Outcome


def run_on(
    executor: Executor,
    groups: Sequence[list[str]],
    encode: Callable[[list[str]], Outcome],
    done: Callable[[Outcome], None],
    retries: int,
) -> list[Outcome]:
    """Encode each group of files in a worker.

    What a worker has written is complete or not there, so a group can be given out again: a worker that finds its
    output done leaves it.

    Parameters
    ----------
    executor : gives out calls and their futures as `concurrent.futures` says
    groups : files of each recording
    encode : called in a worker; must be picklable
    done : called here with every outcome as it comes, in order
    retries : how often a group is given out again whose worker was lost
    """
    waiting = [(group, executor.submit(encode, group)) for group in groups]
    outcomes = []
    for group, future in waiting:
        outcome = _result(executor, future, group, encode, retries)
        done(outcome)
        outcomes.append(outcome)
    return outcomes


def _result(executor: Executor, future: Future, group: list[str], encode: Callable[..., Any], retries: int) -> Outcome:
    """Wait for an outcome. Whatever is raised comes from the executor: errors of a file are in its outcome."""
    for left in range(retries, -1, -1):
        try:
            outcome: Outcome = future.result()
            return outcome
        except Exception as error:
            failure = error
        if left:
            try:
                future = executor.submit(encode, group)
            except Exception as error:  # it takes no more work
                failure = error
                break
    lost = MiddleoutError(f"its worker was lost: {as_error(failure)}")
    return Outcome(group[0], error=lost)
