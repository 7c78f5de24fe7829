"""What is like WAV: RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088), RIFX, and Sony's W64."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from ...container.records import Layout
from ..records import Description
from ..wav import WavFormat, parse_fmt
from .building import claimed_frames, front
from .found import Found

W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_WAVE = bytes.fromhex("77617665f3acd3118cd100c04f8edb8a")
_W64_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
"""What follows the four letters of a chunk."""
_UNKNOWN_SIZE = 0xFFFFFFFF
_MOST_CHUNKS = 1000


def describe(found: Found) -> Description:
    """Describe a file of chunks with sizes of 32 bits. Raises `ValueError` or `FileFormatError`."""
    kind = found.start[:4].decode()
    if found.start[8:12] != b"WAVE":
        raise ValueError("no WAVE")
    big = kind == "RIFX"
    form = long_size = None
    for name, at, size in _chunks(found, big):
        if name == b"ds64":
            (long_size,) = struct.unpack("<Q", found.read(at + 8, 8))
        elif name == b"fmt " and form is None:
            body = found.read(at, min(size, 40))
            form = parse_fmt(_turned(body) if big else body)
        elif name == b"data":
            size = long_size if size == _UNKNOWN_SIZE and long_size is not None else size
            return _describe(found, f"{kind} file", form, at, size, ">" if big else "<")
    raise ValueError("no samples")


def _chunks(found: Found, big: bool) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, offset and size of chunks."""
    at = 12
    for _ in range(_MOST_CHUNKS):
        head = found.read(at, 8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "big" if big else "little")
        yield head[:4], at + 8, size
        at += 8 + size + size % 2


def _turned(body: bytes) -> bytes:
    """Return a big-endian format chunk as a little-endian one."""
    turned = struct.pack("<HHIIHH", *struct.unpack_from(">HHIIHH", body)) + body[16:]
    return turned[:24] + turned[24:26][::-1] + turned[26:]


def describe_w64(found: Found) -> Description:
    """Describe a file of chunks with names of 16 bytes. Raises `ValueError` or `FileFormatError`."""
    if found.start[24:40] != _W64_WAVE:
        raise ValueError("no WAVE")
    at, form = 40, None
    for _ in range(_MOST_CHUNKS):
        head = found.read(at, 24)
        size = int.from_bytes(head[16:], "little") - 24
        if len(head) < 24 or size < 0:
            break
        if head[4:16] == _W64_END and head[:4] == b"fmt ":
            form = parse_fmt(found.read(at + 24, min(size, 40)))
        elif head[4:16] == _W64_END and head[:4] == b"data":
            return _describe(found, "W64 file", form, at + 24, size, "<")
        at += 24 + size + -size % 8
    raise ValueError("no samples")


def _describe(found: Found, name: str, form: WavFormat | None, at: int, size: int, order: str) -> Description:
    if form is None:
        raise ValueError("no format chunk in front of the samples")
    dtype = form.dtype.replace("<", order)
    records, warnings = claimed_frames(found, at, form.channels, dtype, size // form.frame_bytes)
    layout = Layout((*front(found, at), records))
    return Description(name, form.channels, form.sample_rate, dtype, layout, {}, warnings)
