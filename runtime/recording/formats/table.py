"""All formats: which of them a file is of."""

from __future__ import annotations

import dataclasses
import logging
import struct
from collections.abc import Callable
from typing import Any

from ...container import metadata
from ...container.records import Records
from ...core import limits, sample_formats
from ...core.errors import MiddleoutError, UsageError
from ..records import Description
from . import (
    abf,
    axona,
    blackrock,
    brainvision,
    edf,
    intan,
    intan_folder,
    kilosort,
    neuralynx,
    openephys,
    riff,
    spikeglx,
)
from .found import Found

Parser = Callable[[Found], Description | None]

_SIGNATURES: tuple[tuple[bytes, Parser], ...] = (
    (edf.EDF, edf.describe),
    (edf.BDF, edf.describe),
    (intan.RHD, intan.describe),
    (intan.RHS, intan.describe),
    (openephys.LEGACY, openephys.describe_legacy),
    (b"NEURALSG", blackrock.describe_simple),
    (b"NEURALCD", blackrock.describe),
    (b"BRSMPGRP", blackrock.describe),
    (neuralynx.SIGNATURE, neuralynx.describe),
    (b"ABF ", abf.describe_first),
    (b"ABF2", abf.describe_second),
    (b"RF64", riff.describe),
    (b"BW64", riff.describe),
    (b"RIFX", riff.describe),
    (riff.W64, riff.describe_w64),
    (b"ADU", axona.describe),
    (b"trial_date", axona.describe_text),
)
"""What files begin with."""

_WITH_SIDECARS: tuple[Parser, ...] = (
    spikeglx.describe,
    openephys.describe,
    intan_folder.describe,
    brainvision.describe,
    kilosort.describe,
)
"""Files of samples only, that another file beside them describes."""


def describe(found: Found) -> Description | None:
    """Find out where the samples of a file are, if one of the formats knows it.

    Whatever a file holds, there is no error: a header that contradicts itself or the file is logged (logger `runtime`).

    Raises
    ------
    OSError
        The file can't be read.
    """
    by_signature = [parser for signature, parser in _SIGNATURES if found.start.startswith(signature)]
    for parser in (*by_signature, *_WITH_SIDECARS):
        try:
            described = parser(found)
            if described is not None:
                return _checked(found, described)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            _log(found, parser, error)
        except (SyntaxError, RecursionError, MemoryError, struct.error, MiddleoutError) as error:
            _log(found, parser, error)
    return None


def _log(found: Found, parser: Parser, error: Exception) -> None:
    kind = parser.__module__.rpartition(".")[2]
    logging.getLogger("runtime").info("%r is not read as %s: %s", found.path or "the file", kind, error)


def _checked(found: Found, described: Description) -> Description:
    """Return a description whose layout the file holds, and whose metadata are possible. Raises `ValueError`."""
    layout, channels = described.layout, described.channels
    if not 1 <= channels <= limits.MAX_CHANNELS:
        raise ValueError(f"{channels} channels")
    if not layout.channel_by_channel:
        layout.check(channels)
    end = layout.places(sample_formats.width(described.dtype))[-1]
    if layout.channel_by_channel and end != found.size:
        raise ValueError("channel by channel, and other bytes behind")
    if not layout.frames or end > found.size or not isinstance(layout.sections[-1], Records):
        raise ValueError("the file ends in front of its samples")
    rate = described.sample_rate
    known = limits.MIN_SAMPLE_RATE <= rate <= limits.MAX_SAMPLE_RATE
    return dataclasses.replace(
        described, sample_rate=float(rate) if known else 0.0, metadata=_possible(described.metadata, channels)
    )


def _possible(given: dict[str, Any], channels: int) -> dict[str, Any]:
    """Return the metadata that can be kept."""
    kept: dict[str, Any] = {}
    for key, value in given.items():
        try:
            kept |= metadata.completed(metadata.normal({key: value}), channels)
        except UsageError as error:
            logging.getLogger("runtime").info("left out of the metadata: %s", error)
    return kept
