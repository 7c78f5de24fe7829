"""EDF and BDF files of any signals, for vectors, damages and measurements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LIMITS = {2: (-32768, 32767), 3: (-8388608, 8388607)}


def edf(signals: Sequence[np.ndarray], records: int, width: int = 2, notes: int = 0) -> bytes:
    """Return a file of records of 1 s.

    Parameters
    ----------
    signals : one after the other in each record, integers of any type
    records : by which the length of each signal can be divided
    width : bytes of a sample: 2 for EDF, 3 for BDF
    notes : samples of annotations in a record, between the first and the second signal
    """
    counts, labels = [len(one) // records for one in signals], [f"S{number}" for number in range(len(signals))]
    parts = [np.asarray(one, "<i4").reshape(records, -1, 1).view(np.uint8)[..., :width] for one in signals]
    if notes:
        text = b"".join(f"+{number}\x14\x14".encode().ljust(notes * width, b"\0") for number in range(records))
        parts.insert(1, np.frombuffer(text, np.uint8).reshape(records, notes, width))
        counts.insert(1, notes)
        labels.insert(1, "EDF Annotations" if width == 2 else "BDF Annotations")
    low, high = _LIMITS[width]
    header = (b"0       " if width == 2 else b"\xffBIOSEMI") + b"X".ljust(80) + b"Startdate X".ljust(80)
    header += f"02.03.0211.12.13{256 * (len(labels) + 1):<8}".encode() + (b"EDF+C" if notes else b"").ljust(44)
    header += f"{records:<8}{1:<8}{len(labels):<4}".encode()
    columns = [(16, labels), (80, ["electrode"] * len(labels)), (8, ["uV"] * len(labels))]
    columns += [(8, [value] * len(labels)) for value in (-1000, 1000, low, high)]
    columns += [(80, [""] * len(labels)), (8, counts), (32, [""] * len(labels))]
    header += b"".join(f"{value:<{size}}".encode() for size, values in columns for value in values)
    return header + np.concatenate([part.reshape(records, -1) for part in parts], axis=1).tobytes()


def waves(frames: int, count: int, seed: int, scale: float = 1.0) -> list[np.ndarray]:
    """Return smooth signals of one process of second order each, with a part in common and white noise, int32."""
    random = np.random.default_rng(seed)
    made = random.normal(0, 1, (frames + 100, count + 1))
    for at in range(2, len(made)):
        made[at] += 1.9 * made[at - 1] - 0.94 * made[at - 2]
    mixed = 8 * made[100:, :count] + 5 * made[100:, count:] + 2 * random.normal(0, 1, (frames, count))
    return list(np.rint(scale * mixed).astype(np.int32).T)
