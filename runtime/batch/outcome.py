"""What became of a file, and what a caller wants done with all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..recording.outputs import paths


@dataclass
class Outcome:
    """What became of one file.

    Attributes
    ----------
    path, output : names of the input and the output
    original_bytes, coded_bytes : sizes of the two forms
    samples : of all channels together
    max_errors : bound of the error in each chunk, 0 where it is exact; of an encoded file
    stored : most channels of a chunk that are floats without a step, which are stored; of an encoded file
    bit_rate : bits per second of all channels together, if a target rate was given
    likely_channels : a number of channels that is clearly likelier than that which was given for raw samples
    kept : whether the original is none of the recordings that are known, and was kept as it is; of an encoded file
    notes : what the user is to be told of the input; of an encoded file
    sha256 : of the original, where the coded file holds it or it was asked for
    seconds : from its first byte read to its end, other files at the same time included
    skipped : whether nothing was done, because the output was there (`Destination.skip_done`)
    error : None if all went well
    """

    path: str
    output: str | None = None
    original_bytes: int = 0
    coded_bytes: int = 0
    samples: int = 0
    max_errors: list[int] = field(default_factory=list)
    stored: int = 0
    bit_rate: float | None = None
    likely_channels: int | None = None
    kept: bool = False
    notes: tuple[str, ...] = ()
    sha256: str | None = None
    seconds: float = 0.0
    skipped: bool = False
    error: Exception | None = None


@dataclass(frozen=True)
class Settings:
    """What holds for all files of one call (`Destination`); without `outputs` nothing is written (`verify_files`)."""

    outputs: paths.Outputs | None
    remove: bool
    done: Callable[[Outcome], None]
    skip_done: bool = False
    sums: bool = False
