"""Recordings of 24 and 32 bits and of floats, for the conformance vectors."""

from __future__ import annotations

import io
import struct

import numpy as np
from conformance import Vector

FRAMES = 700


def wide_originals():
    """(vector, recording)."""
    random = np.random.default_rng(31)
    codes = np.rint(random.normal(0, 6, (FRAMES, 4)).cumsum(axis=0) + random.normal(0, 4, (FRAMES, 4))) + 0.0
    whole = codes.astype(np.int32)
    taken_out = whole * [1, 1, 96, 1] + [0, 700_001, 5, 0]
    taken_out[:, 0] += np.arange(FRAMES) * 211
    taken_out[100::250, 1] = 2**31 - 1
    taken_out[:, 3] = random.normal(0, 60_000, FRAMES)
    floats = (codes[:, :3] * [2.0**-15, 0.1, 2.0**-15]).astype(np.float32)
    floats[:, 2] = random.standard_normal(FRAMES)
    bits = random.integers(0, 1 << 32, (60, 2), dtype=np.uint64).astype(np.uint32)
    two = {"channels": 2}
    return [
        (Vector("wide-24-bit", "", 400), wav(whole[:, :2] * [[1, 256]] + [[-300_000, 0]], 3)),
        (Vector("wide-int32", "", form="npy"), npy(taken_out.astype("<i4"))),
        (
            Vector("wide-plain", "", form="bin", options=two | {"dtype": "int32"}),
            whole[:90, :2].astype("<i4").tobytes(),
        ),
        (Vector("wide-noise", "", form="bin", options=two | {"dtype": "uint32"}), bits.astype("<u4").tobytes()),
        (Vector("wide-floats", ""), wav(floats, 4)),
        (Vector("wide-float64", "", 300, form="npy"), npy((codes[:, :2] * 0.0488281).astype(">f8"))),
        (Vector("wide-float-bits", "", form="bin", options=two | {"dtype": "float32"}), bits.astype("<u4").tobytes()),
    ]


WIDE_WHAT = {
    "wide-24-bit": "24 bits: an offset, multiples of 256; chunks",
    "wide-int32": "32 bits: a drift, outliers, multiples with a phase, low bits",
    "wide-plain": "32 bits, which fit 16",
    "wide-noise": "32 bits of noise",
    "wide-floats": "floats in two steps, and of no step",
    "wide-float64": "big-endian floats of 64 bits in steps; chunks",
    "wide-float-bits": "floats of any bits",
}


def npy(samples):
    """An .npy file."""
    file = io.BytesIO()
    np.save(file, samples)
    return file.getvalue()


def wav(samples, width):
    """A WAV file of 24 bits, or of floats, with a canonical header."""
    channels, floats = samples.shape[1], samples.dtype.kind == "f"
    data = samples.astype("<f4" if floats else "<i4").tobytes()
    if width == 3:
        data = np.frombuffer(data, np.uint8).reshape(-1, 4)[:, :3].tobytes()
    fmt = struct.pack(
        "<HHIIHH", 3 if floats else 1, channels, 2048, 2048 * channels * width, channels * width, 8 * width
    )
    body = b"WAVEfmt " + struct.pack("<I", 16) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
