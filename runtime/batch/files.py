"""Whole files: encode, decode, verify, for paths and `-`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import Any

from ..core.errors import UsageError, as_error
from ..predictor import model as models
from ..recording.input_file import usable_size
from ..recording.outputs import paths, removal
from ..recording.sources import NOTHING, Given
from .decode_job import DecodeJob
from .encoding import Loaded
from .executors import run_on
from .jobs import EncodeJob
from .options import Destination, EncodeOptions, from_fields
from .outcome import Outcome, Settings
from .pipeline import Runner, default_threads

_USUAL_RATIO = 3.6
"""Samples of 2 bytes per 2 coded bytes, by which progress is estimated."""
_RETRIES = 2
"""How often a recording is given out again whose worker was lost."""


def encode_files(
    files: str | os.PathLike | Iterable[str | os.PathLike],
    options: EncodeOptions | None = None,
    *,
    array: bool = False,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
    executor: Executor | None = None,
    **fields: Any,
) -> list[Outcome]:
    """Encode recordings: WAV and .npy files and raw samples, each `NAME.wav` to `NAME.mdo`.

    Parameters
    ----------
    files : iterable of str or os.PathLike
        Paths; `-` is standard input.
    options : EncodeOptions or None
        How to encode.
    array : bool
        Take the files for the channels of one recording, which gets one coded file.
    jobs : int or None
        Threads; None for one per core. Fewer are used where there is little to do. Not for an executor.
    done : callable
        Called with every file's outcome, good or bad, as it comes.
    advance : callable
        Called with numbers of samples as they are done.
    executor : concurrent.futures.Executor or None
        Encodes each recording in one of its workers, with one thread: processes of this machine, or those of Dask
        (`client.get_executor()`), joblib's loky, submitit or MPI. Outputs that are there already, complete, are left
        (`skip_done`); a recording whose worker is lost is given out twice more.
    **fields
        Fields of `EncodeOptions`, of `Given` (what raw and .npy files do not say themselves) and of `Destination`.

    Returns
    -------
    list of Outcome
        One for every file in order; look at `error`.

    Raises
    ------
    ModelError, UsageError
        The model, the topology or an option is not usable. What concerns one file only does not raise.
    """
    names = paths.as_list(files)
    options, given, destination = from_fields(fields, options or EncodeOptions, NOTHING, Destination)
    groups = [names] if array and names else [[name] for name in names]
    with _KeptFiles(destination.remove, done) as kept_files:
        if executor is not None:
            there = dataclasses.replace(destination, skip_done=not destination.force)
            claim = partial(_outputs(destination).claim_coded, hindered=lambda target: "")
            encode = partial(_encode_here, options, given, there, array)
            return run_on(executor, groups, claim, encode, kept_files.tell, advance, _RETRIES)
        settings, loaded = _settings(destination, kept_files.tell), Loaded.of(options)
        work = [EncodeJob(group, settings, loaded, given, array) for group in groups]
        return _run(work, Runner(jobs or default_threads(), expected_samples(names), advance))


class _KeptFiles:
    """Files that are no recordings, but may describe some: they are removed when all recordings are, or stay.

    Parameters
    ----------
    remove : as in `Destination`
    done : called with every outcome
    """

    def __init__(self, remove: bool, done: Callable[[Outcome], None]) -> None:
        self._last, self._done = remove, done
        self._outcomes: list[Outcome] = []

    def tell(self, outcome: Outcome) -> None:
        """Hand an outcome over, or hold it back to the end if its file is to be removed then."""
        if self._last and outcome.kept and outcome.error is None:
            self._outcomes.append(outcome)
            return
        self._last = self._last and outcome.error is None and not outcome.skipped
        self._done(outcome)

    def __enter__(self) -> _KeptFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for outcome in self._outcomes:
            try:
                if kind is None and self._last:
                    removal.remove_same(outcome.path, outcome.sha256, outcome.output)
            except Exception as error:
                outcome.error = as_error(error)
            self._done(outcome)


def _encode_here(
    options: EncodeOptions, given: Given, destination: Destination, array: bool, group: list[str]
) -> Outcome:
    """Encode one recording in a worker."""
    settings = _settings(destination, lambda outcome: None)
    return _run([EncodeJob(group, settings, Loaded.of(options), given, array)], Runner(1))[0]


def decode_files(
    files: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    model: str | os.PathLike | bytes | None = None,
    embedded_model: bool = True,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
    **fields: Any,
) -> list[Outcome]:
    """Restore the originals of coded files; parameters and result are as for `encode_files`.

    A recording that was several files is restored into a folder: `output`, or `folder`, or beside the input.
    `model` supplies the model where it is neither shipped nor embedded; it must be the one that the files name.
    With `embedded_model=False` models in files are refused, and only shipped ones and `model` are used.
    `fields` are those of `Destination`, but for `whole` and `skip_done`.
    """
    (destination,) = from_fields(fields, Destination)
    if destination.whole or destination.skip_done:
        raise UsageError("`whole` and `skip_done` are for encoding")
    return _decode(files, model, embedded_model, _settings(destination, done), jobs, advance)


def verify_files(
    files: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    model: str | os.PathLike | bytes | None = None,
    embedded_model: bool = True,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
    sums: bool = False,
) -> list[Outcome]:
    """Decode coded files without writing anything; parameters and result are as for `decode_files`."""
    return _decode(files, model, embedded_model, Settings(None, False, done, sums=sums), jobs, advance)


def expected_samples(files: Iterable[str]) -> int | None:
    """Estimate how many samples WAV files hold together; None if the size of one is unknown."""
    total = 0
    for file in files:
        size = usable_size(file)
        if size is None:
            return None
        total += size
    return total // 2


def coded_samples(files: Iterable[str]) -> int | None:
    """Estimate how many samples coded files hold together, at a usual ratio."""
    total = expected_samples(files)
    return None if total is None else int(total * _USUAL_RATIO)


def _decode(
    files: str | os.PathLike | Iterable[str | os.PathLike],
    model: Any,
    embedded_model: bool,
    settings: Settings,
    jobs: int | None,
    advance: Callable[[int], None],
) -> list[Outcome]:
    names = paths.as_list(files)
    network = None if model is None else models.load(model)
    work = [DecodeJob([name], settings, network, embedded_model) for name in names]
    return _run(work, Runner(jobs or default_threads(), coded_samples(names), advance))


def _outputs(destination: Destination) -> paths.Outputs:
    return paths.Outputs(
        destination.output, destination.folder, destination.force, destination.below, destination.whole
    )


def _settings(destination: Destination, done: Callable[[Outcome], None]) -> Settings:
    return Settings(_outputs(destination), destination.remove, done, destination.skip_done, destination.sums)


def _run(work: list[EncodeJob] | list[DecodeJob], runner: Runner) -> list[Outcome]:
    runner.run(work)
    return [job.outcome for job in work]
