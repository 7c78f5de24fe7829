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
    claim: Callable[[list[str]], str],
    encode: Callable[[list[str]], Outcome],
    done: Callable[[Outcome], None],
    advance: Callable[[int], None],
    retries: int,
) -> list[Outcome]:
    """Encode each group of files in a worker.

    What a worker has written is complete or not there, so a group can be given out again: a worker that finds its
    output done leaves it.

    Parameters
    ----------
    executor : gives out calls and their futures as `concurrent.futures` says
    groups : files of each recording
    claim : claims the output of a group here, since workers do not know of each other; what it raises is the outcome
    encode : called in a worker; must be picklable
    done, advance : called here with every outcome, and the number of its samples, as it comes, in order
    retries : how often a group is given out again whose worker was lost
    """
    waiting: list[tuple[list[str], Future | Outcome]] = []
    for group in groups:
        try:
            claim(group)
            waiting.append((group, _given_out(executor, encode, group)))
        except Exception as error:
            waiting.append((group, Outcome(group[0], error=as_error(error))))
    outcomes = []
    for group, given in waiting:
        outcome = given if isinstance(given, Outcome) else _result(executor, given, group, encode, retries)
        done(outcome)
        advance(outcome.samples)
        outcomes.append(outcome)
    return outcomes


def _given_out(executor: Executor, encode: Callable[..., Any], group: list[str]) -> Future:
    """Give a group out; an executor that takes no more work gives a future that has failed."""
    try:
        return executor.submit(encode, group)
    except Exception as error:
        refused: Future = Future()
        refused.set_exception(error)
        return refused


def _result(executor: Executor, future: Future, group: list[str], encode: Callable[..., Any], retries: int) -> Outcome:
    """Wait for an outcome. Whatever is raised comes from the executor: errors of a file are in its outcome."""
    while True:
        try:
            outcome: Outcome = future.result()
            return outcome
        except Exception as error:
            if not retries:
                return Outcome(group[0], error=MiddleoutError(f"its worker was lost: {as_error(error)}"))
        retries, future = retries - 1, _given_out(executor, encode, group)
