"""Whole files: encode, decode, test, for paths and `-`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial

from .. import spikes
from ..core.errors import UsageError
from ..core.sample_formats import parse
from ..core.terms import LAYOUTS
from ..fit import topology as topologies
from ..predictor import model as models
from ..recording import paths
from ..recording.sources import Given
from .jobs import DecodeJob, EncodeJob, Outcome, Settings, decode_call, encode_call
from .pipeline import Runner, default_processes
from .rate_control import check_target
from .writer import whole_sample_rate

DECODE_BATCH = 2
"""Batches of decoding are larger than those of encoding: a sample takes less memory, and less time with more lanes."""


def encode_files(
    files: Iterable[str],
    *,
    model: str | os.PathLike | bytes | None = None,
    output: str | None = None,
    folder: str | None = None,
    force: bool = False,
    remove: bool = False,
    verify: bool = True,
    embed_model: bool = False,
    independent: bool = False,
    channels: int | None = None,
    sample_rate: int = 0,
    dtype: object = "int16",
    layout: str | None = None,
    array: bool = False,
    topology: topologies.Topology | str | os.PathLike | None = None,
    max_error: int | None = None,
    keep: str | Iterable[str] | None = None,
    threshold: float | None = None,
    window: tuple[float, float] | None = None,
    target_rate: float | None = None,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
) -> list[Outcome]:
    """Encode recordings: WAV and .npy files and raw samples, each `NAME.wav` to `NAME.mdo`.

    Parameters
    ----------
    files : paths; `-` is standard input
    model : name or path of a model, or a model file's bytes; None for the best one for what is asked for
    output : name for the only output; `-` is standard output
    folder : where to put outputs, instead of beside the inputs; made if it is not there
    force : replace existing files
    remove : remove inputs once their output is complete
    verify : decode what was encoded and compare
    embed_model : put the model into every file
    independent : code each channel alone
    topology : topology, or path of its file, by which channels listen to others; None: found out from the recording
    max_error : how far a decoded sample may be from the original one, 0..255: in codes for channels on the implant's
        lattice, in sample units for others; 0 for lossless
    keep : "spikes", or "spikes,lfp" for a slow band (0 to 200 Hz) as well: keep no more than windows around spikes, in
        which `max_error` holds (then 3 by default), and a smooth rendering between them; None to keep everything
    threshold : of spikes, in robust deviations of a channel's band from 300 to 3000 Hz; 4.5 by default
    window : milliseconds before and after a spike's threshold crossing; (0.5, 1.5) by default
    channels : of raw files; with it, everything not named .wav or .npy is raw
    sample_rate : Hz, a whole number, of raw and .npy files; 0 if unknown
    dtype : of raw files: int16, uint16, int8 or uint8, little-endian
    layout : axes of raw and .npy files, "time-channel" or "channel-time"; without it, files with more channels than time steps
        are refused
    array : the files hold one channel each, of one recording, which gets one coded file
    target_rate : bits per second, all channels together, that each file is to stay under: every chunk gets the smallest
        error that keeps it there; a file that can't be kept there is a `RateError` and is not written
    jobs : processes; None for one per processor; one is used where there is little to do
    done : called with every file's outcome, good or bad, as it comes
    advance : called with numbers of samples as they are done

    Returns
    -------
    list of Outcome
        One for every file in order; look at `error`.

    Raises
    ------
    ModelError, UsageError
        The model, the topology, `max_error` or `target_rate` is not usable. What concerns one file only does not raise.
    """
    files = [os.fspath(file) for file in files]
    if layout not in (None, *LAYOUTS):
        raise UsageError(f"layout is one of {LAYOUTS}, not {layout!r}")
    given = Given(channels, whole_sample_rate(sample_rate), parse(dtype), layout)
    kept, max_error = spikes.resolve(keep, max_error, threshold, window)
    usual = models.default() if kept else models.default(max_error, target_rate)
    network = models.load(usual if model is None else model)
    known = None if topology is None else topologies.load(topology)
    made = paths.Outputs(output, folder, force)
    check_target(target_rate, 0 if kept else max_error)
    coding = {"max_error": max_error, "target_rate": target_rate, "activity": kept}
    coding |= {"chooses": model is None, "independent": independent}
    settings = Settings(made, network, done, remove, verify, embed_model, known, given, **coding)
    call = partial(encode_call, verify=verify, independent=independent, max_error=max_error)
    each = [files] if array else [[file] for file in files]
    work = [EncodeJob(some, settings, array) for some in each]
    return _run(work, call, jobs, expected_samples(files), advance)


def decode_files(
    files: Iterable[str],
    *,
    model: str | os.PathLike | bytes | None = None,
    output: str | None = None,
    folder: str | None = None,
    force: bool = False,
    remove: bool = False,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
) -> list[Outcome]:
    """Restore the originals of coded files; parameters and result as for `encode_files`.

    A recording that was several files is restored into a folder: `output`, or `folder`, or beside the input.
    `model` supplies the model where it is neither shipped nor embedded; it must be the one that the files name.
    """
    files = [os.fspath(file) for file in files]
    network = None if model is None else models.load(model)
    settings = Settings(paths.Outputs(output, folder, force), network, done, remove)
    return _run([DecodeJob([file], settings) for file in files], decode_call, jobs, coded_samples(files), advance)


def verify_files(
    files: Iterable[str],
    *,
    model: str | os.PathLike | bytes | None = None,
    jobs: int | None = None,
    done: Callable[[Outcome], None] = lambda outcome: None,
    advance: Callable[[int], None] = lambda samples: None,
) -> list[Outcome]:
    """Decode coded files without writing anything; parameters and result as for `decode_files`."""
    files = [os.fspath(file) for file in files]
    network = None if model is None else models.load(model)
    settings = Settings(None, network, done)
    return _run([DecodeJob([file], settings) for file in files], decode_call, jobs, coded_samples(files), advance)


def expected_samples(files: Iterable[str]) -> int | None:
    """About how many samples WAV files hold together; None if one's size is unknown."""
    sizes = [paths.usable_size(file) for file in files]
    return None if None in sizes else sum(sizes) // 2


def coded_samples(files: Iterable[str]) -> int | None:
    """About how many samples coded files hold together, at a usual ratio."""
    total = expected_samples(files)
    return None if total is None else int(total * 3.6)


def _run(
    jobs: list[EncodeJob] | list[DecodeJob], call: Callable, processes: int | None, total: int | None, advance: Callable
) -> list[Outcome]:
    size = DECODE_BATCH if call is decode_call else 1
    Runner(call, processes or default_processes(), total, advance, size).run(jobs)
    return [job.outcome for job in jobs]
