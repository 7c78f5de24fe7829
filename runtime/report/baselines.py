"""Other compressors on an excerpt of the same recording. What needs a package that is not installed is left out."""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile
import zstandard

from ..core.implant_table import CODES, mostly_in_table, table_codes

_FLAC_CHANNELS, _FLAC_RATE = 8, 48000
"""The most channels that FLAC takes; its rate changes nothing."""
_INT24 = 1 << 23
_WAVPACK_LEVEL, _BLOSC_LEVEL, _ZSTD_LEVEL = 4, 5, 9


@dataclass(frozen=True)
class Size:
    """What a compressor makes of an excerpt.

    Attributes
    ----------
    name : str
    bytes : int or None
        None where it was not measured.
    note : str
        Why not.
    """

    name: str
    bytes: int | None
    note: str = ""


def sizes(samples: np.ndarray) -> list[Size]:
    """Return what others make of samples [frames, channels], of any type that recordings have."""
    compressors: list[tuple[str, str, Callable[[np.ndarray], int]]] = [
        ("FLAC -8", "", _flac),
        ("WavPack -hh", "wavpack_numcodecs", _wavpack),
        ("Blosc-zstd, bitshuffle", "numcodecs", _blosc),
        (f"zstd -{_ZSTD_LEVEL}", "", _zstd),
    ]
    found = []
    for name, package, compress in compressors:
        if package and importlib.util.find_spec(package) is None:
            found.append(Size(name, None, f"the package {package} is not installed"))
            continue
        try:
            found.append(Size(name, compress(samples)))
        except Exception as error:  # of libraries, which raise whatever they like for types that they do not take
            found.append(
                Size(name, None, f"does not take these samples ({str(error).strip() or type(error).__name__})")
            )
    return found


def as_codes(samples: np.ndarray) -> np.ndarray:
    """Return the implant's codes, int16, where all samples are in its table; else the samples.

    To give others codes is fair: 10 bits, not the 16 that carry them.
    """
    if samples.dtype != np.int16 or not samples.size or not mostly_in_table(samples):
        return samples
    codes = [table_codes(np.ascontiguousarray(column)) for column in samples.T]
    known = [column - np.int16(CODES // 2) for column in codes if column is not None]
    return np.stack(known, axis=1) if len(known) == len(codes) else samples


def _flac(samples: np.ndarray) -> int:
    if samples.dtype.kind == "f":
        raise ValueError("floats")
    narrow = samples.dtype.itemsize <= 2
    values = samples.astype(np.int32)
    if samples.dtype == np.uint16:
        values -= 1 << 15
    if not narrow:
        if np.abs(samples.astype(np.int64)).max(initial=0) >= _INT24:
            raise ValueError("more than 24 bits")
    values <<= 16 if narrow else 8
    total = 0
    for first in range(0, values.shape[1], _FLAC_CHANNELS):
        file, part = io.BytesIO(), np.ascontiguousarray(values[:, first : first + _FLAC_CHANNELS])
        subtype = "PCM_16" if narrow else "PCM_24"
        soundfile.write(file, part, _FLAC_RATE, format="FLAC", subtype=subtype, compression_level=1.0)
        total += len(file.getvalue())
    return total


def _wavpack(samples: np.ndarray) -> int:
    from wavpack_numcodecs.wavpack import WavPack  # that of numcodecs; the package's own name may be that of zarr 3

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return len(WavPack(level=_WAVPACK_LEVEL).encode(np.ascontiguousarray(samples)))


def _blosc(samples: np.ndarray) -> int:
    from numcodecs import blosc

    codec = blosc.Blosc("zstd", _BLOSC_LEVEL, blosc.BITSHUFFLE)
    return len(codec.encode(np.ascontiguousarray(samples)))


def _zstd(samples: np.ndarray) -> int:
    return len(zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(np.ascontiguousarray(samples).tobytes()))
