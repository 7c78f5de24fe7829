"""Files that are known by their first bytes and not read as recordings: what they are, in words."""

from __future__ import annotations

from ..container.blocks import MAGIC
from ..core.errors import FileFormatError, UsageError

_SAMPLES = "export its samples as .npy or as a raw file"
SAMPLES_ALONE = "its samples alone can be kept with --samples-only, or samples_only"
_READ = "without --channels it is read as one, unless it is damaged or of a rare kind"
_KNOWN = {
    b"\x89HDF\r\n\x1a\n": ("an HDF5 file (NWB, MATLAB 7.3 and others)", _SAMPLES),
    b"MATLAB ": ("a MATLAB file", _SAMPLES),
    b"PK\x03\x04": ("a zip archive (.npz and others)", _SAMPLES),
    b"\x1f\x8b": ("compressed by gzip", "unpack it first"),
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it first"),
    b"BZh": ("compressed by bzip2", "unpack it first"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it first"),
    b"fLaC": ("a FLAC file", SAMPLES_ALONE),
    b"FORM": ("an AIFF file", SAMPLES_ALONE),
    b"caff": ("a CAF file", SAMPLES_ALONE),
    b"riff": ("a W64 file", _READ),
    b"RF64": ("an RF64 file, a WAV file of over 4 GB", _READ),
    b"BW64": ("a BW64 file", _READ),
    b"RIFX": ("a big-endian RIFX file", _READ),
    b"wvpk": ("a WavPack file", "unpack it first"),
    b"ID3": ("an MP3 file", ""),
    b"OggS": ("an Ogg file", SAMPLES_ALONE),
    b"0       ": ("an EDF file", _READ),
    b"\xffBIOSEMI": ("a BDF file", _READ),
    b"ABF ": ("an ABF file", _READ),
    b"ABF2": ("an ABF file", _READ),
    b"\x02\x27\x91\xc6": ("an Intan .rhd file", _READ),
    b"\xac\x27\x91\xd6": ("an Intan .rhs file", _READ),
    b"NEURALSG": ("a Blackrock file", _READ),
    b"NEURALCD": ("a Blackrock file", _READ),
    b"BRSMPGRP": ("a Blackrock file", _READ),
    b"########": ("a Neuralynx file", _READ),
    b"%PDF": ("a PDF file", ""),
    b"\x89PNG": ("a picture", ""),
}


def refuse_known(start: bytes, is_pipe: bool = False) -> None:
    """Raise `FileFormatError` for the first bytes of a file that is no bare samples.

    `UsageError` for a coded one, and for one that would be read if it were no pipe.
    """
    if start.startswith(MAGIC):
        raise UsageError("this is a coded file already")
    for signature, (what, advice) in _KNOWN.items():
        if start.startswith(signature):
            if is_pipe and advice == _READ:
                raise UsageError(f"this is {what}, which needs a file; this is a pipe")
            raise FileFormatError(f"this is {what}" + (f": {advice}" if advice else ""))
