"""The calls of the package: bytes and files in one go."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

import numpy as np

from .batch.files import Outcome, decode_files, encode_files
from .batch.model_choice import choose
from .batch.reader import Reader
from .batch.writer import Writer
from .core.near_lossless import check as check_bound
from .core.sample_formats import from_int16
from .fit.topology import Topology
from .recording.arrays import to_samples


def encode(
    samples: np.ndarray,
    sample_rate: int,
    *,
    model: str | os.PathLike | bytes | None = None,
    layout: str | None = None,
    embed_model: bool = False,
    verify: bool = True,
    independent: bool = False,
    topology: Topology | str | os.PathLike | None = None,
    max_error: int | None = None,
    keep: str | Iterable[str] | None = None,
    threshold: float | None = None,
    window: tuple[float, float] | None = None,
    target_rate: float | None = None,
) -> bytes:
    """Code a recording.

    Parameters
    ----------
    samples : int16, uint16, int8 or uint8, [time, channel] or [time]
    sample_rate : Hz, a whole number; 0 if unknown
    model : name, path or bytes of the model; None for the best one for what is asked for
    layout : "time-channel" or "channel-time"; without it, an array with more channels than time steps is refused
    embed_model : put the model into the result, so that decoding needs nothing else
    verify : decode what was encoded and compare
    independent : code each channel alone
    topology : topology, or path of its file, by which channels listen to others; None: found out from the recording
    max_error : how far a decoded sample may be from the original one, 0..255: in codes for channels on the implant's
        lattice, in sample units for others; 0 for lossless
    keep : "spikes", or "spikes,lfp" for a slow band (0 to 200 Hz) as well: keep no more than windows around spikes, in
        which `max_error` holds (then 3 by default), and a smooth rendering between them; None to keep everything
    threshold : of spikes, in robust deviations of a channel's band from 300 to 3000 Hz; 4.5 by default
    window : milliseconds before and after a spike's threshold crossing; (0.5, 1.5) by default
    target_rate : bits per second, all channels together, to stay under: every chunk gets the smallest error that keeps it
        there

    Returns
    -------
    bytes
        What `decode` takes; also the contents of a `.mdo` file, which decodes to a WAV file.

    Raises
    ------
    UsageError, ModelError, RateError
    """
    values, dtype = to_samples(samples, layout)
    frames, channels = values.shape
    if model is None:
        model = choose(values, independent, check_bound(max_error or 0), target_rate, keep is not None)
    file = io.BytesIO()
    settings = {"model": model, "embed_model": embed_model, "verify": verify}
    settings |= {"independent": independent, "topology": topology}
    settings |= {"max_error": max_error, "target_rate": target_rate}
    settings |= {"keep": keep, "threshold": threshold, "window": window}
    with Writer(file, sample_rate, channels, dtype=dtype, frames=frames, **settings) as writer:
        writer.write(from_int16(values, dtype))
    return file.getvalue()


def decode(data: bytes, *, model: str | os.PathLike | bytes | None = None) -> tuple[np.ndarray, int]:
    """Return the samples and the sample rate of a coded recording.

    Parameters
    ----------
    data : of `encode`, or the contents of a `.mdo` file
    model : name, path or bytes of the model, where it is neither shipped nor in the data

    Returns
    -------
    samples : of their original type (in this machine's byte order), always [time, channel]: one channel is a column
    sample_rate : Hz, 0 if unknown

    Raises
    ------
    FileFormatError, CorruptError, ModelError
    """
    with Reader(io.BytesIO(data), model=model) as reader:
        return reader.read(), reader.sample_rate


def encode_file(path: str | os.PathLike, output: str | os.PathLike | None = None, **options: object) -> Outcome:
    """Code a recording in a file, to `NAME.mdo` beside it unless `output` says otherwise.

    Options are those of `encode_files`; only this process is used unless `jobs` is given. Errors are raised.
    """
    return _one(encode_files, path, output, options)


def decode_file(path: str | os.PathLike, output: str | os.PathLike | None = None, **options: object) -> Outcome:
    """Restore the original of a coded file, beside it unless `output` says otherwise.

    Options are those of `decode_files`; only this process is used unless `jobs` is given. Errors are raised.
    """
    return _one(decode_files, path, output, options)


def _one(call: object, path: str | os.PathLike, output: str | os.PathLike | None, options: dict) -> Outcome:
    options = {"jobs": 1, **options}
    (outcome,) = call([path], output=None if output is None else os.fspath(output), **options)
    if outcome.error is not None:
        raise outcome.error
    return outcome
