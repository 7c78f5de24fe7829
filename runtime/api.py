"""The calls of the package: bytes and files in one go."""

from __future__ import annotations

import io
import os
from typing import Any

import numpy as np

from .access.reader import Reader
from .access.writer import Writer
from .batch.files import decode_files, encode_files
from .batch.options import EncodeOptions
from .batch.outcome import Outcome
from .core.sample_formats import from_plain
from .recording.arrays import to_samples


def encode(
    samples: np.ndarray,
    sample_rate: float,
    options: EncodeOptions | None = None,
    *,
    layout: str | None = None,
    **fields: Any,
) -> bytes:
    """Encode a recording.

    Parameters
    ----------
    samples : int16, uint16, int8, uint8, int32, uint32, float32 or float64, [time, channel] or [time]
    sample_rate : float
        Hz; 0 if unknown. A WAV file, to which `runtime decode` restores this, has the nearest whole number.
    options : EncodeOptions or None
        How to encode.
    layout : str or None
        "time-channel" or "channel-time"; without it, an array with more channels than time steps is refused.
    **fields
        Fields of `EncodeOptions`.

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
    file = io.BytesIO()
    with Writer(file, sample_rate, channels, options, dtype=dtype, frames=frames, **fields) as writer:
        writer.write(from_plain(values, dtype))
    return file.getvalue()


def decode(
    data: bytes, *, model: str | os.PathLike | bytes | None = None, embedded_model: bool = True
) -> tuple[np.ndarray, float]:
    """Return the samples and the sample rate of a coded recording.

    Parameters
    ----------
    data : bytes
        Of `encode`, or the contents of a `.mdo` file.
    model : str, os.PathLike, bytes or None
        Name, path or bytes of the model, where it is neither shipped nor in the data.
    embedded_model : bool
        Whether a model in the data may be used; False refuses it, as for data from strangers.

    Returns
    -------
    samples : ndarray
        Of their original type (in this machine's byte order), always [time, channel]: one channel is a column.
    sample_rate : float
        Hz, an int where it is a whole number; 0 if unknown.

    Raises
    ------
    FileFormatError, CorruptError, ModelError
    """
    with Reader(io.BytesIO(data), model=model, embedded_model=embedded_model, cache_bytes=0) as reader:
        return reader.read(), reader.sample_rate


def encode_file(
    path: str | os.PathLike,
    output: str | os.PathLike | None = None,
    options: EncodeOptions | None = None,
    **fields: Any,
) -> Outcome:
    """Encode a recording in a file, to `NAME.mdo` beside it unless `output` says otherwise.

    The other parameters are those of `encode_files`. Errors are raised.
    """
    return _one(encode_files([path], options, output=output, **fields))


def decode_file(path: str | os.PathLike, output: str | os.PathLike | None = None, **fields: Any) -> Outcome:
    """Restore the original of a coded file, beside it unless `output` says otherwise.

    The other parameters are those of `decode_files`. Errors are raised.
    """
    return _one(decode_files([path], output=output, **fields))


def _one(outcomes: list[Outcome]) -> Outcome:
    (outcome,) = outcomes
    if outcome.error is not None:
        raise outcome.error
    return outcome
