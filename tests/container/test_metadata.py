"""Metadata: what JSON can hold comes back, known keys are checked, and nothing else is read."""

import datetime
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.container import metadata
from runtime.core import limits
from runtime.core.compressed_bytes import pack_blob
from runtime.core.errors import CorruptError, UsageError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)
OBJECTS = st.dictionaries(TEXTS.map(lambda name: "x" + name), VALUES, max_size=6)
PROBE = {"contact_positions": [[0, 20.5], [0, 41]], "device_channel_indices": [1, -1]}
KNOWN = {
    "channel_ids": ["AP0", 3],
    "gain_to_uV": [0.195, 2],
    "offset_to_uV": [0, -4.5],
    "probe": {"specification": "probeinterface", "probes": [PROBE]},
    "start_time": "2026-11-29T02:30:00.123456789+01:00",
    "annotations": {"subject": "m1"},
}


def payload(text):
    """The payload of a block that holds any bytes."""
    return b"\0" + text


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


@settings(max_examples=100, deadline=None)
@given(OBJECTS)
def test_any_object_comes_back(value):
    assert metadata.parse(metadata.pack(metadata.normal(value), 2), 2) == value


def test_known_keys_come_back():
    assert metadata.parse(metadata.pack(metadata.normal(KNOWN), 2), 2) == KNOWN
    assert metadata.parse(metadata.pack({"probe": PROBE}, 2), 2) == {"probe": PROBE}


def test_values_of_numpy_and_times_become_those_of_json():
    time = datetime.datetime(2026, 11, 29, 2, 30, tzinfo=datetime.UTC)
    given = {"gain_to_uV": np.float32([0.5, 2]), "channel_ids": np.array(["a", "b"]), "start_time": time}
    given |= {"annotations": {"rows": (np.int64(3), np.bool_(True)), "day": np.datetime64("2026-11-29T00:00:00")}}
    assert metadata.normal(given) == {
        "gain_to_uV": [0.5, 2],
        "channel_ids": ["a", "b"],
        "start_time": "2026-11-29T02:30:00+00:00",
        "annotations": {"rows": [3, True], "day": "2026-11-29T00:00:00"},
    }


def test_a_single_gain_is_that_of_every_channel():
    found = metadata.parse(metadata.pack({"gain_to_uV": 0.195, "offset_to_uV": 0}, 3), 3)
    assert found == {"gain_to_uV": [0.195] * 3, "offset_to_uV": [0] * 3}


def test_a_file_of_json_is_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(KNOWN), encoding="utf-8-sig")
    assert metadata.normal(path) == metadata.normal(str(path)) == KNOWN
    for text in ("", "{", "[1]", '{"a": NaN}', '{"a": 1, "a": 2}'):
        path.write_text(text)
        with pytest.raises(UsageError, match="x.json"):
            metadata.normal(path)
    with pytest.raises(UsageError, match="No such file"):
        metadata.normal(tmp_path / "y.json")


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": np.array([1, np.inf])},
        {"a": object()},
        {"a": b"bytes"},
        {"a": "\ud800"},
        {"a": 10**400},
        {("a",): 1},
        {"a": nested(limits.MAX_METADATA_DEPTH)},
        {"a": nested(5000)},
        [1],
        5,
    ],
)
def test_what_json_does_not_have_is_refused(value):
    with pytest.raises(UsageError, match="metadata"):
        metadata.normal(value)


WRONG = [
    {"channel_ids": ["a"]},
    {"channel_ids": ["a", "a"]},
    {"channel_ids": [1, True]},
    {"channel_ids": [1, 2.5]},
    {"channel_ids": "ab"},
    {"gain_to_uV": [1, 1, 1]},
    {"gain_to_uV": [1, "1"]},
    {"gain_to_uV": [1, True]},
    {"offset_to_uV": None},
    {"probe": []},
    {"probe": {}},
    {"probe": {"probes": {}}},
    {"probe": {"contact_positions": [[0]]}},
    {"probe": PROBE | {"device_channel_indices": [0]}},
    {"probe": PROBE | {"device_channel_indices": [0, 2]}},
    {"probe": PROBE | {"device_channel_indices": [0, -2]}},
    {"probe": PROBE | {"device_channel_indices": [0, 1.0]}},
    {"start_time": 5},
    {"start_time": "yesterday"},
    {"start_time": "2026-11-29"},
    {"start_time": "2026-11-31T00:00:00"},
    {"start_time": "2026-11-29T24:00:00"},
    {"start_time": "2026-11-29T00:00:00+25:00"},
    {"start_time": "2026-11-29T00:00:00Z\n"},
    {"annotations": ["a"]},
]


@pytest.mark.parametrize("value", WRONG, ids=str)
def test_impossible_values_of_known_keys_are_refused(value):
    (key,) = value
    with pytest.raises(UsageError, match=f"{key} is .*2 channels"):
        metadata.pack(metadata.normal(value), 2)
    with pytest.raises(CorruptError, match=key):
        metadata.parse(payload(json.dumps(value).encode()), 2)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        payload(b""),
        payload(b"[1]"),
        payload(b'{"a":1}x'),
        payload(b'{"a":1,"a":1}'),
        payload(b'{"a":Infinity}'),
        payload(b'{"a":1e999}'),
        payload(b'{"a":1' + b"0" * 400 + b"}"),
        payload(b'{"a":1' + b"0" * 5000 + b"}"),
        payload(b'{"a":"\xff"}'),
        payload(rb'{"a":"\udc00"}'),
        payload('{"a":1}'.encode("utf-16")),
        payload(b"\xef\xbb\xbf{}"),
        payload(json.dumps({"a": nested(limits.MAX_METADATA_DEPTH)}).encode()),
        payload(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        b"\2{}",
        b"\1{}",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_anything_else_is_corrupt(data):
    with pytest.raises(CorruptError):
        metadata.parse(data, 2)


def test_the_deepest_values_and_their_limit():
    value = {"a": nested(limits.MAX_METADATA_DEPTH - 1)}
    assert metadata.parse(metadata.pack(metadata.normal(value), 2), 2) == value


def test_metadata_have_a_limit(monkeypatch):
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 100)
    assert metadata.parse(metadata.pack({"a": "x" * 92}, 1), 1) == {"a": "x" * 92}
    with pytest.raises(UsageError, match="101 bytes"):
        metadata.pack({"a": "x" * 93}, 1)
    coding, body = pack_blob(json.dumps({"a": "x" * 1000}).encode())
    for data in (bytes([coding]) + body, payload(json.dumps({"a": "x" * 1000}).encode())):
        with pytest.raises(CorruptError):
            metadata.parse(data, 1)
