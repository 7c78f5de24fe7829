"""The block `J`: what is known of a recording besides its samples (docs/format.md section 2.7)."""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ..core import limits
from ..core.compressed_bytes import pack_blob, parse_blob
from ..core.errors import CorruptError, UsageError

CHANNEL_IDS, GAIN, OFFSET, PROBE = "channel_ids", "gain_to_uV", "offset_to_uV", "probe"
OF_CHANNELS = (CHANNEL_IDS, GAIN, OFFSET, PROBE)
START_TIME, ANNOTATIONS = "start_time", "annotations"
_HOLES, UNITS = "holes", "units"
BITS = "bits"
"""The unit of a channel whose samples are digital words, in the list `units` of the annotations."""
FORMAT = "format"
"""What a file was that some acquisition system wrote, in words; of no meaning to a decoder."""
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]"
_TIME = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}:[0-5][0-9](\.[0-9]{{1,9}})?(Z|[+-]{_CLOCK})?")


def digital_channels(metadata: Mapping[str, Any], channels: int) -> list[int]:
    """Return the numbers of channels whose samples are digital words, of which every bit counts."""
    about = metadata.get(ANNOTATIONS)
    units = about.get(UNITS) if isinstance(about, dict) else None
    if not isinstance(units, list) or len(units) != channels:
        return []
    return [channel for channel, unit in enumerate(units) if unit == BITS]


def holes_of(metadata: dict[str, Any]) -> list[list[int]]:
    """Return the frames that were lost before a recording was salvaged, first ones and ends; none if it was not."""
    about = metadata.get(ANNOTATIONS)
    holes = about.get(_HOLES, []) if isinstance(about, dict) else []
    pairs = isinstance(holes, list) and all(isinstance(hole, list) and len(hole) == 2 for hole in holes)
    return holes if pairs and all(isinstance(frame, int) for hole in holes for frame in hole) else []


def with_holes(metadata: dict[str, Any], holes: list[list[int]]) -> dict[str, Any]:
    """Return metadata that tell of holes beside those of which they tell already."""
    merged: list[list[int]] = []
    for start, stop in sorted(holes_of(metadata) + holes):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return metadata | {ANNOTATIONS: metadata.get(ANNOTATIONS, {}) | {_HOLES: merged}}


def normal(metadata: Any) -> dict[str, Any]:
    """Return metadata as values of JSON: a copy, with arrays and tuples as lists and times as text.

    Parameters
    ----------
    metadata : mapping, or path of a JSON file

    Raises
    ------
    UsageError
        The file is not there or holds no JSON; there are values that JSON does not have.
    """
    place = f"{os.fspath(metadata)}: " if isinstance(metadata, str | os.PathLike) else ""
    try:
        if isinstance(metadata, str | os.PathLike):
            with open(metadata, "rb") as file:
                metadata = json.loads(file.read(), object_pairs_hook=_unique)
        made = json.loads(_to_json(metadata))
        _check_values(made)
    except OSError as error:
        raise UsageError(f"metadata: {place}{error.strerror or error}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{place}metadata can't be kept as JSON: {error}") from None
    if not isinstance(made, dict):
        raise UsageError(f"{place}metadata are a dictionary, which is an object in JSON; not {type(made).__name__}")
    return made


def completed(metadata: dict[str, Any], channels: int) -> dict[str, Any]:
    """Return metadata in which a gain or offset that is one number is that of every channel.

    Parameters
    ----------
    metadata : as `normal` gives it

    Raises
    ------
    UsageError
        A known key has an impossible value.
    """
    single = {key: value for key, value in metadata.items() if key in (GAIN, OFFSET) and _is_number(value)}
    values = metadata | {key: [value] * channels for key, value in single.items()}
    try:
        _check(values, channels)
    except ValueError as error:
        raise UsageError(f"metadata: {error}") from None
    return values


