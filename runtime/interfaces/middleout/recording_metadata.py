"""What SpikeInterface knows of a recording, as metadata of middleout files, and back."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from probeinterface import ProbeGroup
from spikeinterface.core import BaseRecording

import runtime
from runtime.container import metadata as known

T_START = "t_start"
_PROPERTIES, _WIRING = "properties", "device_channel_indices"
_OF_THEIR_OWN = (known.GAIN, known.OFFSET)
"""Properties that have a key of the metadata."""


def of_segment(recording: BaseRecording, segment: int) -> dict[str, Any]:
    """Return what is known of a segment besides its samples."""
    annotations = dict(
        _in_json("annotation", ((key, recording.get_annotation(key)) for key in recording.get_annotation_keys()))
    )
    properties = {key: recording.get_property(key) for key in recording.get_property_keys()}
    found = dict(_in_json("property", properties.items()))
    for key in (key for key, values in found.items() if not _is_same(_as_property(values), properties[key])):
        warnings.warn(f"the property {key} comes back changed: JSON has no values of that kind", stacklevel=4)
    made: dict[str, Any] = {known.CHANNEL_IDS: recording.channel_ids, known.ANNOTATIONS: annotations}
    made |= {key: found.pop(key, None) for key in _OF_THEIR_OWN}
    made[_PROPERTIES] = found
    if recording.has_probe():
        made[known.PROBE] = recording.get_probegroup().to_dict()
    made |= _as_start_time(annotations.get(known.START_TIME))
    times = recording.segments[segment].get_times_kwargs()
    made[T_START] = times["t_start"]
    if times["time_vector"] is not None:
        warnings.warn("the times of frames are not kept, only the sample rate and the first one", stacklevel=4)
        made[T_START] = float(times["time_vector"][0]) if len(times["time_vector"]) else None
    return {
        key: value for key, value in made.items() if value is not None and not (isinstance(value, dict) and not value)
    }


def _in_json(what: str, items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    """Yield the items that are values of JSON, and warn of others."""
    for key, value in items:
        try:
            yield key, known.normal({key: value})[key]
        except runtime.UsageError:
            warnings.warn(f"the {what} {key} is not kept: JSON has no values of that kind", stacklevel=5)


def _as_property(values: list[Any]) -> np.ndarray:
    """Return an array of values of JSON."""
    with contextlib.suppress(ValueError):  # lists of other lengths in it
        made = np.array(values)
        if made.tolist() == values:
            return made
    is_natural = all(type(one) is int and 0 <= one < 1 << 64 for one in values)  # numpy makes floats of some
    return np.array(values, np.uint64 if is_natural else object)


def _is_same(found: np.ndarray, wanted: np.ndarray) -> bool:
    """Tell whether a property has the values that it had, be they of another width."""
    return wanted.dtype.kind not in "mM" and found.shape == wanted.shape and found.tolist() == wanted.tolist()


def _as_start_time(value: Any) -> dict[str, Any]:
    """Return an annotation as an entry of the metadata, if it is a time as these have them."""
    try:
        return known.completed({known.START_TIME: value}, 1)
    except runtime.UsageError:
        return {}


def of_probe(metadata: dict[str, Any], channels: int, everything: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Return which channels to take, and their metadata: those on contacts of the probe, if these are some of them.

    With `everything` all are taken, without such a probe.
    """
    probe = metadata.get(known.PROBE, {})
    probes = probe.get("probes", [probe])
    chosen = sorted(channel for one in probes for channel in one.get(_WIRING) or [] if channel >= 0)
    if not 0 < len(set(chosen)) == len(chosen) < channels:
        return np.arange(channels), metadata
    rest = {key: value for key, value in metadata.items() if key != known.PROBE}
    if everything:
        return np.arange(channels), rest
    places = {-1: -1} | {channel: at for at, channel in enumerate(chosen)}
    moved = [one | {_WIRING: [places[channel] for channel in one.get(_WIRING) or []]} for one in probes]
    properties = metadata.get(_PROPERTIES)
    if isinstance(properties, dict):
        rest[_PROPERTIES] = {key: _part(value, chosen, channels) for key, value in properties.items()}
    rest |= {key: _part(rest[key], chosen, channels) for key in _OF_THEIR_OWN if key in rest}
    return np.array(chosen), rest | {known.PROBE: {"probes": moved}}


def _part(values: Any, chosen: list[int], channels: int) -> Any:
    """Return the values of some channels, of what is one value for each."""
    return [values[channel] for channel in chosen] if isinstance(values, list) and len(values) == channels else values


def describe(recording: BaseRecording, metadata: dict[str, Any]) -> None:
    """Tell a recording what a file knows of it."""
    if known.GAIN in metadata:
        recording.set_channel_gains(metadata[known.GAIN])
    if known.OFFSET in metadata or known.GAIN in metadata:
        recording.set_channel_offsets(metadata.get(known.OFFSET, 0.0))
    if known.START_TIME in metadata:
        recording.annotate(**{known.START_TIME: metadata[known.START_TIME]})
    recording.annotate(**metadata.get(known.ANNOTATIONS, {}))
    if known.PROBE in metadata:
        _set_probe(recording, metadata[known.PROBE])
    properties = metadata.get(_PROPERTIES, {})
    for key, values in properties.items() if isinstance(properties, dict) else ():
        if isinstance(values, list) and len(values) == recording.get_num_channels():
            recording.set_property(key, _as_property(values))


def _set_probe(recording: BaseRecording, probe: dict[str, Any]) -> None:
    """Set probe or probes, unless they do not fit the channels."""
    try:
        recording.set_probegroup(ProbeGroup.from_dict(probe if "probes" in probe else {"probes": [probe]}))
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        warnings.warn(f"the probe in the metadata is not set: {error}", stacklevel=4)
