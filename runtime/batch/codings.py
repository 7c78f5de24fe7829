"""The table of codings, and what is done by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..codec.coding import Coding, DecodeTask, EncodeTask
from ..codec.rans_coding import RansCoding
from ..codec.short_coding import ShortCoding, is_best, is_possible
from ..codec.stored import StoredCoding
from ..container.chunk_head import RANS, WIDE, coding_number
from ..core.errors import CorruptError
from ..predictor.model import Model
from ..spikes.spike_coding import SpikeCoding
from ..wide.wide_coding import WideCoding

_SPIKES, _SHORT = SpikeCoding(), ShortCoding()
_ALL: tuple[Coding, ...] = StoredCoding(), RansCoding(), WideCoding(), _SPIKES, _SHORT
CODINGS = {coding.number: coding for coding in _ALL}
"""By the low bits of a payload's coding byte."""


def coding_of(payload: bytes) -> Coding:
    """Return the coding of a payload, whose first five bytes will do. Raises `CorruptError`."""
    if (number := coding_number(payload)) is None or number not in CODINGS:
        raise CorruptError("a chunk uses an unknown coding; a newer version may read it")
    return CODINGS[number]


def encode(tasks: list[EncodeTask], model: Model) -> list[bytes]:
    """Return the payloads of chunks."""
    payloads = _grouped(tasks, _coding_for, "encode", model)
    short = [i for i, task in enumerate(tasks) if is_possible(task) and not is_best(task)]
    for i, payload in zip(short, _SHORT.encode([tasks[i] for i in short], model), strict=True):
        payloads[i] = min(payloads[i], payload, key=len)
    return payloads


def decode(tasks: list[DecodeTask], model: Model) -> list[np.ndarray]:
    """Return the samples [frames, channels] of payloads, in their plain type. Raises `CorruptError`."""
    return _grouped(tasks, lambda task: coding_of(task.payload), "decode", model)


def _coding_for(task: EncodeTask) -> Coding:
    if is_best(task):
        return _SHORT
    if task.samples.dtype != np.int16:
        return CODINGS[WIDE]
    return CODINGS[RANS] if task.spikes is None else _SPIKES


def _grouped(tasks: list, choose: Callable[[Any], Coding], what: str, model: Model) -> list:
    """Let each coding do its tasks at once; results are in the order of the tasks."""
    groups: dict[int, list[int]] = {}
    for i, task in enumerate(tasks):
        groups.setdefault(choose(task).number, []).append(i)
    done: dict[int, Any] = {}
    for number, numbers in groups.items():
        results = getattr(CODINGS[number], what)([tasks[i] for i in numbers], model)
        done |= dict(zip(numbers, results, strict=True))
    return [done[i] for i in range(len(tasks))]