def pack(metadata: dict[str, Any], channels: int) -> bytes:
    """Return the payload of the block, of what `completed` takes. Raises `UsageError`, also where it is too long."""
    data = _to_json(completed(metadata, channels))
    if len(data) > limits.MAX_METADATA_BYTES:
        raise UsageError(f"metadata of {len(data)} bytes; {limits.MAX_METADATA_BYTES} are possible")
    coding, body = pack_blob(data)
    return bytes([coding]) + body


def parse(payload: bytes, channels: int) -> dict[str, Any]:
    """Undo `pack`. Raises `CorruptError`."""
    if not payload:
        raise CorruptError("an empty block of metadata")
    data = parse_blob(payload[0], payload[1:], limits.MAX_METADATA_BYTES)
    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=_unique)
        _to_json(found)  # which refuses NaN, infinities and halves of surrogate pairs
        _check_values(found)
        if not isinstance(found, dict):
            raise ValueError("they are no object")
        _check(found, channels)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"the metadata are not as the format says: {error}") from None
    return found


def _to_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_as_json)
    return text.encode("utf-8")


def _as_json(value: Any) -> Any:
    """Return numpy's arrays and numbers as Python's, and times as text."""
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises `ValueError` if a name is in it twice."""
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice in an object")
    return made


def _check_values(value: Any, left: int = limits.MAX_METADATA_DEPTH) -> None:
    """Refuse numbers beyond float64, and lists and dictionaries too deep in each other. Raises `ValueError`."""
    if isinstance(value, int) and abs(value) > sys.float_info.max:
        raise ValueError("a number beyond float64")
    if isinstance(value, dict | list):
        if not left:
            raise ValueError(f"more than {limits.MAX_METADATA_DEPTH} lists or dictionaries in each other")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_values(inner, left - 1)


def _check(metadata: dict[str, Any], channels: int) -> None:
    """Refuse impossible values of known keys. Raises `ValueError`."""
    for key, (is_possible, what) in _KNOWN.items():
        if key in metadata and not is_possible(metadata[key], channels):
            raise ValueError(f"{key} is {what}; there are {channels} channels")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _are_numbers(value: Any, channels: int) -> bool:
    return isinstance(value, list) and len(value) == channels and all(map(_is_number, value))


def _are_ids(value: Any, channels: int) -> bool:
    if not isinstance(value, list) or not all(type(one) in (int, str) for one in value):
        return False
    return len(value) == channels == len(set(value))


def _is_probe(value: Any, channels: int) -> bool:
    """Tell whether it is a dictionary of probeinterface, of one probe or of a group of them."""
    probes = value.get("probes", [value]) if isinstance(value, dict) else None
    return isinstance(probes, list) and all(_is_one_probe(probe, channels) for probe in probes)


def _is_one_probe(probe: Any, channels: int) -> bool:
    positions = probe.get("contact_positions") if isinstance(probe, dict) else None
    if not isinstance(positions, list) or not all(_are_numbers(at, 2) or _are_numbers(at, 3) for at in positions):
        return False
    wiring = probe.get("device_channel_indices")
    if wiring is None:
        return True
    if not isinstance(wiring, list) or len(wiring) != len(positions):
        return False
    return all(type(channel) is int and -1 <= channel < channels for channel in wiring)


def _is_time(value: Any, _: int) -> bool:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return False
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


_NUMBERS = "a list of one finite number for each channel"
_KNOWN: dict[str, tuple[Callable[[Any, int], bool], str]] = {
    CHANNEL_IDS: (_are_ids, "a list of one integer or text for each channel, all different"),
    GAIN: (_are_numbers, _NUMBERS),
    OFFSET: (_are_numbers, _NUMBERS),
    PROBE: (_is_probe, "a dictionary of probeinterface, whose device_channel_indices are channels or -1"),
    START_TIME: (_is_time, "a text such as 2026-11-29T02:30:00.5+01:00"),
    ANNOTATIONS: (lambda value, _: isinstance(value, dict), "a dictionary"),
}
