"""Words that users, modules and messages have in common; imports nothing."""

TIME_CHANNEL, CHANNEL_TIME = "time-channel", "channel-time"
LAYOUTS = (TIME_CHANNEL, CHANNEL_TIME)
"""Orders of the axes of an array, and of samples in a file."""

STREAM = "-"
"""Stands for standard input or output in place of a path."""

SAMPLES, WAV, RAW, NPY, FILES = "samples", "wav", "raw", "npy", "files"
RECORDS, KEPT = "records", "kept"
"""Kinds of originals: never a file, a WAV file, bare samples, a .npy file, a file for each channel, a file of records
of which some bytes are samples, and a file that is kept as it is."""

RAW_SUFFIXES = (".bin", ".raw", ".dat")
"""Of files of bare samples."""

PACKETS = b"\xa7\x4d"
"""What every packet of a stream begins with."""

INT24 = "int24"
TYPES = ("int16", "uint16", "int8", "uint8", INT24, "int32", "uint32", "float32", "float64")
"""Types of samples."""

ZEROS, HOLD = "zeros", "hold"
FILLS = (ZEROS, HOLD)
"""What may take the place of frames that a stream has lost."""
