"""Bounds that a reader checks before it allocates, and a writer keeps; and of numbers that a caller gives."""

from numbers import Real

from .errors import UsageError

MAX_CHANNELS = 65535
MAX_CHUNK_FRAMES = 1 << 24
MAX_CHUNK_SAMPLES = 1 << 26
MAX_CHUNK_BYTES = MAX_CHUNK_SAMPLES * 8 + 64
"""Bytes of a chunk of floats of 64 bits that are stored."""
MAX_SHORT_SAMPLES = 1 << 17
"""Samples of a chunk of the coding `short`, which are decoded one after the other."""
MAX_LANES = 1 << 18
"""Lanes of a chunk."""
MAX_SUFFIX_BYTES = 32
MAX_NAME_BYTES = 255
MAX_MODEL_BYTES = 1 << 24
MAX_FOREIGN_BYTES = 1 << 28
MAX_LAYOUT_PARTS = 1 << 18
"""Sections of an original in records, and fields in them, all together."""
MAX_RECORD_BYTES = 1 << 20
"""Bytes of a record of an original that are kept beside its samples."""
MAX_METADATA_BYTES = 1 << 24
"""Bytes of JSON, uncompressed."""
MAX_METADATA_DEPTH = 100
"""Lists and dictionaries in each other."""
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 2**-20, 2**32 - 1
"""Hz; 0 stands for unknown."""

CHUNK_FRAMES = 1 << 17
"""Frames of a chunk that the encoder aims for: 6.7 s of the implant's signal."""

CHUNK_SAMPLES = 1 << 24
"""Samples of a chunk (frames times channels) that the encoder aims for at most: two in work take less than 500 MB."""

LONG_CHUNK_SAMPLES = 1 << 25
"""Samples of a chunk that may be asked for."""

BATCH_SAMPLES = 1 << 24
"""Samples that are coded together, in lanes of one or more chunks."""

MAX_FOREIGN_PIECE = 1 << 24
"""Bytes that are not samples are kept in blocks of at most this many."""

MAX_CHUNKS = 1 << 22


def real(value: object, low: float, high: float, what: str) -> float:
    """Return a number within bounds. Raises `UsageError` for anything else, which says `what` it is and how large."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:  # type: ignore[operator]
        raise UsageError(f"{what}, not {value!r}")
    return float(value)


def whole(value: object, low: int, high: int, what: str) -> int:
    """Return a whole number within bounds, which may come as a float. Raises `UsageError` as `real` does."""
    if real(value, low, high, what) % 1:
        raise UsageError(f"{what}, not {value!r}")
    return int(value)  # type: ignore[call-overload]


def target_rate(value: object) -> float:
    """Return bits per second to stay under. Raises `UsageError`."""
    return real(value, 1e-9, 1e18, "a target rate is a number of bits per second above 0")
